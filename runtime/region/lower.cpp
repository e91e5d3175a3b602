// The walk over the nodes, and the values at the border of the region.
// In/out: see lower.h.  Not here: what single kinds of nodes become (lower_*.cpp).
#include "runtime/region/lower.h"

#include <algorithm>
#include <cstring>

namespace octile::runtime {
namespace {

bool is_movement(NodeKind kind) {
  return (kind >= NodeKind::concat && kind <= NodeKind::transpose) || kind == NodeKind::space_to_depth ||
         kind == NodeKind::depth_to_space || kind == NodeKind::identity;
}

// Axes are the same in both: an order carries over.
bool carries_order(const NodeDesc& node) {
  if (node.kind == NodeKind::spec) return node.spec.kind != OpKind::conv2d && node.spec.kind != OpKind::dense;
  return is_unary(node.kind) || is_binary(node.kind) || node.kind == NodeKind::concat || node.kind == NodeKind::slice ||
         node.kind == NodeKind::pad || node.kind == NodeKind::cast || node.kind == NodeKind::resize;
}

bool wants_image(const NodeDesc& node) {
  switch (node.kind) {
    case NodeKind::spec:
    case NodeKind::scaled: return node.spec.kind == OpKind::conv2d;
    case NodeKind::conv_transpose:
    case NodeKind::max_pool:
    case NodeKind::average_pool:
    case NodeKind::global_average_pool:
    case NodeKind::global_max_pool:
    case NodeKind::space_to_depth:
    case NodeKind::depth_to_space: return true;
    default: return false;
  }
}

// image: lies as nhwc. last: the host has its channels last already, so that what lies flat is pixels.
enum class Likes : uint8_t { nothing, image, last };

// The likings of both sides of a node, handed on until none is new.
class Likings {
 public:
  explicit Likings(const RegionDesc& desc) : desc_(desc), of_(desc.values.size(), Likes::nothing) {}

  void spread() {
    for (changed_ = true; changed_;) {
      changed_ = false;
      for (const NodeDesc& node : desc_.nodes) {
        if (wants_image(node)) like(node, Likes::image);
        if (carries_order(node)) carry(node);
        if (node.kind == NodeKind::transpose) turn(node);
      }
    }
  }
  void like(const NodeDesc& node, Likes what) {
    set(node.output, what);
    for (int v : node.inputs) set(v, what);
  }
  [[nodiscard]] Likes of(int v) const { return of_[static_cast<size_t>(v)]; }

 private:
  void set(int v, Likes what) {
    if (of(v) != Likes::nothing) return;
    of_[static_cast<size_t>(v)] = what;
    changed_ = true;
  }
  // Constants follow, but hand nothing on: they may be shared.
  void carry(const NodeDesc& node) {
    for (const Likes what : {Likes::last, Likes::image}) {
      const auto likes = [&](int v) { return of(v) == what && !desc_.values[static_cast<size_t>(v)].constant; };
      if (likes(node.output) || std::any_of(node.inputs.begin(), node.inputs.end(), likes)) like(node, what);
    }
  }
  // From an image to channels last or back.
  void turn(const NodeDesc& node) {
    if (node.ints != kFirstToLast && node.ints != kLastToFirst) return;
    const int in = node.inputs[0], first = node.ints == kFirstToLast ? in : node.output;
    const int last = first == in ? node.output : in;
    if (of(first) == Likes::image) set(last, Likes::last);
    if (of(last) == Likes::last) set(first, Likes::image);
  }

  const RegionDesc& desc_;
  std::vector<Likes> of_;
  bool changed_ = false;
};

}  // namespace

std::vector<Order> choose_orders(const RegionDesc& desc) {
  Likings likings(desc);
  likings.spread();
  for (const NodeDesc& node : desc.nodes) {  // where nobody else knows
    if (node.kind == NodeKind::resize) likings.like(node, Likes::image);
  }
  likings.spread();
  std::vector<Order> orders;
  for (size_t v = 0; v < desc.values.size(); ++v) {
    orders.push_back(likings.of(static_cast<int>(v)) == Likes::image ? Order::nhwc : Order::flat);
  }
  return orders;
}

void connect(Recipe& recipe, const RegionDesc& desc) {
  const size_t values = desc.values.size();
  recipe.orders = choose_orders(desc);
  recipe.consumers.resize(values);
  recipe.outputs.assign(values, 0);
  recipe.producers.assign(values, -1);
  for (size_t i = 0; i < desc.nodes.size(); ++i) {
    for (int v : desc.nodes[i].inputs) recipe.consumers[static_cast<size_t>(v)].push_back(static_cast<int>(i));
    recipe.producers[static_cast<size_t>(desc.nodes[i].output)] = static_cast<int>(i);
  }
  for (int v : desc.outputs) ++recipe.outputs[static_cast<size_t>(v)];
}

OpSpec shapeless(const NodeDesc& node) {
  OpSpec s = node.spec;
  s.mb = s.m = 1;
  if (s.kind == OpKind::conv2d) {
    s.ih = std::max<int64_t>(1, s.dh * (s.kh - 1) + 1);
    s.iw = std::max<int64_t>(1, s.dw * (s.kw - 1) + 1);
    if (node.auto_pad != "NOTSET") s.pt = s.pl = s.pb = s.pr = 0;
  } else if (s.kind == OpKind::dense && s.wei_var) {
    s.k = std::max<int64_t>(1, s.k);
    s.n = std::max<int64_t>(1, s.n);
  } else if (s.kind != OpKind::dense && !s.mult_per_c) {
    s.c = 1;
  }
  return s;
}

Lowering::Lowering(const Recipe& recipe, Program& program)
    : recipe_(recipe),
      program_(program),
      shapes_(recipe.desc.values.size()),
      values_(recipe.desc.values.size()),
      done_(recipe.desc.nodes.size(), false) {
  program_.how.resize(recipe.desc.nodes.size());
}

Status Lowering::infer(const std::vector<Shape>& inputs) {
  const RegionDesc& desc = recipe_.desc;
  if (inputs.size() != desc.inputs.size()) {
    return {Code::invalid_argument, "region " + desc.name + " has " + std::to_string(desc.inputs.size()) +
                                        " inputs, got " + std::to_string(inputs.size())};
  }
  for (size_t v = 0; v < desc.values.size(); ++v) {
    if (desc.values[v].constant) shapes_[v] = desc.values[v].dims;
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto v = static_cast<size_t>(desc.inputs[i]);
    if (std::any_of(inputs[i].begin(), inputs[i].end(), [](int64_t e) { return e < 0 || e > INT32_MAX; })) {
      return {Code::invalid_argument, "input " + desc.values[v].name + ": bad shape " + print(inputs[i])};
    }
    shapes_[v] = inputs[i];
  }
  std::vector<Shape> operands;
  for (const NodeDesc& n : desc.nodes) {
    operands.resize(n.inputs.size());
    for (size_t i = 0; i < operands.size(); ++i) operands[i] = shapes_[static_cast<size_t>(n.inputs[i])];
    OCTILE_ASSIGN_OR_RETURN(Shape made_shape, infer_shape(n, operands));
    if (made_shape.size() > kMaxRank) return in_node(n, {Code::unsupported, "more than 16 axes"});
    shapes_[static_cast<size_t>(n.output)] = std::move(made_shape);
  }
  return {};
}

void Lowering::start_constant(size_t v) {
  const ValueDesc& value = recipe_.desc.values[v];
  const int s = add_store(value.dims, Order::flat, value.type);
  store(s).home = Home::constant;
  store(s).pinned = true;
  store(s).constant = value.data.data();
  if (size_of(value.type) == 1) {
    if (value.type == DType::s8) {
      std::vector<uint8_t>& flipped = program_.constants.emplace_back(value.data);
      for (uint8_t& b : flipped) b ^= 0x80;
      store(s).constant = flipped.data();
    }
    set_codes(v, add_codes(s, value.type == DType::s8));
    return;
  }
  set_plain(v, s);
  if (value.type == DType::f32 && value.data.size() == sizeof(float)) {
    float only = 0;
    std::memcpy(&only, value.data.data(), sizeof only);
    values_[v].scalar = only;
    // A function that is the same for every byte, of a constant byte: then it is an operand like any other.
    std::vector<uint8_t>& zero = program_.constants.emplace_back(1, uint8_t{0});
    const int code = add_store(value.dims, Order::flat, DType::u8);
    store(code).home = Home::constant;
    store(code).pinned = true;
    store(code).constant = zero.data();
    values_[v].kind = Value::Kind::function;
    values_[v].codes = add_codes(code, false);
    auto same = std::make_shared<FloatTable>();
    same->at.fill(only);
    values_[v].function = std::move(same);
  }
}

void Lowering::start_values() {
  const RegionDesc& desc = recipe_.desc;
  for (size_t v = 0; v < desc.values.size(); ++v) {
    if (desc.values[v].constant) start_constant(v);
  }
  for (size_t i = 0; i < desc.inputs.size(); ++i) {
    const auto v = static_cast<size_t>(desc.inputs[i]);
    const DType type = desc.values[v].type;
    const int s = add_store(shapes_[v], Order::flat, type);
    store(s).home = Home::input;
    store(s).slot = static_cast<int>(i);
    store(s).pinned = true;
    store(s).raw_signed = type == DType::s8;
    if (size_of(type) == 1) {
      set_codes(v, add_codes(s, type == DType::s8));
    } else {
      set_plain(v, s);
    }
  }
}

Status Lowering::lower_spec(int index) {
  switch (node(index).spec.kind) {
    case OpKind::conv2d: return lower_conv(index);
    case OpKind::dense: return lower_dense(index);
    case OpKind::quantize: return lower_quantize(index);
    case OpKind::dequantize: return lower_dequantize(index);
    case OpKind::requantize: return lower_requantize(index);
  }
  return {};
}

Status Lowering::lower_node(int index) {
  const NodeDesc& n = node(index);
  if (n.kind == NodeKind::spec || n.kind == NodeKind::scaled) return lower_spec(index);
  if (is_movement(n.kind)) return lower_movement(index);
  if (is_unary(n.kind)) return lower_unary(index);
  if (is_binary(n.kind)) return lower_binary(index);
  switch (n.kind) {
    case NodeKind::conv_transpose: return lower_transposed(index);
    case NodeKind::dynamic: return lower_dynamic(index);
    case NodeKind::max_pool:
    case NodeKind::global_max_pool: return lower_max_pool(index);
    case NodeKind::average_pool:
    case NodeKind::global_average_pool:
    case NodeKind::reduce_mean: return lower_average(index);
    case NodeKind::reduce_max: return lower_reduce_max(index);
    case NodeKind::softmax: return lower_softmax(index);
    case NodeKind::layer_norm: return lower_layer_norm(index);
    case NodeKind::normalize: return lower_normalize(index);
    case NodeKind::arg_max: return lower_arg_max(index);
    case NodeKind::resize: return lower_resize(index);
    case NodeKind::cast: lower_cast(index); return {};
    default: return in_node(n, {Code::unsupported, "no way to run this kind"});
  }
}

// How a tensor that leaves the region lies best: an image as pixels, for the conversion to turn them into planes,
// unless its elements follow each other as the host wants them already.
Order Lowering::leaving_order(const Window& window) const {
  const bool image = store(window.store).order == Order::nhwc && window.shape.size() > 2 && window.shape.size() < 5;
  return image && !lies_like(window, Order::flat) ? Order::nhwc : Order::flat;
}

// Every output is written by a step of its own; fusion takes away those that only copy.
void Lowering::write_outputs() {
  const RegionDesc& desc = recipe_.desc;
  for (size_t i = 0; i < desc.outputs.size(); ++i) {
    const auto v = static_cast<size_t>(desc.outputs[i]);
    at_ = recipe_.producers[v];  // what has to be stored for this is its maker's
    const DType type = desc.values[v].type;
    const int dst = add_store(shapes_[v], Order::flat, type);
    store(dst).home = Home::output;
    store(dst).slot = static_cast<int>(i);
    store(dst).pinned = true;
    store(dst).raw_signed = type == DType::s8;
    Value value = values_[v];
    if (value.kind == Value::Kind::function && value.function->affine && !value.floats) {
      const Window window = made(value.codes);
      const int src = whole(window, leaving_order(window));
      at_ = -1;
      Step& step = add_step(StepKind::convert, {src}, dst);
      step.convert.kind = OpKind::dequantize;
      step.convert.copy = false;
      step.convert.dst = DType::f32;
      step.convert.scale = value.function->scale;
      step.convert.src_zp = value.function->zp;
      continue;
    }
    int src = -1;
    if (size_of(type) == 1) {
      const Window window = made(value.codes);
      src = store(window.store).raw_signed ? window.store : whole(window, leaving_order(window));
    } else if (type == DType::s32 || type == DType::s64) {
      src = whole(value.plain, leaving_order(value.plain));
    } else {
      src = floats_store(v);
    }
    at_ = -1;
    (void)add_step(StepKind::convert, {src}, dst);
  }
}

Status Lowering::run(const std::vector<Shape>& inputs) {
  OCTILE_RETURN_IF_ERROR(infer(inputs));
  program_.inputs = inputs;
  for (int v : recipe_.desc.outputs) program_.outputs.push_back(shapes_[static_cast<size_t>(v)]);
  // Pointers into the list of constants must stay.
  program_.constants.reserve(2 * recipe_.desc.values.size() + 1);
  program_.stores.reserve(3 * recipe_.desc.values.size());
  program_.steps.reserve(3 * recipe_.desc.nodes.size());
  start_values();
  for (size_t i = 0; i < recipe_.desc.nodes.size(); ++i) {
    at_ = static_cast<int>(i);
    if (!done_[i]) OCTILE_RETURN_IF_ERROR(lower_node(at_));
  }
  write_outputs();
  program_.shapes = std::move(shapes_);
  return {};
}

std::string op_line(const RegionDesc& desc, const Program& program, int index) {
  const NodeDesc& node = desc.nodes[static_cast<size_t>(index)];
  for (const Step& step : program.steps) {
    if (step.kind == StepKind::dot && step.node == index) return to_line(step.dot.spec);
  }
  const auto shape = [&](int value) -> const Shape& { return program.shapes[static_cast<size_t>(value)]; };
  const Shape& dims = shape(node.output);
  if (node.kind == NodeKind::spec) {
    OpSpec s = node.spec;
    s.mb = 1;
    if (!s.mult_per_c) s.c = dims.empty() ? 1 : dims.size() > 2 ? dims[1] : dims.back();
    s.m = s.c > 0 ? element_count(dims) / s.c : 0;
    return to_line(s);
  }
  std::string line(to_string(node.kind));
  for (const int v : node.inputs) line += " " + print(shape(v));
  return line + " -> " + print(dims);
}

Result<std::shared_ptr<Program>> lower(const Recipe& recipe, const std::vector<Shape>& inputs) {
  auto program = std::make_shared<Program>();
  OCTILE_RETURN_IF_ERROR(Lowering(recipe, *program).run(inputs));
  return program;
}

}  // namespace octile::runtime
