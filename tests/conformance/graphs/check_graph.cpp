// Comparison and histograms.
// In/out: see check_graph.h.  Not here: shrinking (shrink.cpp).
#include "tests/conformance/graphs/check_graph.h"

#include <cmath>
#include <cstring>
#include <sstream>

#include "tests/support/rng.h"

namespace octile::testing {
namespace {

bool same(const HostArray& a, const HostArray& b, int64_t i) {
  if (a.type == DType::f32 && std::isnan(a.as<float>()[i]) && std::isnan(b.as<float>()[i])) return true;
  const auto size = static_cast<size_t>(size_of(a.type)), at = static_cast<size_t>(i) * size;
  return std::memcmp(&a.bytes[at], &b.bytes[at], size) == 0;
}

std::string number(const HostArray& a, int64_t i) {
  std::ostringstream out;
  out.precision(9);
  switch (a.type) {
    case DType::u8: out << int{a.as<uint8_t>()[i]}; break;
    case DType::s8: out << int{a.as<int8_t>()[i]}; break;
    case DType::s32: out << a.as<int32_t>()[i]; break;
    case DType::f32: out << a.as<float>()[i]; break;
    case DType::s64: out << a.as<int64_t>()[i]; break;
  }
  return out.str();
}

std::string compare(const std::string& name, const HostArray& got, const HostArray& want) {
  if (got.dims != want.dims)
    return name + " has shape " + octile::print(got.dims) + ", not " + octile::print(want.dims);
  int64_t wrong = 0, first = -1;
  for (int64_t i = 0; i < want.count(); ++i) {
    if (same(got, want, i)) continue;
    if (wrong++ == 0) first = i;
  }
  if (wrong == 0) return "";
  return name + octile::print(want.dims) + ": " + std::to_string(wrong) + " elements differ, the first at " +
         std::to_string(first) + ": " + number(got, first) + ", not " + number(want, first);
}

}  // namespace

InputSets input_sets(const RandomGraph& random) {
  InputSets sets;
  for (size_t i = 0; i < random.shapes.size(); ++i) {
    sets.push_back(draw_arrays(random.graph, random.shapes[i], mix(random.seed + i)));
  }
  sets.push_back(draw_arrays(random.graph, random.shapes[0], mix(random.seed + 2)));
  return sets;
}

std::string difference(const GraphDesc& graph, const InputSets& sets, const GraphPrepare& prepare) {
  const Result<GraphRun> run = prepare(graph);
  if (!run.ok()) return "refused: " + run.status().to_string();
  for (size_t i = 0; i < sets.size(); ++i) {
    const std::string when = "run " + std::to_string(i + 1) + ": ";
    const Result<std::vector<HostArray>> want = interpret(graph, sets[i]);
    if (!want.ok()) return when + "the oracle refuses: " + want.status().to_string();
    const Result<std::vector<HostArray>> got = (*run)(sets[i]);
    if (!got.ok()) return when + got.status().to_string();
    for (size_t o = 0; o < want->size(); ++o) {
      const std::string& name = graph.values[static_cast<size_t>(graph.outputs[o])].name;
      const std::string wrong = compare(name, (*got)[o], (*want)[o]);
      if (!wrong.empty()) return when + wrong;
    }
  }
  return "";
}

void GraphTally::add(const RandomGraph& random) {
  for (const NodeDesc& node : random.graph.nodes) {
    ++histograms_["nodes"][std::string(node.kind == NodeKind::spec ? to_string(node.spec.kind) : to_string(node.kind))];
  }
  const auto size = static_cast<int64_t>(random.graph.nodes.size());
  ++histograms_["nodes per graph"][size < 4 ? "1 to 3" : size < 10 ? "4 to 9" : size < 21 ? "10 to 20" : "more"];
  ++histograms_["input shapes"][std::to_string(random.shapes.size())];
  ++histograms_["outputs"][random.graph.outputs.size() == 1 ? "1" : random.graph.outputs.size() == 2 ? "2" : "more"];
}

bool GraphTally::covers(NodeKind kind) const {
  const auto nodes = histograms_.find("nodes");
  return nodes != histograms_.end() && nodes->second.count(std::string(to_string(kind))) > 0;
}

std::string GraphTally::text() const {
  std::ostringstream out;
  for (const auto& [title, counts] : histograms_) {
    out << title << '\n';
    for (const auto& [what, count] : counts) out << "  " << what << ' ' << count << '\n';
  }
  return out.str();
}

}  // namespace octile::testing
