// PreparedOp::prepare and restore: zero points folded, layouts settled per panel, weights packed, or taken as saved.
// In:  library, OpSpec, OpQuant, raw weights or saved ones.  Out: an Op ready to choose and run.
// Not here: shapes, threads.
#include <algorithm>
#include <cmath>

#include "runtime/exec/op.h"
#include "runtime/exec/pack_weights.h"
#include "runtime/exec/paired.h"
#include "runtime/exec/winograd.h"

namespace octile::runtime {
namespace {

constexpr std::string_view kPanels = "panels";
constexpr int64_t kChannelsPerRest = 8;  // depthwise: a product apart takes as long as those of some channels
constexpr unsigned kExact = 1U;          // bit 0 of PanelModes: kernels right for any weights

// Kernels of packs convert products of sums and multipliers below 2^31 only (docs/generators.md). Those of any int32
// are where a channel's multiplier does not reach 1; else its largest sum decides, which is small where a dead channel
// has a scale of 1, and its multiplier where one has a tiny scale and so a bias as large as they get. The portable
// kernels take any.
Isa isa_for(Isa best, const OpSpec& spec, const OpQuant& quant) {
  if (spec.dst == DType::s32) return best;
  constexpr double kLimit = 2147483648.0, kProduct = 255.0 * 255.0;
  // Twice: the zero point of the source, folded into the bias.
  const double products = 2 * kProduct * static_cast<double>(dot_geometry(spec).reduction());
  const size_t scales = quant.wei_scale.size();
  for (size_t c = 0; c < std::max(scales, quant.bias.size()); ++c) {
    const double bias = quant.bias.empty() ? 0 : std::abs(static_cast<double>(quant.bias[c]));
    const float scale = quant.wei_scale[scales == 1 ? 0 : c];
    const auto by = static_cast<double>(multiplier(quant.src_scale, scale, quant.dst_scale));
    if (!(std::min(kLimit, bias + products) * by < kLimit)) return Isa::portable;
  }
  return best;
}

}  // namespace

Result<std::unique_ptr<PreparedOp>> PreparedOp::prepare(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                                        const OpQuant& quant, const void* wei) {
  if (spec.kind != OpKind::conv2d && spec.kind != OpKind::dense) {
    return Status(Code::invalid_argument,
                  "only conv2d and dense hold weights, not " + std::string(to_string(spec.kind)));
  }
  if (size_of(spec.src) != 1 || size_of(spec.wei) != 1) {
    return Status(Code::unsupported, "sources and weights must be 8 bits wide");
  }
  if (spec.wei_var != (wei == nullptr)) {
    return Status(Code::invalid_argument, "constant weights need data, variable ones come with run()");
  }
  best = isa_for(best, spec, quant);
  if (Winograd::may_run(library.kernels(), best, library.whole_vectors(), spec)) {
    OCTILE_ASSIGN_OR_RETURN(std::unique_ptr<PreparedOp> made, Winograd::make(library, best, spec, quant, wei));
    if (made != nullptr) return made;
  }
  if (Paired::may_run(library.kernels(), best, spec)) {
    OCTILE_ASSIGN_OR_RETURN(std::unique_ptr<PreparedOp> made, Paired::make(library, best, spec, quant, wei));
    if (made != nullptr) return made;
  }
  auto op = std::make_unique<Op>(library, best, spec, quant);
  OCTILE_RETURN_IF_ERROR(op->pack(wei));
  return std::unique_ptr<PreparedOp>(std::move(op));
}

Result<std::unique_ptr<PreparedOp>> PreparedOp::restore(const KernelLibrary& library, Isa best, const OpSpec& spec,
                                                        const OpQuant& quant, packs::FieldReader& from,
                                                        const std::shared_ptr<const void>& owner) {
  best = isa_for(best, spec, quant);
  std::string kind;
  from.text(kind);
  std::unique_ptr<PreparedOp> out;
  if (kind == Winograd::kKind) {
    out = Winograd::load(library, best, spec, quant, from, owner);
  } else if (kind == Paired::kKind) {
    out = Paired::load(library, best, spec, quant, from, owner);
  } else if (kind == kPanels && !spec.depthwise() && !spec.wei_var) {
    auto op = std::make_unique<Op>(library, best, spec, quant);
    op->load(from, owner);
    out = std::move(op);
  } else {
    from.fail("'" + kind + "' is no way to keep weights");
  }
  from.finish();
  OCTILE_RETURN_IF_ERROR(from.status());
  return out;
}

void PreparedOp::save_weights(packs::FieldWriter& out, const AlignedBytes& packed, int64_t packed_bytes,
                              const AlignedBytes& tables) {
  out.blob({packed.data(), static_cast<size_t>(packed_bytes)});
  out.blob({tables.data(), tables.size()});
}

void PreparedOp::load_weights(packs::FieldReader& from, const std::shared_ptr<const void>& owner, int64_t packed_bytes,
                              size_t table_bytes, AlignedBytes& packed, AlignedBytes& tables) {
  packed = AlignedBytes::borrowed(from.blob(), owner);
  tables = AlignedBytes::borrowed(from.blob(), owner);
  if (packed.size() != static_cast<size_t>(packed_bytes) || tables.size() != table_bytes) {
    from.fail("there are more or fewer weights");
  }
}

Op::Op(const KernelLibrary& library, Isa best, OpSpec spec, OpQuant quant)
    : best_(best),
      whole_vectors_(library.whole_vectors()),
      ops_(&ops_for(best)),
      spec_(std::move(spec)),
      quant_(std::move(quant)),
      geometry_(dot_geometry(spec_)) {
  depthwise_ = spec_.depthwise();
  const std::string_view dst = dst_name(spec_.dst);
  kernels_ =
      depthwise_ ? library.kernels_of({"dot", "dotz", "depthwise"}, dst) : library.kernels_of({"dot", "dotz"}, dst);
  table_ = *kernels_;
  src_zp_ = stored_zp(quant_.src_zp, spec_.src);
  dst_zp_ = stored_zp(quant_.dst_zp, spec_.dst);
  lo_ = static_cast<float>(quant_.clamp_lo - quant_.dst_zp);
  hi_ = static_cast<float>(quant_.clamp_hi - quant_.dst_zp);
  rule_.type = spec_.wei;
  rule_.zp = quant_.wei_zp;
  rule_.shift = spec_.wei == DType::u8 ? 128 : 0;
}

Ask Op::ask(std::string_view key, int64_t x, int64_t y) const {
  Ask a;
  a.family = family();
  a.dst = dst_name(spec_.dst);
  a.op_key = key;
  a.best = best_;
  a.whole_vectors = whole_vectors_;
  a.x = x;
  a.y = y;
  a.channels = depthwise_ ? spec_.oc : geometry_.channels;
  a.reduction = geometry_.reduction();
  a.segments = geometry_.sx * geometry_.sy;
  if (depthwise_) {
    a.kh = static_cast<int>(spec_.kh);
    a.kw = static_cast<int>(spec_.kw);
    // Kernels fixed to a stride read neighbouring taps, which a dilated filter does not have.
    const bool dilated = spec_.dh != 1 || spec_.dw != 1;
    a.sh = dilated ? 0 : static_cast<int>(spec_.sh);
    a.sw = dilated ? 0 : static_cast<int>(spec_.sw);
  }
  return a;
}

int64_t Op::panels_per_group() const { return (geometry_.channels + lanes_ - 1) / lanes_; }

Status Op::pack(const void* wei) {
  const WeightView view{wei, spec_.wei, spec_.kind == OpKind::dense, spec_.n};
  const bool zero = std::all_of(rule_.zp.begin(), rule_.zp.end(), [&](int32_t z) { return z == rule_.shift; });
  fits_ = zero || (wei != nullptr && fits_s8(spec_, view, rule_.zp));
  if (depthwise_) {
    rule_.subtract = true;
    // Of s8 weights what the portable kernels take fastest, and what others do; of wider ones words.
    const bool dots = std::any_of(table_.begin(), table_.end(), [this](const Kernel& k) {
      return k.entry.layout == "t4c" && k.isa > Isa::portable && k.isa <= best_;
    });
    // A few weights beyond s8 go on with what is within; the rest of their products is added to sums.
    if (!fits_ && dots && spec_.dst == DType::s32)
      rests_ = depthwise_rests(spec_, view, rule_, spec_.oc / kChannelsPerRest);
    const bool bytes = fits_ || !rests_.empty();
    if (bytes) dw_layouts_.push_back(Layout::t1c);
    dw_layouts_.push_back(bytes && dots ? Layout::t4c : Layout::t2cw);
    return pack_depthwise_op(view);
  }
  choose_layouts();
  return pack_dot(view);
}

// How zero points of weights are removed, and how wide panels are: the layouts of the best instruction set that has
// kernels. What does not fit s8 takes the dotz family, or int16 panels where those are all there is.
void Op::choose_layouts() {
  const std::string key = to_key(spec_);
  const Isa plain = best_isa_with(table_, ask(key, 1, 1));
  const bool wide = plain >= Isa::avxvnni || plain == Isa::portable;
  lanes_ = wide ? 16 : 8;
  rule_.subtract = fits_ || !wide;  // int16 panels hold any raw - zp
  if (rule_.subtract) return;
  zeros_ = true;
  if (best_isa_with(table_, ask(key, 1, 1)) == plain) return;
  zeros_ = false;  // no dotz here: int16 panels of a lower instruction set
  rule_.subtract = true;
  lanes_ = 8;
}

PanelModes Op::exact_modes() const {
  PanelModes m;
  (lanes_ == 16 ? m.k4n16 : m.k2n8w) = kExact;
  return m;
}

std::vector<PanelModes> Op::modes_of(int64_t group, const WeightView& wei) const {
  std::vector<PanelModes> modes(static_cast<size_t>(panels_per_group()), exact_modes());
  if (lanes_ == 16 || wei.data == nullptr) return modes;
  for (size_t p = 0; p < modes.size(); ++p) {
    const Acc16 found = acc16_of(geometry_, wei, rule_, group, static_cast<int64_t>(p) * lanes_, fits_);
    if (found.s8) modes[p].k4n8 = kExact | found.groups;
  }
  return modes;
}

// The layout each panel takes for good: what would cover a crop large enough for every tile.
std::vector<Layout> Op::settle(std::span<const PanelModes> modes) const {
  constexpr int64_t kCrop = 64;
  const std::string key = to_key(spec_);
  std::vector<Layout> layouts(modes.size(), lanes_ == 16 ? Layout::k4n16 : Layout::k2n8w);
  if (lanes_ == 16) return layouts;
  for (const Span& s : cover_panels(table_, ask(key, kCrop, kCrop), lanes_, modes)) {
    const bool acc16 = table_[static_cast<size_t>(s.kernel)].entry.layout == "k4n8";
    for (int64_t p = s.first; p < s.first + s.panels; ++p) {
      layouts[static_cast<size_t>(p)] = acc16 ? Layout::k4n8 : Layout::k2n8w;
    }
  }
  return layouts;
}

// bias', multiplier and remaining weight zero point of one channel.
void Op::set_tables(int64_t index, int64_t channel, uint32_t column) {
  const auto c = static_cast<size_t>(channel);
  const int32_t bias = quant_.bias.empty() ? 0 : quant_.bias[c];
  const float scale = quant_.wei_scale.size() == 1 ? quant_.wei_scale[0] : quant_.wei_scale[c];
  const int32_t left = rule_.left(channel);
  tables_.as<int32_t>()[index] = folded_bias(bias, src_zp_, column, geometry_.reduction(), left);
  tables_.as<float>()[table_length_ + index] = multiplier(quant_.src_scale, scale, quant_.dst_scale);
  tables_.as<int32_t>()[2 * table_length_ + index] = left;
}

// The panels of one more group.
void Op::lay_panels(std::span<const PanelModes> modes) {
  const std::vector<Layout> layouts = settle(modes);
  for (size_t p = 0; p < modes.size(); ++p) {
    layouts_.push_back(layouts[p]);
    groups_.push_back(layouts[p] == Layout::k4n8 ? modes[p].k4n8 : kExact);
    offsets_.push_back(panels_bytes_);
    panels_bytes_ += panel_bytes(layouts[p], geometry_);
  }
}

bool Op::save(packs::FieldWriter& out) const {
  if (depthwise_ || spec_.wei_var) return false;
  out.text(kPanels);
  out.flag(fits_);
  out.list(acc16_);
  save_weights(out, packed_, panels_bytes_, tables_);
  return true;
}

void Op::load(packs::FieldReader& from, const std::shared_ptr<const void>& owner) {
  from.flag(fits_);
  from.list(acc16_);
  choose_layouts();
  const auto per_group = static_cast<size_t>(panels_per_group());
  if (acc16_.size() != per_group * static_cast<size_t>(geometry_.groups)) return from.fail("there are other panels");
  for (size_t at = 0; at < acc16_.size(); at += per_group) {
    std::vector<PanelModes> modes(per_group, exact_modes());
    for (size_t p = 0; p < per_group; ++p) modes[p].k4n8 = acc16_[at + p];
    lay_panels(modes);
  }
  table_length_ = static_cast<int64_t>(acc16_.size()) * lanes_;
  load_weights(from, owner, panels_bytes_, align_up(table_bytes()), packed_, tables_);
}

Status Op::pack_dot(const WeightView& wei) {
  const int64_t per_group = panels_per_group(), panels = per_group * geometry_.groups;
  table_length_ = panels * lanes_;
  tables_ = AlignedBytes(table_bytes());
  if (!tables_.ok()) return {Code::out_of_memory, "out of memory for bias"};
  for (int64_t g = 0; g < geometry_.groups; ++g) {
    const std::vector<PanelModes> modes = modes_of(g, wei);
    for (const PanelModes& m : modes) acc16_.push_back(static_cast<uint8_t>(m.k4n8));
    lay_panels(modes);
  }
  if (wei.data == nullptr) {
    for (int64_t n = 0; n < geometry_.channels; ++n) set_tables(n, n, 0);
    return {};
  }
  packed_ = AlignedBytes::uninitialized(static_cast<size_t>(panels_bytes_));
  if (!packed_.ok()) return {Code::out_of_memory, "out of memory for packed weights"};
  packed_.expect_writes(0, static_cast<size_t>(panels_bytes_));
  std::vector<uint8_t> scratch;
  std::vector<uint32_t> columns(static_cast<size_t>(table_length_));
  const auto each_panel = [&](const auto& pack) {
    for (int64_t p = 0; p < panels; ++p) {
      pack(layouts_[static_cast<size_t>(p)], p / per_group, p % per_group * lanes_,
           packed_.data() + offsets_[static_cast<size_t>(p)], columns.data() + p * lanes_);
    }
  };
  if (wei.dense) {
    for (int64_t row = 0; row < geometry_.run; row += kDenseRows) {
      each_panel([&](Layout layout, int64_t, int64_t first, uint8_t* to, uint32_t* sums) {
        pack_dense_rows(layout, geometry_, wei, rule_, first, row, to, sums);
      });
    }
  } else {
    each_panel([&](Layout layout, int64_t group, int64_t first, uint8_t* to, uint32_t* sums) {
      pack_filter_panel(layout, geometry_, wei, rule_, group, first, scratch, to, sums);
    });
  }
  for (int64_t p = 0; p < panels; ++p) {
    const int64_t first = p % per_group * lanes_, channel = p / per_group * geometry_.channels + first;
    const int64_t count = std::min<int64_t>(lanes_, geometry_.channels - first);
    for (int64_t j = 0; j < count; ++j) {
      set_tables(p * lanes_ + j, channel + j, columns[static_cast<size_t>(p * lanes_ + j)]);
    }
  }
  return {};
}

Status Op::pack_depthwise_op(const WeightView& wei) {
  table_length_ = static_cast<int64_t>(align_up(static_cast<size_t>(spec_.oc)));
  tables_ = AlignedBytes(static_cast<size_t>(table_length_) * 3 * sizeof(int32_t));
  std::vector<uint8_t> all;
  for (const Layout layout : dw_layouts_) {
    std::vector<uint8_t> one = pack_depthwise(spec_, wei, rule_, layout);
    if (joinable(spec_)) {  // every channel again, for pixels taken together
      const int64_t channel = channel_bytes(layout), bytes = spec_.oc * channel, row = table_length_ * channel;
      for (auto at = one.begin(); at != one.end(); at += row) {
        for (int64_t i = bytes; i < row; ++i) at[i] = at[i - bytes];
      }
    }
    dw_offsets_.push_back(static_cast<int64_t>(all.size()));
    all.insert(all.end(), one.begin(), one.end());  // a multiple of 64: channels are padded to 64
  }
  packed_ = AlignedBytes(all.size());
  if (!packed_.ok() || !tables_.ok()) return {Code::out_of_memory, "out of memory for packed weights"};
  std::copy(all.begin(), all.end(), packed_.data());
  const int64_t taps = spec_.kh * spec_.kw;
  for (int64_t c = 0; c < spec_.oc; ++c) {
    uint32_t column = 0;
    for (int64_t t = 0; t < taps; ++t) column += static_cast<uint32_t>(wei.at(c * taps + t) - rule_.taken(c));
    set_tables(c, c, column);
    if (!joinable(spec_)) continue;
    for (int64_t again = c + spec_.oc; again < table_length_; again += spec_.oc) set_tables(again, c, column);
  }
  return {};
}

}  // namespace octile::runtime
