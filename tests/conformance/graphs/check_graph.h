// One graph through an implementation and through the oracle, bit for bit; a smaller graph that still differs.
// In:  a random graph, an implementation.  Out: a verdict, a shrunk graph.
// Not here: drawing (tests/support), regions (main.cpp).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/support/random_graph.h"

namespace octile::testing {

// A graph made ready, run as often as wanted, at any input shapes.
using GraphRun = std::function<Result<std::vector<HostArray>>(const std::vector<HostArray>& inputs)>;
using GraphPrepare = std::function<Result<GraphRun>(const GraphDesc& graph)>;

// Inputs of one run each, in the order the runs are made.
using InputSets = std::vector<std::vector<HostArray>>;
// Every shape the graph can be run at, then the first again with other numbers.
[[nodiscard]] InputSets input_sets(const RandomGraph& random);

// Empty when every run answers exactly what the oracle does, else what is wrong. Which NaN a NaN is does not matter.
[[nodiscard]] std::string difference(const GraphDesc& graph, const InputSets& sets, const GraphPrepare& prepare);

// The shortest part of the graph that still differs, its inputs what the oracle makes of `sets` up to there.
struct Shrunk {
  GraphDesc graph;
  InputSets sets;
  std::string wrong;
};
[[nodiscard]] Shrunk shrink(const GraphDesc& graph, const InputSets& sets, const GraphPrepare& prepare);

// What a run covered, for people to read.
class GraphTally {
 public:
  void add(const RandomGraph& random);
  void count(const std::string& title, const std::string& what) { ++histograms_[title][what]; }
  [[nodiscard]] bool covers(NodeKind kind) const;
  [[nodiscard]] std::string text() const;

 private:
  std::map<std::string, std::map<std::string, int64_t>> histograms_;
};

}  // namespace octile::testing
