// The algorithm of the depthwise family; see depthwise.h.
#include "generators/depthwise/depthwise.h"

#include "generators/common/markers.h"
#include "generators/common/requantize.h"

namespace octile::generators {

using namespace Halide;  // NOLINT(google-build-using-namespace)

namespace {

void declare_buffers(DepthwiseStages& s) {
  s.src = ImageParam(UInt(8), 5, "src");
  s.wei = ImageParam(Int(32), 4, "wei");
  s.bias = ImageParam(Int(32), 1, "bias");
  s.mult = ImageParam(Float(32), 1, "mult");
  for (int d = 0; d < 5; ++d) s.src.dim(d).set_min(0);
  for (int d = 0; d < 4; ++d) s.wei.dim(d).set_min(0);
  s.src.dim(0).set_stride(1);
  s.wei.dim(0).set_stride(1);
  s.bias.dim(0).set_min(0).set_stride(1);
  s.mult.dim(0).set_min(0).set_stride(1);
  s.args = {s.src, s.wei, s.bias, s.mult, s.lo, s.hi, s.zp};
}

// The word of weights of channel c: the buffer's strides count elements, ours words.
Expr weights(const DepthwiseStages& s, const DepthwiseConfig& config, const Expr& group, const Expr& ky) {
  const Expr at_group = s.wei.dim(2).stride() / config.taps;
  const Expr at_row = s.wei.dim(3).stride() / config.taps;
  return s.wei(s.c + group * at_group + ky * at_row, 0, 0, 0);
}

// Elements e0, e1, ... of one channel as a word.
Expr packed(const std::vector<Expr>& elements, int taps) {
  Expr word;
  for (size_t i = 0; i < elements.size(); ++i) {
    const Expr e = cast<int32_t>(elements[i]) << static_cast<int>(i * 32 / taps);
    word = word.defined() ? word | e : e;
  }
  return word;
}

// Words of neighbouring taps of a row.
void define_words(DepthwiseStages& s, const DepthwiseConfig& c) {
  const int span = c.kx + (c.phases - 1) * c.stride;  // what the outputs of a group read of a row
  // The last group of a row may have fewer outputs than phases: what they would read may not exist.
  const Expr end = (s.src.dim(3).extent() - 1) * c.stride + c.kx - 1;
  const Expr first = s.x * (c.phases * c.stride);
  Expr word;
  for (int g = s.groups - 1; g >= 0; --g) {
    std::vector<Expr> elements;
    // In lane order a word always has all its bytes; what stands under a zero weight does not matter.
    const int count = c.lane_order ? c.taps : std::min(c.taps, span - g * c.taps);
    for (int k = g * c.taps; k < g * c.taps + count; ++k) {
      const Expr at = first + std::min(k, span - 1);
      elements.push_back(s.src(s.c, k < c.kx ? at : min(at, end), s.row, 0, 0));
    }
    const Expr here = !c.lane_order ? packed(elements, c.taps) : c.taps == 4 ? quad(elements) : pair(elements);
    word = word.defined() ? select(s.group == g, here, word) : here;
  }
  s.pack(s.c, s.x, s.row, s.group) = word;
}

// In lane order, what is read once per channel and used for every pixel (bias, words of weights, multipliers) is a
// stage of its own.
Expr kept(DepthwiseStages& s, const DepthwiseConfig& c, const Expr& e) {
  if (!c.lane_order) return e;
  Func stage("kept");
  stage(s.c) = lanes(e);
  s.kept.push_back(stage);
  return stage(s.c);
}

// Word `g` of row ky of the filter moved `up` elements up; undefined where only zeros are left.
Expr moved_weights(const DepthwiseStages& s, const DepthwiseConfig& c, int g, const Expr& ky, int up) {
  const int own = (c.kx + c.taps - 1) / c.taps, from = g - up / c.taps, bits = up % c.taps * 32 / c.taps;
  Expr word;
  if (from >= 0 && from < own) word = bits == 0 ? weights(s, c, from, ky) : weights(s, c, from, ky) << bits;
  if (bits > 0 && from >= 1 && from - 1 < own && c.kx > from * c.taps - up % c.taps) {
    const Expr below = cast<int32_t>(cast<uint32_t>(weights(s, c, from - 1, ky)) >> (32 - bits));
    word = word.defined() ? word | below : below;
  }
  return word;
}

// The share of all words of rows in the sum of the outputs of one phase.
Expr phase_sum(DepthwiseStages& s, const DepthwiseConfig& c, Expr sum, int phase) {
  for (int ky = 0; ky < c.ky; ++ky) {
    for (int g = 0; g < s.groups; ++g) {
      const Expr w = moved_weights(s, c, g, ky, phase * c.stride);
      if (w.defined()) sum = dot(c.taps, sum, s.pack(s.c, s.x / c.phases, s.y * c.stride + ky, g), kept(s, c, w));
    }
  }
  return sum;
}

// The same for one row of the filter, whose words of weights are kept for all.
Expr row_sum(DepthwiseStages& s, const DepthwiseConfig& c, Expr sum, int phase) {
  for (int g = 0; g < s.groups; ++g) {
    const Expr w = moved_weights(s, c, g, s.row, phase * c.stride);
    if (!w.defined()) continue;
    Func stage("kept");
    stage(s.c, s.row) = lanes(w);
    s.kept_rows.push_back(stage);
    sum = dot(c.taps, sum, s.pack(s.c, s.x / c.phases, s.y * c.stride + s.rows, g), stage(s.c, s.rows));
  }
  return sum;
}

// Each output with the sum of its own phase.
template <class F>
Expr by_phase(const DepthwiseStages& s, const DepthwiseConfig& c, const F& sum_of) {
  Expr sum = sum_of(c.phases - 1);
  for (int p = c.phases - 2; p >= 0; --p) sum = select(s.x % c.phases == p, sum_of(p), sum);
  return sum;
}

// The last column of a filter with an odd number of columns, two rows in a word: a word of its own for each row would
// be half empty.
Expr odd_column(DepthwiseStages& s, const DepthwiseConfig& c, Expr sum) {
  const auto tap = [&](const Expr& row) { return s.src(s.c, s.x * c.stride + c.kx - 1, row, 0, 0); };
  s.column(s.c, s.x, s.row) = pair({tap(s.row), tap(s.row + 1)});
  s.last(s.c, s.x, s.row) = pair({tap(s.row), tap(s.row)});
  for (int ky = 0; ky < c.ky; ky += 2) {
    const Expr row = s.y * c.stride + ky, first = weights(s, c, s.groups, ky);  // its upper half is zero
    if (ky + 1 < c.ky) {
      sum = dot(c.taps, sum, s.column(s.c, s.x, row), kept(s, c, first | (weights(s, c, s.groups, ky + 1) << 16)));
    } else {
      sum = dot(c.taps, sum, s.last(s.c, s.x, row), kept(s, c, first));
    }
  }
  return sum;
}

void define_fixed(DepthwiseStages& s, const DepthwiseConfig& c) {
  s.has_column = c.lane_order && c.taps == 2 && c.kx % 2 == 1 && c.kx > 1 && c.ky > 1 && c.ky % 2 == 1;
  const int span = c.kx + (c.phases - 1) * c.stride;
  s.groups = s.has_column ? c.kx / 2 : (span + c.taps - 1) / c.taps;
  const Expr bias = kept(s, c, s.bias(s.c));
  define_words(s, c);
  s.row_loop = c.row_loop;
  if (c.row_loop) {
    s.rows = RDom(0, c.ky, "r");
    s.acc(s.c, s.x, s.y) = bias;
    const Expr before = s.acc(s.c, s.x, s.y);
    s.acc(s.c, s.x, s.y) = by_phase(s, c, [&](int phase) { return row_sum(s, c, before, phase); });
    return;
  }
  const Expr sum = by_phase(s, c, [&](int phase) { return phase_sum(s, c, bias, phase); });
  s.acc(s.c, s.x, s.y) = s.has_column ? odd_column(s, c, sum) : sum;
}

void define_any(DepthwiseStages& s, const DepthwiseConfig& c) {
  const Expr kw = s.src.dim(1).extent();
  s.taps = RDom(0, (kw + c.taps - 1) / c.taps, 0, s.src.dim(2).extent(), "r");
  std::vector<Expr> elements;
  for (int i = 0; i < c.taps; ++i) {
    elements.push_back(s.src(s.c, min(s.taps[0] * c.taps + i, kw - 1), s.taps[1], s.x, s.y));
  }
  s.acc(s.c, s.x, s.y) = s.bias(s.c);
  s.acc(s.c, s.x, s.y) =
      dot(c.taps, s.acc(s.c, s.x, s.y), packed(elements, c.taps), weights(s, c, s.taps[0], s.taps[1]));
}

}  // namespace

DepthwiseStages make_depthwise(const DepthwiseConfig& c) {
  DepthwiseStages s;
  declare_buffers(s);
  s.fixed = c.kx != 0 && c.stride != 0;
  if (s.fixed) {
    define_fixed(s, c);
  } else {
    define_any(s, c);
  }
  const Expr acc = s.acc(s.c, s.x, s.y);
  s.lane_order = c.lane_order;
  s.phases = c.phases;
  if (c.dst_s32) {
    s.out(s.c, s.x, s.y) = c.lane_order ? channels(acc) : acc;
  } else if (c.lane_order) {
    s.out(s.c, s.x, s.y) = round_lanes(acc, kept(s, c, s.mult(s.c)), s.lo, s.hi, s.zp);
  } else {
    s.out(s.c, s.x, s.y) = requantize(acc, s.mult(s.c), s.lo, s.hi, s.zp, true);
  }
  s.out.output_buffer().dim(0).set_min(0).set_stride(1);
  s.out.output_buffer().dim(1).set_min(0);
  s.out.output_buffer().dim(2).set_min(0);
  return s;
}

}  // namespace octile::generators
