// Planning: homes, halos, steps, lifetimes, kernels.
// In:  Recipe, input shapes.  Out: Plan.
// Not here: running it (execute.cpp).
#include "runtime/region/plan.h"

#include <algorithm>

#include "runtime/region/arena.h"

namespace octile::runtime {
namespace {

constexpr int kSlack = 64;  // readable bytes after every tensor in the arena

size_t align_line(size_t n) { return (n + 63) / 64 * 64; }

class Planner {
 public:
  Planner(const Recipe& recipe, Plan& plan) : recipe_(recipe), desc_(recipe.desc), plan_(plan) {}

  Status run() {
    plan_.values.resize(desc_.values.size());
    plan_.nodes.resize(desc_.nodes.size());
    choose_homes();
    for (size_t v = 0; v < desc_.values.size(); ++v) lay_out(v);
    list_steps();
    for (size_t i = 0; i < desc_.nodes.size(); ++i) OCTILE_RETURN_IF_ERROR(plan_node(i));
    place_all();
    return {};
  }

 private:
  [[nodiscard]] const Graph::Value& graph(size_t v) const { return recipe_.graph.values[v]; }
  [[nodiscard]] const OpSpec& shaped(int node) const { return plan_.shapes.nodes[static_cast<size_t>(node)].spec; }
  [[nodiscard]] const NodeDesc& node(int i) const { return desc_.nodes[static_cast<size_t>(i)]; }

  // Does node i read value v as its activation?
  [[nodiscard]] bool activation(int i, size_t v) const {
    return is_dot(node(i)) && static_cast<size_t>(node(i).inputs[0]) == v;
  }
  // One pixel per image, or one channel: NCHW and NHWC are the same bytes.
  [[nodiscard]] bool same_bytes(size_t v) const {
    const Shape& s = plan_.shapes.values[v];
    if (graph(v).order == Order::flat) return true;
    return s[1] == 1 || element_count(s) == s[0] * s[1];
  }
  // Kernels read whole words: memory of the host serves where rows end at a word and are codes as they stand.
  [[nodiscard]] bool reads_host(int i, size_t v) const {
    const OpSpec& s = shaped(i);
    if (desc_.values[v].type != DType::u8 || !same_bytes(v)) return false;
    if (s.kind == OpKind::dense) return s.k % 4 == 0;
    return s.g == 1 && s.kh * s.kw == 1 && s.ic % 4 == 0 && s.pt + s.pl + s.pb + s.pr == 0;
  }

  void choose_homes() {
    for (size_t v = 0; v < desc_.values.size(); ++v) {
      const Graph::Value& g = graph(v);
      if (g.input >= 0) {
        const bool copied = std::any_of(g.consumers.begin(), g.consumers.end(),
                                        [&](int i) { return activation(i, v) && !reads_host(i, v); });
        plan_.values[v].home = copied ? Home::arena : Home::input;
      } else if (g.output >= 0 && g.consumers.empty()) {
        const bool direct = !is_dot(node(g.producer)) || (desc_.values[v].type != DType::s8 && same_bytes(v));
        plan_.values[v].home = direct ? Home::output : Home::arena;
      }
    }
  }

  // The halo convolutions want around value v, and what fills it.
  void set_border(size_t v) {
    ValuePlan& p = plan_.values[v];
    for (int i : graph(v).consumers) {
      const OpSpec& s = shaped(i);
      if (s.kind != OpKind::conv2d) continue;
      p.tensor.pad_t = std::max(p.tensor.pad_t, static_cast<int>(s.pt));
      p.tensor.pad_l = std::max(p.tensor.pad_l, static_cast<int>(s.pl));
      p.tensor.pad_b = std::max(p.tensor.pad_b, static_cast<int>(s.pb));
      p.tensor.pad_r = std::max(p.tensor.pad_r, static_cast<int>(s.pr));
      p.border_code = static_cast<uint8_t>(node(i).quant.src_zp + (s.src == DType::s8 ? 128 : 0));
    }
    p.border = p.tensor.pad_t + p.tensor.pad_l + p.tensor.pad_b + p.tensor.pad_r > 0;
  }

  void lay_out(size_t v) {
    ValuePlan& p = plan_.values[v];
    Tensor& t = p.tensor;
    const DType type = desc_.values[v].type;
    p.host = host_view(v, graph(v).order);
    t.n = p.host.n;
    t.h = p.host.h;
    t.w = p.host.w;
    t.c = p.host.c;
    if (p.home == Home::arena) set_border(v);
    const int64_t element = size_of(type);
    t.stride_x = t.c * element;
    t.stride_y = (t.w + t.pad_l + t.pad_r) * t.stride_x;
    t.stride_n = (t.h + t.pad_t + t.pad_b) * t.stride_y;
    t.slack = kSlack;
    p.origin = static_cast<size_t>(t.pad_t * t.stride_y + t.pad_l * t.stride_x);
    p.bytes = static_cast<size_t>(t.n * t.stride_n) + kSlack;
    p.view = p.host;
    if (p.home != Home::arena) return;
    p.view.type = type == DType::s8 ? DType::u8 : type;
    p.view.stride_n = t.stride_n / element;
    p.view.stride_y = t.stride_y / element;
    p.view.stride_x = t.c;
    p.view.stride_c = 1;
  }

  [[nodiscard]] View host_view(size_t v, Order order) const {
    const Shape& s = plan_.shapes.values[v];
    const DType type = desc_.values[v].type;
    if (order == Order::nhwc) return planar_view(s[0], s[1], s.size() == 4 ? s[2] : 1, s.back(), type);
    const int64_t c = s.empty() ? 1 : s.back();
    return row_view(c == 0 ? 0 : element_count(s) / c, c, type);
  }

  void list_steps() {
    std::vector<bool> loaded(desc_.values.size(), false);
    for (size_t i = 0; i < desc_.nodes.size(); ++i) {
      const auto v = static_cast<size_t>(desc_.nodes[i].inputs[0]);
      if (graph(v).input >= 0 && plan_.values[v].home == Home::arena && !loaded[v] &&
          activation(static_cast<int>(i), v)) {
        plan_.steps.push_back({StepKind::load, static_cast<int>(v)});
        loaded[v] = true;
      }
      plan_.steps.push_back({StepKind::node, static_cast<int>(i)});
      const int out = desc_.nodes[i].output;
      const bool kept = plan_.values[static_cast<size_t>(out)].home == Home::arena;
      if (graph(static_cast<size_t>(out)).output >= 0 && kept) plan_.steps.push_back({StepKind::store, out});
    }
  }

  Status plan_node(size_t i) {
    const NodeDesc& n = desc_.nodes[i];
    NodePlan& p = plan_.nodes[i];
    const auto src = static_cast<size_t>(n.inputs[0]), dst = static_cast<size_t>(n.output);
    const OpSpec& spec = plan_.shapes.nodes[i].spec;
    if (!is_dot(n)) {
      p.convert = convert_op(spec, n.quant);
      p.src_from_host = graph(src).input >= 0;
      p.src_view = p.src_from_host ? host_view(src, graph(dst).order) : plan_.values[src].view;
      return {};
    }
    p.op = recipe_.ops[i];
    if (p.op == nullptr) {  // variable weights: the op depends on their shape alone
      Result<std::unique_ptr<PreparedOp>> made =
          PreparedOp::prepare(*recipe_.library, recipe_.best, spec, n.quant, nullptr);
      if (!made.ok()) return in_node(n, made.status());
      p.op = std::move(*made);
    }
    const bool gapless = contiguous(plan_.values[src].tensor) && contiguous(plan_.values[dst].tensor);
    Result<std::shared_ptr<const Choice>> choice = p.op->choose(spec, recipe_.threads, gapless);
    if (!choice.ok()) return in_node(n, choice.status());
    p.choice = std::move(*choice);
    if (n.inputs.size() > 1) {
      const auto wei = static_cast<size_t>(n.inputs[1]);
      p.unflip = graph(wei).input < 0 && desc_.values[wei].type == DType::s8;
    }
    return {};
  }

  static Status in_node(const NodeDesc& n, const Status& st) {
    return {st.code(), "node " + node_label(n) + ": " + st.message()};
  }

  void place_all() {
    std::vector<int> first(desc_.values.size(), -1), last(desc_.values.size(), -1);
    std::vector<Lifetime> items;
    std::vector<size_t*> offsets;
    size_t scratch = 0;
    const auto touch = [&](int value, int step) {
      const auto v = static_cast<size_t>(value);
      if (first[v] < 0) first[v] = step;
      last[v] = step;
    };
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      const Step& step = plan_.steps[s];
      const int at = static_cast<int>(s);
      if (step.kind != StepKind::node) {
        touch(step.index, at);
        continue;
      }
      NodePlan& p = plan_.nodes[static_cast<size_t>(step.index)];
      const NodeDesc& n = node(step.index);
      for (int v : n.inputs) touch(v, at);
      touch(n.output, at);
      if (p.op != nullptr) scratch = std::max(scratch, p.op->scratch_bytes(*p.choice));
      if (p.unflip) {
        items.push_back(
            {static_cast<size_t>(element_count(plan_.shapes.values[static_cast<size_t>(n.inputs[1])])), at, at, 0});
        offsets.push_back(&p.unflip_offset);
      }
    }
    for (size_t v = 0; v < desc_.values.size(); ++v) {
      if (plan_.values[v].home != Home::arena || first[v] < 0) continue;
      items.push_back({plan_.values[v].bytes, first[v], last[v], 0});
      offsets.push_back(&plan_.values[v].offset);
    }
    const size_t tensors = place(items);
    plan_.pointers = align_line(desc_.values.size() * sizeof(uint8_t*));
    for (size_t k = 0; k < items.size(); ++k) *offsets[k] = plan_.pointers + items[k].offset;
    plan_.scratch_offset = plan_.pointers + tensors;
    plan_.arena_bytes = plan_.scratch_offset + align_line(scratch);
  }

  const Recipe& recipe_;
  const RegionDesc& desc_;
  Plan& plan_;
};

}  // namespace

Result<std::shared_ptr<const Plan>> build_plan(const Recipe& recipe, std::vector<Shape> inputs) {
  auto plan = std::make_shared<Plan>();
  OCTILE_ASSIGN_OR_RETURN(plan->shapes, infer_shapes(recipe.desc, recipe.graph, inputs));
  plan->inputs = std::move(inputs);
  if (!plan->shapes.empty) OCTILE_RETURN_IF_ERROR(Planner(recipe, *plan).run());
  return std::shared_ptr<const Plan>(std::move(plan));
}

}  // namespace octile::runtime
