// Running a plan: loads, nodes and stores in order, in one arena.
// In:  Plan, the host's tensors, an arena.  Out: the host's outputs.
// Not here: deciding anything.  Borders are filled after their tensor is written: conversions may spill into them.
#include "runtime/region/plan.h"

namespace octile::runtime {
namespace {

class Execution {
 public:
  Execution(const Recipe& recipe, const Plan& plan, const std::vector<HostTensor>& inputs, void* const* outputs,
            uint8_t* arena, const Parallel& parallel)
      : recipe_(recipe),
        plan_(plan),
        inputs_(inputs),
        outputs_(outputs),
        arena_(arena),
        parallel_(parallel),
        data_(reinterpret_cast<uint8_t**>(arena)) {
    for (size_t v = 0; v < plan.values.size(); ++v) {
      const ValuePlan& p = plan.values[v];
      const Graph::Value& g = recipe.graph.values[v];
      uint8_t* memory = p.home == Home::input    ? static_cast<uint8_t*>(host_in(g))
                        : p.home == Home::output ? static_cast<uint8_t*>(host_out(g))
                                                 : arena + p.offset;
      data_[v] = memory + p.origin;
    }
  }

  Status run() {
    for (const Step& step : plan_.steps) {
      const auto i = static_cast<size_t>(step.index);
      if (step.kind == StepKind::load) {
        const ValuePlan& v = plan_.values[i];
        convert({}, bound(v.host, host_in(recipe_.graph.values[i])), bound(v.view, data_[i]), recipe_.best, parallel_);
        finish(i);
      } else if (step.kind == StepKind::store) {
        const ValuePlan& v = plan_.values[i];
        convert({}, bound(v.view, data_[i]), bound(v.host, host_out(recipe_.graph.values[i])), recipe_.best, parallel_);
      } else {
        OCTILE_RETURN_IF_ERROR(run_node(i));
        finish(static_cast<size_t>(recipe_.desc.nodes[i].output));
      }
    }
    return {};
  }

 private:
  [[nodiscard]] void* host_in(const Graph::Value& g) const { return inputs_[static_cast<size_t>(g.input)].data; }
  [[nodiscard]] void* host_out(const Graph::Value& g) const { return outputs_[g.output]; }
  static View bound(View view, void* data) {
    view.data = data;
    return view;
  }

  void finish(size_t v) const {
    const ValuePlan& p = plan_.values[v];
    if (!p.border) return;
    Tensor t = p.tensor;
    t.data = data_[v];
    fill_border(t, p.border_code);
  }

  Status run_node(size_t i) const {
    const NodeDesc& node = recipe_.desc.nodes[i];
    const NodePlan& p = plan_.nodes[i];
    const auto src = static_cast<size_t>(node.inputs[0]), dst = static_cast<size_t>(node.output);
    if (p.op == nullptr) {
      void* from = p.src_from_host ? host_in(recipe_.graph.values[src]) : data_[src];
      convert(p.convert, bound(p.src_view, from), bound(plan_.values[dst].view, data_[dst]), recipe_.best, parallel_);
      return {};
    }
    const Status st = node.inputs.size() > 1 ? run_products(i) : run_one(i, tensor(src), tensor(dst), nullptr);
    return st.ok() ? st : Status(st.code(), "node " + node_label(node) + ": " + st.message());
  }

  [[nodiscard]] Tensor tensor(size_t v) const {
    Tensor t = plan_.values[v].tensor;
    t.data = data_[v];
    return t;
  }

  Status run_one(size_t i, const Tensor& src, const Tensor& dst, const void* wei) const {
    const NodePlan& p = plan_.nodes[i];
    return p.op->run(*p.choice, src, dst, arena_ + plan_.scratch_offset, parallel_, wei, 0);
  }

  // Dense with variable weights: one product after the other.
  Status run_products(size_t i) const {
    const NodeDesc& node = recipe_.desc.nodes[i];
    const NodePlan& p = plan_.nodes[i];
    const ShapedNode& shaped = plan_.shapes.nodes[i];
    const OpSpec& s = shaped.spec;
    const auto wei_value = static_cast<size_t>(node.inputs[1]);
    const Graph::Value& graph = recipe_.graph.values[wei_value];
    const uint8_t* wei = graph.input >= 0 ? static_cast<const uint8_t*>(host_in(graph)) : data_[wei_value];
    if (p.unflip) {
      uint8_t* plain = arena_ + p.unflip_offset;
      View to = plan_.values[wei_value].host;
      convert({}, bound(plan_.values[wei_value].view, data_[wei_value]), bound(to, plain), recipe_.best, parallel_);
      wei = plain;
    }
    Tensor src = tensor(static_cast<size_t>(node.inputs[0])), dst = tensor(static_cast<size_t>(node.output));
    src.w = dst.w = s.m;
    src.stride_y = src.stride_n = s.m * src.stride_x;
    dst.stride_y = dst.stride_n = s.m * dst.stride_x;
    for (const Product& product : shaped.products) {
      Tensor a = src, d = dst;
      a.data += product.src * src.stride_n;
      d.data += product.dst * dst.stride_n;
      OCTILE_RETURN_IF_ERROR(run_one(i, a, d, wei + product.wei * s.k * s.n));
    }
    return {};
  }

  const Recipe& recipe_;
  const Plan& plan_;
  const std::vector<HostTensor>& inputs_;
  void* const* outputs_;
  uint8_t* arena_;
  const Parallel& parallel_;
  uint8_t** data_;  // per value, at the start of the arena
};

}  // namespace

Status execute(const Recipe& recipe, const Plan& plan, const std::vector<HostTensor>& inputs, void* const* outputs,
               uint8_t* arena, const Parallel& parallel) {
  return Execution(recipe, plan, inputs, outputs, arena, parallel).run();
}

}  // namespace octile::runtime
