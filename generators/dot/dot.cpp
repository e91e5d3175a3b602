// The algorithm of the dot family; see dot.h.
#include "generators/dot/dot.h"

#include "generators/common/markers.h"
#include "generators/common/requantize.h"

namespace octile::generators {

using namespace Halide;  // NOLINT(google-build-using-namespace)

namespace {

// A dimension that starts at 0, with stride and extent fixed where they are known.
void fix(Internal::Dimension dim, int stride, int extent = 0) {
  dim.set_min(0);
  if (stride != 0) dim.set_stride(stride);
  if (extent != 0) dim.set_extent(extent);
}

void declare_buffers(DotStages& s, const DotConfig& c) {
  const Type element = c.word == 4 ? UInt(8) : Int(16);
  s.src = ImageParam(element, 5, "src");
  s.wei = ImageParam(Int(32), 1, "wei");
  s.bias = ImageParam(Int(32), 1, "bias");
  s.mult = ImageParam(Float(32), 1, "mult");
  fix(s.src.dim(0), 1, c.facts.words * c.word);
  fix(s.src.dim(1), c.facts.src_sx, c.facts.sx);
  fix(s.src.dim(2), 0, c.facts.sy);
  fix(s.src.dim(3), c.facts.src_x);
  fix(s.src.dim(4), 0);
  // There is at least one word and one segment: said here, it spares every tile the test for none.
  s.words = c.facts.words != 0 ? Expr(c.facts.words) : max(s.src.dim(0).extent() / c.word, 1);
  s.sx = c.facts.sx != 0 ? Expr(c.facts.sx) : max(s.src.dim(1).extent(), 1);
  s.sy = c.facts.sy != 0 ? Expr(c.facts.sy) : max(s.src.dim(2).extent(), 1);
  s.any_segments = c.facts.sx == 0 || c.facts.sy == 0;
  // Packed weights are dense, so they are one row of 32-bit words to us.
  fix(s.wei.dim(0), 1);
  s.wei.set_host_alignment(64);
  fix(s.bias.dim(0), 1);
  fix(s.mult.dim(0), 1);
  s.args = {s.src, s.wei, s.bias, s.mult, s.lo, s.hi, s.zp};
  if (c.weight_zero_points) {
    s.wzp = ImageParam(Int(32), 1, "wzp");
    s.rowsum = ImageParam(Int(32), 2, "rowsum");
    fix(s.wzp.dim(0), 1);
    fix(s.rowsum.dim(0), 1);
    fix(s.rowsum.dim(1), 0);
    s.args.emplace_back(s.wzp);
    s.args.emplace_back(s.rowsum);
  }
}

}  // namespace

DotStages make_dot(const DotConfig& c) {
  DotStages s;
  declare_buffers(s, c);
  const Expr& words = s.words;
  const int per_item = c.group > 1 ? c.group : 1;
  const int per_step = c.step * per_item;

  const auto a = [&](const Expr& k, const Expr& i, const Expr& j) { return word(s.src(k * c.word, i, j, s.x, s.y)); };
  const auto b = [&](const Expr& k, const Expr& i, const Expr& j) {
    const Expr weights = s.wei(s.n % c.lanes + c.lanes * (k + words * (i + s.sx * (j + s.sy * (s.n / c.lanes)))));
    return c.ahead == 0 ? weights : ahead(weights, c.ahead * c.lanes * words * s.sx * s.sy);
  };

  s.acc(s.n, s.x, s.y) = s.bias(s.n);
  s.main = RDom(0, c.step, 0, words / per_step, 0, s.sx, 0, s.sy, "r");
  const Expr first = (s.main[1] * c.step + s.main[0]) * per_item;
  if (c.group == 0) {
    s.acc(s.n, s.x, s.y) =
        dot(c.word, s.acc(s.n, s.x, s.y), a(first, s.main[2], s.main[3]), b(first, s.main[2], s.main[3]));
  } else {
    std::vector<Expr> args{s.acc(s.n, s.x, s.y)};
    for (int i = 0; i < per_item; ++i) {
      args.push_back(a(first + i, s.main[2], s.main[3]));
      args.push_back(b(first + i, s.main[2], s.main[3]));
    }
    s.acc(s.n, s.x, s.y) = dot16(args);
  }
  s.has_rest = per_step > 1 && (c.facts.words == 0 || c.facts.words % per_step != 0);
  if (s.has_rest) {
    s.rest = RDom(0, words % per_step, 0, s.sx, 0, s.sy, "t");
    const Expr k = words / per_step * per_step + s.rest[0];
    const Expr ra = a(k, s.rest[1], s.rest[2]);
    const Expr rb = b(k, s.rest[1], s.rest[2]);
    const Expr prev = s.acc(s.n, s.x, s.y);
    s.acc(s.n, s.x, s.y) = c.group == 0 ? dot(c.word, prev, ra, rb) : dot16({prev, ra, rb});
  }

  Expr total = s.acc(s.n, s.x, s.y);
  if (c.weight_zero_points) total = total - s.wzp(s.n) * s.rowsum(s.x, s.y);
  if (c.dst_s32) {
    s.out(s.n, s.x, s.y) = total;
  } else {
    s.out(s.n, s.x, s.y) = requantize(total, s.mult(s.n), s.lo, s.hi, s.zp, true);
  }
  fix(s.out.output_buffer().dim(0), 1);
  fix(s.out.output_buffer().dim(1), c.facts.dst_x);
  fix(s.out.output_buffer().dim(2), 0);
  return s;
}

}  // namespace octile::generators
