// Reads the host's graph into a HostGraph.
// In:  an OrtGraph, valid during the call that handed it to us.  Out: HostGraph; constant bytes stay borrowed.
// Not here: decisions.  Producers and consumers are found by name: the host's own walk is broken before 1.25.
#pragma once

#include <string>
#include <vector>

#include "plugin/onnxruntime/ort_abi.h"
#include "plugin/partition/host_graph.h"

namespace octile::ort {

struct ReadGraph {
  plugin::HostGraph graph;
  std::vector<const OrtNode*> nodes;  // as graph.nodes
  bool in_subgraph = false;           // the body of an If, Loop or Scan
  std::string model_path;             // empty: it came from memory
};

[[nodiscard]] Result<ReadGraph> read_graph(const Host& host, const OrtGraph* graph);
// Names of a node's inputs or outputs; "" where one is left out.
[[nodiscard]] Result<std::vector<std::string>> input_names(const Host& host, const OrtNode* node);
[[nodiscard]] Result<std::vector<std::string>> output_names(const Host& host, const OrtNode* node);
// Names of the graph's inputs, then of its outputs, as the model lists them.
[[nodiscard]] Result<std::vector<std::string>> border_names(const Host& host, const OrtGraph* graph);

}  // namespace octile::ort
