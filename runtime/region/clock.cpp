// Summing the times of steps.  In/out: see clock.h.  Not here: the clock itself.
#include "runtime/region/clock.h"

#include <algorithm>

#include "runtime/region/lower.h"

namespace octile::runtime {
namespace {

int64_t bytes_of(const Store& s) { return element_count(s.shape) * size_of(s.type); }

// What a step must read and write at least, whatever the caches keep.
int64_t bytes_of(const Program& program, const Step& step) {
  const auto store = [&](int s) { return bytes_of(program.stores[static_cast<size_t>(s)]); };
  const bool alone = !step.tails.empty() && step.tails.back().tail.alone;
  int64_t bytes = step.dst < 0 || alone ? 0 : store(step.dst);
  for (const int s : step.src) bytes += store(s);
  for (const StepTail& t : step.tails) bytes += t.other < 0 ? 0 : store(t.other);
  if (step.kind == StepKind::dot && step.src.size() < 2) bytes += step.dot.spec.wei_elements();
  return bytes;
}

int64_t macs_of(const Step& step) { return step.kind == StepKind::dot ? step.dot.macs() : 0; }

// The node a step computes, others it does the work of and those that are its tails; none for a change of layout at the
// region's border.
std::vector<std::string> nodes_of(const Step& step, const RegionDesc& desc) {
  std::vector<std::string> out;
  const auto take = [&](int node) {
    if (node < 0) return;
    const std::string& name = desc.nodes[static_cast<size_t>(node)].name;
    if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  };
  take(step.node);
  for (const int node : step.others) take(node);
  for (const StepTail& t : step.tails) {
    for (const int node : t.nodes) take(node);
  }
  return out;
}

std::string_view name_of(BinaryKind kind) {
  static constexpr std::string_view kNames[]{"affine", "sum", "sum_div", "product", "product_div", "pairs"};
  return kNames[static_cast<size_t>(kind)];
}

std::string_view name_of(Quick quick) {
  static constexpr std::string_view kNames[]{"quantize", "silu", "gelu", "gelu", "hard_swish"};
  return kNames[static_cast<size_t>(quick)];
}

// "sum_div" of a binary step; of a product's tails "table", "binary:affine", "gate:pairs", one after the other.
std::string form_of(const Step& step) {
  if (step.kind == StepKind::binary) return std::string(name_of(step.form.kind));
  std::string out;
  for (const StepTail& t : step.tails) {
    if (!out.empty()) out += "+";
    if (t.tail.kind == Tail::Kind::table) out += "table";
    if (t.tail.kind == Tail::Kind::line) out += "line";
    if (t.tail.kind == Tail::Kind::copy) out += "copy";
    if (t.tail.kind == Tail::Kind::sums) out += "sums";
    if (t.tail.kind == Tail::Kind::floats) out += "floats";
    if (t.tail.kind == Tail::Kind::quantize) {
      out += t.tail.softmax ? "softmax" : name_of(t.function == nullptr ? Quick::none : t.function->quick);
    }
    if (t.tail.kind == Tail::Kind::binary) out += "binary:" + std::string(name_of(t.tail.form.kind));
    if (t.tail.kind == Tail::Kind::gate) out += "gate:" + std::string(name_of(t.tail.form.kind));
  }
  return out;
}

}  // namespace

std::string_view name_of(StepKind kind) {
  static constexpr std::string_view kNames[]{"convert",
                                             "dot",
                                             "table",
                                             "channel_table",
                                             "table_f32",
                                             "binary",
                                             "max_pool",
                                             "average_pool",
                                             "global_average",
                                             "global_max",
                                             "mean_rows",
                                             "max_rows",
                                             "resize_nearest",
                                             "resize_linear",
                                             "move",
                                             "fill",
                                             "softmax_codes",
                                             "softmax_rows",
                                             "layer_norm_rows",
                                             "layer_norm_codes",
                                             "arg_max",
                                             "channel_floats",
                                             "float_function",
                                             "float_binary",
                                             "float_cast",
                                             "float_members",
                                             "float_linear",
                                             "float_average",
                                             "float_mean_rows",
                                             "dynamic_range",
                                             "dynamic_quantize"};
  return kNames[static_cast<size_t>(kind)];
}

void StepClock::add(const std::shared_ptr<const Program>& program, const std::vector<double>& us) {
  const std::lock_guard lock(mutex_);
  std::vector<Sum>& sums = sums_[program];
  sums.resize(us.size());
  for (size_t i = 0; i < us.size(); ++i) {
    Sum& s = sums[i];
    s.best_us = s.calls == 0 ? us[i] : std::min(s.best_us, us[i]);
    s.us += us[i];
    ++s.calls;
  }
}

std::vector<StepTime> StepClock::times(const RegionDesc& desc) const {
  const std::lock_guard lock(mutex_);
  std::vector<StepTime> out;
  for (const auto& [program, sums] : sums_) {
    for (size_t i = 0; i < sums.size(); ++i) {
      const Step& step = program->steps[i];
      StepTime t;
      t.nodes = nodes_of(step, desc);
      t.kind = std::string(name_of(step.kind));
      t.form = form_of(step);
      if (step.node >= 0) t.op = op_line(desc, *program, step.node);
      t.macs = macs_of(step);
      t.bytes = bytes_of(*program, step);
      t.calls = sums[i].calls;
      t.us = sums[i].us;
      t.best_us = sums[i].best_us;
      out.push_back(std::move(t));
    }
  }
  return out;
}

}  // namespace octile::runtime
