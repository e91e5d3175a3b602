// EPContext: regions saved inside ONNX models, so that a session starts from a plan instead of the quantized nodes.
// In:  ContextOptions, plans.  Out: EPContext nodes; and the plan's bytes out of such a node.
// Not here: the plan format (runtime/plan_file), which nodes are claimed (ep.cpp).
//
// A node's payload is exactly a .octplan file, inside the model or beside it. It holds no kernels and no packed
// weights, so one compiled model serves every CPU and every pack.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/onnxruntime/options.h"
#include "plugin/onnxruntime/ort_abi.h"
#include "plugin/partition/host_graph.h"

namespace octile::ort {

// Is it an EPContext node that this provider wrote?
[[nodiscard]] bool is_context(const plugin::HostNode& node);

// One region as a node: tensors in the plan's order.
struct ContextNode {
  std::string name;  // the fused node's
  std::vector<std::string> inputs, outputs;
};
// `model_path` is the model being compiled, `index` counts the regions of it (a file name each).
[[nodiscard]] Result<OrtNode*> make_context(const Host& host, const ContextOptions& options,
                                            const std::string& model_path, int index, const ContextNode& what,
                                            std::span<const uint8_t> plan);

// The payload of `node`, and what errors about it should name.
struct Payload {
  std::span<const uint8_t> bytes;
  std::shared_ptr<const void> owner;  // of the bytes
  std::string file;
};
[[nodiscard]] Result<Payload> read_context(const Host& host, const ContextOptions& options,
                                           const std::string& model_path, const OrtNode* from,
                                           const plugin::HostNode& node);

// What a compiled model needs, for ONNX Runtime to store and to ask about: "octile 0.1.0, plan 1".
[[nodiscard]] const char* compatibility();
// The answer to such a text: one of ORT's four.
enum Compatibility : int { kNotApplicable = 0, kOptimal = 1, kPreferRecompilation = 2, kUnsupported = 3 };
[[nodiscard]] Compatibility judge(std::string_view text);

}  // namespace octile::ort
