// octile-graph-values: random graphs and every value the oracle computes in them, as text another judge can read.
// In:  --graphs N --seed S.  Out: a JSON object per line: values (type, scale, zp, dims, bytes in hex) and nodes.
// Not here: the judge (tests/integration/test_oracle.py), regions.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "tests/conformance/graphs/check_graph.h"
#include "tests/support/rng.h"

namespace octile::testing {
namespace {

std::string hex(const uint8_t* bytes, size_t count) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < count; ++i) {
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return '"' + out + '"';
}

// Floats travel as bytes: nothing is lost, and NaN is no number of JSON.
template <class T>
std::string hex(const std::vector<T>& values) {
  return hex(reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T));
}

template <class T>
std::string list(const std::vector<T>& values) {
  std::string out;
  for (const T& v : values) out += (out.empty() ? "" : ",") + std::to_string(v);
  return '[' + out + ']';
}

class Record {
 public:
  Record& add(std::string_view key, const std::string& json) {
    text_.append(text_.empty() ? "\"" : ",\"").append(key).append("\":").append(json);
    return *this;
  }
  Record& add(std::string_view key, std::string_view word) { return add(key, '"' + std::string(word) + '"'); }
  Record& add(std::string_view key, int64_t number) { return add(key, std::to_string(number)); }
  [[nodiscard]] std::string text() const { return '{' + text_ + '}'; }

 private:
  std::string text_;
};

std::string text_of(const ValueDesc& value, const HostArray& array) {
  Record r;
  r.add("name", std::string_view(value.name)).add("type", to_string(value.type)).add("dims", list(array.dims));
  r.add("scale", hex(std::vector<float>{value.scale})).add("zp", value.zp).add("bytes", hex(array.bytes));
  return r.text();
}

std::string text_of(const NodeDesc& node) {
  const OpSpec& s = node.spec;
  const OpQuant& q = node.quant;
  Record r;
  r.add("name", std::string_view(node.name)).add("kind", to_string(node.kind)).add("inputs", list(node.inputs));
  r.add("output", node.output).add("ints", list(node.ints)).add("floats", hex(node.floats));
  r.add("rank", node.spatial_rank).add("auto_pad", std::string_view(node.auto_pad));
  if (node.kind > NodeKind::dynamic) return r.text();
  r.add("op", to_string(s.kind)).add("src", to_string(s.src)).add("wei", to_string(s.wei)).add("dst", to_string(s.dst));
  r.add("group", s.g).add("ic", s.ic).add("oc", s.oc).add("k", s.k).add("n", s.n);
  r.add("kernel", list<int64_t>({s.kh, s.kw})).add("strides", list<int64_t>({s.sh, s.sw}));
  r.add("dilations", list<int64_t>({s.dh, s.dw})).add("pads", list<int64_t>({s.pt, s.pl, s.pb, s.pr}));
  r.add("weights", hex(node.wei)).add("variable", s.wei_var ? 1 : 0).add("per_channel", s.mult_per_c ? 1 : 0);
  r.add("src_scale", hex(std::vector<float>{q.src_scale})).add("src_zp", q.src_zp);
  r.add("wei_scale", hex(q.wei_scale)).add("wei_zp", list(q.wei_zp)).add("bias", list(q.bias));
  r.add("dst_scale", hex(std::vector<float>{q.dst_scale})).add("dst_zp", q.dst_zp);
  r.add("clamp", list<int64_t>({q.clamp_lo, q.clamp_hi}));
  return r.text();
}

template <class T, class Text>
std::string all(const std::vector<T>& items, const Text& text) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) out += (i > 0 ? "," : "") + text(i);
  return '[' + out + ']';
}

bool write(uint64_t seed) {
  const RandomGraph random = draw_graph(seed);
  for (const std::vector<HostArray>& inputs : input_sets(random)) {
    const Result<std::vector<HostArray>> values = interpret_all(random.graph, inputs);
    if (!values.ok()) {
      std::fprintf(stderr, "octile-graph-values: seed %s: %s\n", std::to_string(seed).c_str(),
                   values.status().to_string().c_str());
      return false;
    }
    Record r;
    r.add("seed", std::to_string(seed));
    r.add("values", all(random.graph.values, [&](size_t i) { return text_of(random.graph.values[i], (*values)[i]); }));
    r.add("nodes", all(random.graph.nodes, [&](size_t i) { return text_of(random.graph.nodes[i]); }));
    std::puts(r.text().c_str());
  }
  return true;
}

int run(int argc, char** argv) {
  int64_t graphs = 100;
  uint64_t seed = 1;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    const auto parsed = name == "--graphs" ? std::from_chars(value.data(), value.data() + value.size(), graphs)
                        : name == "--seed" ? std::from_chars(value.data(), value.data() + value.size(), seed)
                                           : std::from_chars_result{nullptr, std::errc::invalid_argument};
    if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size()) {
      std::fprintf(stderr, "usage: octile-graph-values [--graphs N] [--seed S]\n");
      return 2;
    }
  }
  for (int64_t i = 0; i < graphs; ++i) {
    if (!write(mix(seed + static_cast<uint64_t>(i)))) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace octile::testing

int main(int argc, char** argv) { return octile::testing::run(argc, argv); }
