// Shapes and types of random ops.
// In:  a seed.  Out: a valid OpSpec of bounded size.
// Not here: values (draw_operands.cpp).
#include <algorithm>

#include "tests/support/draw.h"
#include "tests/support/rng.h"

namespace octile::testing {
namespace {

// One below, at and one above the channel tiles any target uses.
int64_t edge_channels(Rng& rng) {
  const int64_t tile = rng.pick<int64_t>({8, 16, 24, 32, 48, 64, 96, 128, 192});
  return tile + rng.range(-1, 1);
}

int64_t draw_channels(Rng& rng, Trap trap) {
  if (trap == Trap::tile_edge || rng.chance(0.2)) return edge_channels(rng);
  if (trap == Trap::odd_channels) return 4 * rng.range(0, 31) + rng.range(1, 3);
  if (rng.chance(0.3)) return rng.range(1, 12);
  return rng.range(1, 130);
}

// More output channels than draw_channels gives, for the few ops whose other extents then stay small.
int64_t draw_wide(Rng& rng) { return rng.chance(0.5) ? 64 * rng.range(3, 8) + rng.range(-1, 1) : rng.range(130, 520); }

int64_t draw_extent(Rng& rng, Trap trap) {
  if (trap == Trap::tile_edge) return rng.pick<int64_t>({1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17});
  if (trap == Trap::odd_channels) return rng.pick<int64_t>({1, 3, 5, 7, 9, 11, 13, 17, 19});
  return rng.range(1, 20);
}

void draw_kernel(Rng& rng, OpSpec& s) {
  const int64_t kernels[][2] = {{1, 1}, {1, 1}, {1, 1}, {3, 3}, {3, 3}, {3, 3}, {5, 5}, {5, 5},
                                {7, 7}, {1, 3}, {3, 1}, {1, 5}, {2, 2}, {1, 7}, {4, 4}, {0, 0}};
  const auto& k = kernels[rng.below(16)];
  s.kh = k[0] != 0 ? k[0] : rng.range(1, 6);
  s.kw = k[1] != 0 ? k[1] : rng.range(1, 6);
}

void draw_steps(Rng& rng, Trap trap, OpSpec& s) {
  if (trap == Trap::prime_strides) {
    s.sh = rng.pick<int64_t>({1, 2, 3, 5, 7});
    s.sw = rng.pick<int64_t>({2, 3, 5, 7});
  } else if (rng.chance(0.4)) {
    s.sh = rng.range(1, 3);
    s.sw = rng.chance(0.7) ? s.sh : rng.range(1, 3);
  }
  if (rng.chance(0.2)) {
    s.dh = rng.range(1, 3);
    s.dw = rng.chance(0.6) ? s.dh : rng.range(1, 3);
  }
  const int64_t reach_h = s.dh * (s.kh - 1), reach_w = s.dw * (s.kw - 1);
  if (trap == Trap::far_pads) {
    s.pt = rng.range(0, reach_h + 3), s.pb = rng.range(0, reach_h + 3);
    s.pl = rng.range(0, reach_w + 3), s.pr = rng.range(0, reach_w + 3);
  } else if (rng.chance(0.6)) {
    s.pt = s.pb = reach_h / 2;
    s.pl = s.pr = reach_w / 2;
    if (rng.chance(0.3)) {  // as TensorFlow pads
      s.pt = std::max<int64_t>(s.pt - 1, 0);
      s.pr += 1;
    }
  }
}

// Groups: depthwise, depthwise with a multiplier, or a few groups of several channels.
void draw_groups(Rng& rng, Trap trap, OpSpec& s) {
  if (rng.chance(0.65)) {
    s.g = s.ic = std::max<int64_t>(draw_channels(rng, trap), 2);
    s.oc = s.g * (rng.chance(0.9) ? 1 : rng.range(2, 3));
    if (rng.chance(0.7)) s.kh = s.kw = rng.pick<int64_t>({3, 3, 5, 5, 7});
    if (rng.chance(0.4) && trap != Trap::prime_strides) s.sh = s.sw = 2;
  } else {
    s.g = rng.range(2, 8);
    s.ic = s.g * (rng.chance(0.3) ? edge_channels(rng) : rng.range(1, 20));
    s.oc = s.g * (rng.chance(0.3) ? edge_channels(rng) : rng.range(1, 20));
  }
}

// At least one output pixel.
void fit_window(OpSpec& s) {
  s.ih = std::max(s.ih, std::max<int64_t>(s.dh * (s.kh - 1) + 1 - s.pt - s.pb, 1));
  s.iw = std::max(s.iw, std::max<int64_t>(s.dw * (s.kw - 1) + 1 - s.pl - s.pr, 1));
}

// Fewer images, then fewer pixels, then fewer channels; a conv that is all padding may stay above a tiny budget. A
// group keeps `least` output channels: its input channels and then its pixels give way instead.
void shrink_conv(OpSpec& s, int64_t macs, int64_t least = 1) {
  while (s.macs() > macs) {
    const int64_t before = s.macs();
    const int64_t icg = s.ic / s.g, ocg = s.oc / s.g;
    s.mb = 1;
    if (s.macs() == before && (s.oh() * s.ow() > 24 || (icg == 1 && ocg / 2 < least))) {
      (s.ih >= s.iw ? s.ih : s.iw) /= 2;
      fit_window(s);
    }
    if (s.macs() < before) continue;
    if (s.g > 1 && s.g >= icg && s.g >= ocg) {
      s.g = (s.g + 1) / 2;
      s.ic = s.g * icg;
      s.oc = s.g * ocg;
    } else if (icg >= ocg || ocg / 2 < least) {
      s.ic = s.g * std::max<int64_t>(icg / 2, 1);
    } else {
      s.oc = s.g * (ocg / 2);
    }
    if (s.macs() >= before) return;
  }
}

// Fewer matrices, then fewer rows, then fewer columns, but never fewer than `least`: then a shorter sum.
void shrink_dense(OpSpec& s, int64_t macs, int64_t least = 1) {
  while (s.macs() > macs) {
    if (s.mb > 1) {
      s.mb = 1;
    } else if (s.m > 4) {
      s.m /= 2;
    } else if (s.n > 1 && (s.n + 1) / 2 >= least) {
      s.n = (s.n + 1) / 2;
    } else if (least > 1 && s.k > 1) {
      s.k = (s.k + 1) / 2;
    } else {
      return;
    }
  }
}

OpSpec draw_conv(Rng& rng, Trap trap, int64_t macs) {
  OpSpec s;
  s.mb = rng.chance(0.2) ? rng.range(2, 3) : 1;
  draw_kernel(rng, s);
  s.ic = draw_channels(rng, trap);
  s.oc = draw_channels(rng, trap);
  if (rng.chance(0.15)) s.ic = rng.range(1, 4);  // first layers
  const bool wide = rng.chance(0.05);
  if (wide) {
    s.oc = draw_wide(rng);
  } else if (rng.chance(0.4)) {
    draw_groups(rng, trap, s);
  }
  draw_steps(rng, trap, s);
  s.ih = draw_extent(rng, trap);
  s.iw = draw_extent(rng, trap);
  if (rng.chance(0.1)) {  // 1-D
    s.ih = s.kh = s.sh = s.dh = 1;
    s.pt = s.pb = 0;
    s.iw = rng.range(1, 120);
  }
  if (trap == Trap::short_k) {
    s.g = s.g > 1 ? s.ic : 1;
    if (s.g > 1) s.oc = s.ic;
    s.kh = rng.range(1, 3), s.kw = rng.range(1, 3);
    if (s.g == 1) s.ic = rng.range(1, std::max<int64_t>(9 / (s.kh * s.kw), 1));
  }
  if (trap == Trap::huge_acc && s.g == 1) {
    s.ic = 1200 / (s.kh * s.kw) + rng.range(0, 64);
    s.oc = std::min<int64_t>(s.oc, 40);
    s.ih = rng.range(1, 4), s.iw = rng.range(1, 4);
  }
  fit_window(s);
  shrink_conv(s, macs, wide && trap != Trap::huge_acc ? s.oc : 1);
  fit_window(s);
  return s;
}

// 3x3 of stride 1 with channels enough for Winograd, which the others rarely have at once; the image gives way.
OpSpec draw_square(Rng& rng, Trap trap, int64_t macs) {
  OpSpec s;
  s.mb = rng.chance(0.2) ? 2 : 1;
  s.kh = s.kw = 3;
  s.ic = rng.range(32, 80);
  s.oc = rng.range(32, 80);
  s.ih = draw_extent(rng, trap);
  s.iw = draw_extent(rng, trap);
  for (int64_t* pad : {&s.pt, &s.pl, &s.pb, &s.pr}) *pad = rng.chance(0.7) ? 1 : rng.range(0, 2);
  while (s.macs() > macs && std::max(s.ih, s.iw) > 4) --(s.ih >= s.iw ? s.ih : s.iw);
  fit_window(s);
  shrink_conv(s, macs);
  fit_window(s);
  return s;
}

OpSpec draw_dense(Rng& rng, Trap trap, int64_t macs) {
  OpSpec s;
  s.kind = OpKind::dense;
  s.mb = rng.chance(0.3) ? rng.range(2, 4) : 1;
  s.wei_var = rng.chance(0.25);
  s.m = rng.chance(0.25) ? 1 : draw_extent(rng, trap) + (rng.chance(0.2) ? 20 : 0);
  s.n = draw_channels(rng, trap);
  s.k = rng.chance(0.15) ? rng.range(300, 2500) : rng.chance(0.3) ? draw_channels(rng, trap) : rng.range(1, 300);
  if (trap == Trap::odd_channels) s.k = 4 * rng.range(0, 80) + rng.range(1, 3);
  if (trap == Trap::short_k) s.k = rng.range(1, 9);
  if (trap == Trap::huge_acc) s.k = rng.range(1000, 3000);
  const bool wide = trap != Trap::huge_acc && rng.chance(0.08);
  if (wide) s.n = draw_wide(rng);
  shrink_dense(s, macs, wide ? s.n : 1);
  return s;
}

OpSpec draw_points(Rng& rng, Trap trap) {
  OpSpec s;
  s.kind = rng.pick({OpKind::requantize, OpKind::requantize, OpKind::quantize, OpKind::dequantize});
  s.mb = rng.chance(0.3) ? 2 : 1;
  s.c = draw_channels(rng, trap);
  s.m = draw_extent(rng, trap) * (rng.chance(0.3) ? rng.range(1, 20) : 1);
  return s;
}

DType draw_byte(Rng& rng) { return rng.chance(0.5) ? DType::u8 : DType::s8; }

void draw_types(Rng& rng, Trap trap, OpSpec& s) {
  const bool zp_always = trap == Trap::zp_extreme;
  const bool weighted = s.kind == OpKind::conv2d || s.kind == OpKind::dense;
  s.src = s.kind == OpKind::quantize ? DType::f32 : draw_byte(rng);
  s.dst = s.kind == OpKind::dequantize ? DType::f32 : draw_byte(rng);
  if (s.kind == OpKind::requantize && rng.chance(0.6)) s.src = DType::s32;
  s.src_zp = s.src != DType::f32 && (zp_always || rng.chance(0.75));
  if (weighted) {
    s.wei = rng.chance(0.75) ? DType::s8 : DType::u8;
    s.wei_zp = rng.chance(s.wei == DType::u8 ? 0.85 : zp_always ? 0.4 : 0.15);
    s.wei_per_oc = rng.chance(0.6);
    s.bias = rng.chance(0.7);
    if (trap != Trap::ties && trap != Trap::odd_scales && rng.chance(0.15)) s.dst = DType::s32;
  }
  if (s.kind == OpKind::requantize) s.mult_per_c = rng.chance(0.6);
  if (size_of(s.dst) == 1) {
    s.dst_zp = zp_always || trap == Trap::ties || rng.chance(0.75);
    s.post =
        rng.pick({Post::none, Post::none, Post::none, Post::none, Post::relu, Post::relu, Post::relu6, Post::clip});
  }
}

}  // namespace

std::string_view to_string(Trap trap) {
  constexpr std::string_view kNames[kTraps] = {
      "none",         "saturating_pairs", "acc16_edge",    "wei_min",   "zp_extreme", "ties",      "short_k",
      "odd_channels", "huge_acc",         "prime_strides", "tile_edge", "far_pads",   "odd_scales"};
  return kNames[static_cast<size_t>(trap)];
}

Trap trap_of(uint64_t seed) {
  Rng rng(mix(seed ^ 0x7261));
  return rng.chance(0.5) ? Trap::none : static_cast<Trap>(rng.range(1, kTraps - 1));
}

OpSpec draw_spec(uint64_t seed, int64_t macs) {
  Rng rng(mix(seed ^ 0x7368));
  const Trap trap = trap_of(seed);
  const auto budget = static_cast<int64_t>(rng.log_uniform(2000, static_cast<double>(macs)));
  const bool needs_k = trap == Trap::huge_acc || trap == Trap::saturating_pairs || trap == Trap::acc16_edge ||
                       trap == Trap::wei_min || trap == Trap::short_k;
  const double r = rng.uniform();
  OpSpec s;
  if (trap == Trap::prime_strides || trap == Trap::far_pads || r < 0.6) {
    s = draw_conv(rng, trap, trap == Trap::huge_acc ? macs : budget);
  } else if (r < 0.63 && !needs_k) {
    s = draw_square(rng, trap, macs);
  } else if (needs_k || r < 0.84) {
    s = draw_dense(rng, trap, trap == Trap::huge_acc ? macs : budget);
  } else {
    s = draw_points(rng, trap);
  }
  draw_types(rng, trap, s);
  return s;
}

OpSpec widened(OpSpec s, int64_t channels, int64_t macs) {
  if (s.depthwise()) {
    s.g = s.ic = s.oc = std::max(s.oc, channels);
  } else if (s.kind == OpKind::conv2d) {
    s.ic /= s.g;
    s.oc = std::max(s.oc / s.g, channels);
    s.g = 1;
    shrink_conv(s, macs, channels);
  } else if (s.kind == OpKind::dense) {
    s.n = std::max(s.n, channels);
    shrink_dense(s, macs, channels);
  } else {
    s.c = std::max(s.c, channels);
  }
  return s;
}

}  // namespace octile::testing
