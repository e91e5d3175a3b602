// Products of what is quantized in each run: DynamicQuantizeLinear, and every MatMulInteger or ConvInteger that reads
// it, with its Cast, its Mul by the scales and its Add of a bias, in floats or counted; the same as ONNX Runtime's
// optimiser writes it, with MatMulIntegerToFloat for all of that, or DynamicQuantizeMatMul for the quantize as well.
// In:  what quantizes.  Out: one unit of them all, floats in and out; a refusal if its codes go elsewhere.
// Not here: integer products of constant zero points (conv.cpp, dense.cpp).
#include <algorithm>

#include "plugin/partition/product.h"

namespace octile::plugin {
namespace {

// Of com.microsoft's products that answer in floats: where the weights, their parameters and a bias stand.
struct FusedSlots {
  size_t wei, scale, zp, bias;
};
constexpr FusedSlots kMatMulIntegerToFloat{1, 3, 5, 6}, kDynamicQuantizeMatMul{1, 2, 3, 4};

bool is_fused(const HostNode& node, std::string_view op) { return node.op == op && node.domain == "com.microsoft"; }

// One product behind the quantize: what is read of it.
struct Chain {
  int node = -1;
  std::vector<int> scale_nodes;  // read the source's scale: Muls of the two, or the product
  NodeDesc desc;
  Operands ops;
};

// One for all channels or one for each.
Verdict read_weight_scales(const HostGraph& graph, int value, Chain& chain) {
  std::vector<float>& scale = chain.ops.wei_q.scale;
  std::vector<int32_t>& zp = chain.ops.wei_q.zp;
  OCTILE_RETURN_IF_REFUSED(read_floats(graph, value, scale));
  const bool image = chain.desc.spec.kind == OpKind::conv2d;
  if (scale.size() != 1 && (image || std::ssize(scale) != chain.desc.spec.n)) return refuse(Reason::per_channel_axis);
  if (scale.size() > 1 && zp.size() == 1) zp.resize(scale.size(), zp[0]);
  if (scale.size() == 1 && zp.size() > 1) scale.resize(zp.size(), scale[0]);
  return {};
}

// The readers of one of a node's results are exactly these nodes.
bool read_by(const HostGraph& graph, int value, std::vector<int> nodes) {
  if (value < 0 || graph.values[value].graph_output) return false;
  std::vector<int> readers = graph.values[value].consumers;
  std::sort(readers.begin(), readers.end());
  std::sort(nodes.begin(), nodes.end());
  return readers == nodes;
}

// The Mul that makes `scales`, of the source's scale and the weights', for these readers.
Verdict read_scales(const HostGraph& graph, int source_scale, int scales, const std::vector<int>& readers,
                    Chain& chain) {
  const int maker = scales < 0 ? -1 : graph.values[scales].producer;
  const bool found = maker >= 0 && graph.nodes[maker].is("Mul") && read_by(graph, scales, readers);
  const int factor = found ? graph.nodes[maker].other_input(source_scale) : -1;
  if (factor < 0 || (graph.nodes[maker].input(0) != source_scale && graph.nodes[maker].input(1) != source_scale)) {
    return refuse(Reason::parameters_not_constant, "scales of the product");
  }
  OCTILE_RETURN_IF_REFUSED(read_weight_scales(graph, factor, chain));
  chain.scale_nodes.push_back(maker);
  chain.ops.nodes.push_back(maker);
  return {};
}

// Constants, an element per channel where `shaped`, which is them or made of them, is added to the product.
bool read_channels(const HostGraph& graph, int constants, int shaped, Chain& chain) {
  const bool image = chain.desc.spec.kind == OpKind::conv2d;
  const int64_t channels = image ? chain.desc.spec.oc : chain.desc.spec.n;
  const std::vector<int64_t>& dims = graph.values[shaped].dims;
  const size_t behind = image ? static_cast<size_t>(chain.desc.spatial_rank) : 0, rank = dims.size();
  const size_t most = graph.values[chain.ops.src].dims.size();
  std::vector<float> bias;
  if (rank <= behind || rank > most || dims[rank - 1 - behind] != channels) return false;
  if (read_floats(graph, constants, bias) || std::ssize(bias) != channels) return false;
  chain.desc.floats = std::move(bias);
  return true;
}

// The Div of a bias by the scales behind which Floor, Cast, Reshape and Add count it in accumulators, as
// onnx.quantize 0.1.0 wrote it; -1: there is none.
int read_counted_bias(const HostGraph& graph, Chain& chain) {
  constexpr int64_t kInt32 = 6;
  Operands& ops = chain.ops;
  const int add = graph.sole_reader(ops.dst, "Add"), shaped = add < 0 ? -1 : graph.nodes[add].other_input(ops.dst);
  std::vector<int> nodes{add};
  int value = shaped;
  for (const std::string_view op : {"Reshape", "Cast", "Floor", "Div"}) {
    const int maker = value < 0 ? -1 : graph.values[value].producer;
    if (maker < 0 || !graph.nodes[maker].is(op) || graph.sole_consumer(value) != nodes.back()) return -1;
    if (op == "Cast" && graph.nodes[maker].int_attribute("to", 0) != kInt32) return -1;
    nodes.push_back(maker);
    value = graph.nodes[maker].input(0);
  }
  if (value < 0 || !read_channels(graph, value, shaped, chain)) return -1;
  chain.desc.ints = {1};
  ops.nodes.insert(ops.nodes.end(), nodes.begin(), nodes.end());
  ops.dst = graph.nodes[add].output(0);
  return nodes.back();
}

// [Add of a counted bias], Cast, Mul by (source scale * weights' scale).
Verdict read_tail(const HostGraph& graph, int source_scale, Chain& chain) {
  constexpr int64_t kFloat = 1;
  Operands& ops = chain.ops;
  const int div = read_counted_bias(graph, chain);
  const int cast = graph.sole_reader(ops.dst, "Cast");
  if (cast < 0 || graph.nodes[cast].int_attribute("to", 0) != kFloat) return refuse(Reason::output_used_elsewhere);
  const int real = graph.nodes[cast].output(0), mul = graph.sole_reader(real, "Mul");
  if (mul < 0) return refuse(Reason::output_used_elsewhere);
  const int scales = graph.nodes[mul].other_input(real), divisor = div < 0 ? scales : graph.nodes[div].input(1);
  std::vector<int> readers{mul};
  if (div >= 0 && divisor == scales) readers.push_back(div);
  OCTILE_RETURN_IF_REFUSED(read_scales(graph, source_scale, scales, readers, chain));
  if (divisor != scales) {  // a Mul of its own, by the same
    const std::vector<float> scale = ops.wei_q.scale;
    OCTILE_RETURN_IF_REFUSED(read_scales(graph, source_scale, divisor, {div}, chain));
    if (ops.wei_q.scale != scale) return refuse(Reason::parameters_not_constant, "scales of the bias");
  }
  ops.nodes.insert(ops.nodes.end(), {cast, mul});
  ops.dst = graph.nodes[mul].output(0);
  return {};
}

// A constant behind the product with an element per channel.
void read_added_floats(const HostGraph& graph, Chain& chain) {
  Operands& ops = chain.ops;
  const int add = graph.sole_reader(ops.dst, "Add");
  const int other = add < 0 ? -1 : graph.nodes[add].other_input(ops.dst);
  if (other < 0 || !chain.desc.floats.empty() || !read_channels(graph, other, other, chain)) return;
  ops.nodes.push_back(add);
  ops.dst = graph.nodes[add].output(0);
}

// Source, constant weights and extents of the node's product.
Verdict read_product(const HostGraph& graph, int node, size_t wei, size_t wei_zp, Chain& chain) {
  const HostNode& n = graph.nodes[node];
  if (n.taken_elsewhere) return refuse(Reason::assigned_elsewhere, n.name);
  if (n.input(0) < 0 || n.input(wei) < 0 || n.output(0) < 0) return refuse(Reason::malformed, "an operand is missing");
  chain.node = node;
  Operands& ops = chain.ops;
  ops.src = n.input(0);
  ops.wei = n.input(wei);
  ops.dst = n.output(0);
  OCTILE_RETURN_IF_REFUSED(read_type(graph, ops.wei, ops.wei_q.type));
  OCTILE_RETURN_IF_REFUSED(read_params(graph, -1, n.input(wei_zp), ops.wei_q.type, ops.wei_q));
  if (!graph.values[ops.wei].constant) return refuse(Reason::weights_not_constant, graph.values[ops.wei].name);
  const bool image = n.is("ConvInteger");
  OCTILE_RETURN_IF_REFUSED(image ? read_image(graph, n, ops, chain.desc) : read_matrix(graph, n, ops, chain.desc));
  return ops.batches > 1 ? refuse(Reason::weights_batched) : Verdict{};
}

Verdict read_fused(const HostGraph& graph, int node, const FusedSlots& slots, Chain& chain) {
  const HostNode& n = graph.nodes[node];
  OCTILE_RETURN_IF_REFUSED(read_product(graph, node, slots.wei, slots.zp, chain));
  OCTILE_RETURN_IF_REFUSED(read_weight_scales(graph, n.input(slots.scale), chain));
  chain.scale_nodes = {node};
  if (n.input(slots.bias) < 0) {
    read_added_floats(graph, chain);
    return {};
  }
  OCTILE_RETURN_IF_REFUSED(read_floats(graph, n.input(slots.bias), chain.desc.floats));
  const bool fits = std::ssize(chain.desc.floats) == chain.desc.spec.n;
  return fits ? Verdict{} : refuse(Reason::malformed, "the bias does not fit the columns");
}

// Of what `quantize` makes.
Verdict read_chain(const HostGraph& graph, const HostNode& quantize, int product, Chain& chain) {
  constexpr size_t kWei = 1, kSrcZp = 2, kWeiZp = 3, kFusedScale = 2, kFusedSrcZp = 4;
  const HostNode& n = graph.nodes[product];
  const bool fused = is_fused(n, "MatMulIntegerToFloat");
  if (!fused && !n.is("ConvInteger") && !n.is("MatMulInteger")) {
    return refuse(Reason::output_used_elsewhere, "read by " + n.op);
  }
  const bool scaled = !fused || n.input(kFusedScale) == quantize.output(1);
  if (n.input(0) != quantize.output(0) || n.input(fused ? kFusedSrcZp : kSrcZp) != quantize.output(2) || !scaled) {
    return refuse(Reason::parameters_not_constant, n.name);
  }
  if (fused) return read_fused(graph, product, kMatMulIntegerToFloat, chain);
  OCTILE_RETURN_IF_REFUSED(read_product(graph, product, kWei, kWeiZp, chain));
  OCTILE_RETURN_IF_REFUSED(read_tail(graph, quantize.output(1), chain));
  read_added_floats(graph, chain);
  return {};
}

// The product of `source`, which is floats.
Verdict add_product(const HostGraph& graph, int source, Chain& chain, Unit& unit) {
  Operands& ops = chain.ops;
  ops.src_q.type = DType::u8;
  ops.dst_q.type = DType::s32;
  const std::string label = node_label(graph, graph.nodes[chain.node]);
  OCTILE_RETURN_IF_REFUSED(fill_spec(graph, ops, label, chain.desc));
  Step& step = unit.steps.emplace_back(Step{std::move(chain.desc), ops.wei, 0, false});
  step.desc.kind = NodeKind::dynamic;
  step.desc.name = label;
  step.desc.spec.src_zp = true;
  step.desc.inputs = {source};
  step.desc.output = ops.dst;
  unit.nodes.insert(unit.nodes.end(), ops.nodes.begin(), ops.nodes.end());
  return {};
}

}  // namespace

Verdict recognise_dynamic(const HostGraph& graph, int node, Unit& unit) {
  const HostNode& n = graph.nodes[node];
  unit.role = Role::product;
  unit.anchor = node;
  unit.nodes = {node};
  if (is_fused(n, "DynamicQuantizeMatMul")) {
    Chain chain;
    OCTILE_RETURN_IF_REFUSED(read_fused(graph, node, kDynamicQuantizeMatMul, chain));
    return add_product(graph, n.input(0), chain, unit);
  }
  // Its quantize, which comes first, was refused or is none.
  if (is_fused(n, "MatMulIntegerToFloat")) return refuse(Reason::parameters_not_constant, "of its source");
  if (n.input(0) < 0 || n.output(1) < 0 || n.output(2) < 0) return refuse(Reason::malformed, "an output is missing");
  std::vector<int> products, scale_nodes;
  for (const int reader : graph.values[n.output(0)].consumers) {
    Chain chain;
    OCTILE_RETURN_IF_REFUSED(read_chain(graph, n, reader, chain));
    products.push_back(reader);
    scale_nodes.insert(scale_nodes.end(), chain.scale_nodes.begin(), chain.scale_nodes.end());
    unit.nodes.push_back(reader);
    OCTILE_RETURN_IF_REFUSED(add_product(graph, n.input(0), chain, unit));
  }
  const bool whole = !products.empty() && read_by(graph, n.output(0), products) &&
                     read_by(graph, n.output(1), scale_nodes) && read_by(graph, n.output(2), products);
  return whole ? Verdict{} : refuse(Reason::output_used_elsewhere, graph.values[n.output(0)].name);
}

}  // namespace octile::plugin
