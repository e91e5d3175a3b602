// Tails applied to one crop; see tails.h.
// In:  tails, dst, a crop.  Out: dst changed in place.  Not here: the loops over codes (ops/ops.h).
//
// A crop is a list of pieces: runs of pixels at equal distance in dst and in the other operand. Usually that is a row
// of the crop; where pixels of all images count as one row, it ends where the other operand jumps.
#include "runtime/exec/tails.h"

#include <algorithm>
#include <cstring>

#include "runtime/exec/prepared_op.h"

namespace octile::runtime {
namespace {

constexpr int64_t kFloat = sizeof(float);

struct Piece {
  int64_t n, y, x, count;
};

// Calls f(piece) over the crop. `limit`: of rows that are one long row, pixels after which a piece must end.
template <class F>
void each_piece(const Tensor& dst, const Crop& crop, int64_t limit, const F& f) {
  if (!crop.row) {
    if (limit > dst.w && crop.xs == dst.w && dst.stride_y == dst.w * dst.stride_x) {
      return f(Piece{crop.n, crop.y, 0, crop.ys * crop.xs});
    }
    for (int64_t y = 0; y < crop.ys; ++y) f(Piece{crop.n, crop.y + y, crop.x, crop.xs});
    return;
  }
  for (int64_t x = crop.x; x < crop.x + crop.xs;) {
    const int64_t count = std::min(limit - x % limit, crop.x + crop.xs - x), image = dst.h * dst.w;
    f(Piece{x / image, x % image / dst.w, x % dst.w, count});
    x += count;
  }
}

uint8_t* start(const Tensor& t, const Piece& p) { return pixel_at(t, p.n, p.y, p.x); }

bool same_pixels(const Tensor& a, const Tensor& b) { return a.n == b.n && a.h == b.h && a.w == b.w; }

// A gate's row for a piece: that of its image, or the one for all.
const uint8_t* gate_row(const Tensor& gate, const Piece& p) {
  return gate.data + (gate.n == 1 ? 0 : p.n * gate.stride_n);
}

// How many pixels of a long row of dst may be one piece where `other` is walked as well.
int64_t limit_beside(const Tensor& other, const Tensor& dst) {
  return contiguous(other) ? dst.n * dst.h * dst.w : dst.w;
}

void apply_table(const Ops& ops, const Tail& tail, const Tensor& dst, const Crop& crop) {
  each_piece(dst, crop, dst.n * dst.h * dst.w, [&](const Piece& p) {
    uint8_t* at = start(dst, p) + crop.channel;
    if (crop.channels == dst.stride_x) {
      ops.table(tail.table, at, at, p.count * crop.channels);
    } else {
      ops.table_rows(tail.table, {at, dst.stride_x}, {at, dst.stride_x}, crop.channels, p.count);
    }
  });
}

void apply_copy(const Ops& ops, const Tail& tail, const Tensor& dst, const Crop& crop) {
  const Tensor& to = tail.other;
  const int64_t first = std::max(crop.channel, tail.channel);
  const int64_t count = std::min(crop.channel + crop.channels, tail.channel + to.c) - first;
  if (count <= 0) return;
  each_piece(dst, crop, limit_beside(to, dst), [&](const Piece& p) {
    const Rows from{start(dst, p) + first, dst.stride_x};
    const RowsOut into{start(to, p) + first - tail.channel, to.stride_x};
    if (tail.table == nullptr) {
      ops.copy(from, into, count, p.count);
    } else {
      ops.table_rows(tail.table, from, into, count, p.count);
    }
  });
}

void apply_binary(const Ops& ops, const Tail& tail, const Tensor& dst, const Crop& crop) {
  const Tensor& other = tail.other;
  each_piece(dst, crop, limit_beside(other, dst), [&](const Piece& p) {
    uint8_t* at = start(dst, p) + crop.channel;
    const Rows own{at, dst.stride_x}, with{start(other, p) + crop.channel, other.stride_x};
    const bool dense = crop.channels == dst.stride_x && crop.channels == other.stride_x;
    const int64_t c = dense ? crop.channels * p.count : crop.channels, rows = dense ? 1 : p.count;
    ops.binary(tail.form, tail.other_first ? with : own, tail.other_first ? own : with, {at, dst.stride_x}, c, rows);
  });
}

void apply_line(const Ops& ops, const Tail& tail, const Tensor& dst, const Crop& crop) {
  GateForm line = tail.line;
  line.gain += crop.channel;
  if (line.below != nullptr) line.below += crop.channel;
  if (line.offset != nullptr) line.offset += crop.channel;
  each_piece(dst, crop, dst.n * dst.h * dst.w, [&](const Piece& p) {
    uint8_t* at = start(dst, p) + crop.channel;
    ops.gate(line, {at, dst.stride_x}, {at, dst.stride_x}, crop.channels, p.count);
  });
}

void apply_sums(const Ops& ops, const Tail& tail, const Tensor& dst, const Crop& crop) {
  SumsForm form = tail.sums;
  form.columns += crop.channel;
  form.factors += crop.channel;
  if (form.addends != nullptr) form.addends += crop.channel;
  each_piece(dst, crop, dst.n * dst.h * dst.w, [&](const Piece& p) {
    uint8_t* at = start(dst, p) + crop.channel * 4;
    ops.scale_sums(form, {at, dst.stride_x}, {at, dst.stride_x}, crop.channels, p.count);
  });
}

void apply_floats(const Ops& ops, const Tail& tail, const Tensor& dst, const Crop& crop) {
  const Tensor& other = tail.other;
  const int64_t element = tail.function->codes ? 1 : kFloat;
  const bool gate = !same_pixels(other, dst);
  const int64_t limit = other.data == nullptr ? dst.n * dst.h * dst.w : gate ? dst.h * dst.w : limit_beside(other, dst);
  each_piece(dst, crop, limit, [&](const Piece& p) {
    uint8_t* at = start(dst, p) + crop.channel * kFloat;
    Rows with;
    if (other.data != nullptr) {
      with.data = (gate ? gate_row(other, p) : start(other, p)) + crop.channel * element;
      with.stride = gate ? 0 : other.stride_x;
    }
    tail.function->run(ops, {at, dst.stride_x}, with, {at, dst.stride_x}, crop.channels, p.count);
  });
}

void to_codes(const Ops& ops, const Tail& tail, const float* floats, uint8_t* codes, int64_t count) {
  if (tail.softmax) {
    softmax_to_codes(ops, floats, tail.to, codes, count);
  } else if (tail.function != nullptr) {
    tail.function->to_codes(ops, floats, tail.to, codes, count);
  } else {
    ops.quantize(floats, tail.to, codes, count);
  }
}

// Rows of few: many side by side, then each to its place.
void short_rows_to_codes(const Ops& ops, const Tail& tail, Rows from, RowsOut to, int64_t c, int64_t rows) {
  constexpr int64_t kTogether = 1024;
  alignas(64) float floats[kTogether];
  uint8_t codes[kTogether];
  const int64_t bytes = c * kFloat, most = kTogether / c;
  for (int64_t first = 0; first < rows; first += most) {
    const int64_t some = std::min(most, rows - first);
    const uint8_t* at = from.data + first * from.stride;
    if (from.stride != bytes) {
      ops.copy({at, from.stride}, {reinterpret_cast<uint8_t*>(floats), bytes}, bytes, some);
      at = reinterpret_cast<const uint8_t*>(floats);
    }
    to_codes(ops, tail, reinterpret_cast<const float*>(at), codes, some * c);
    ops.copy({codes, c}, {to.data + first * to.stride, to.stride}, c, some);
  }
}

void apply_quantize(const Ops& ops, const Tail& tail, const Tensor& dst, const Crop& crop) {
  constexpr int64_t kShort = 128;  // floats of a row whose last block costs more than the copy
  const Tensor& to = tail.other;
  const bool dense = crop.channels * kFloat == dst.stride_x && crop.channels == to.stride_x && !tail.softmax;
  const bool together = !dense && !tail.softmax && crop.channels < kShort;
  each_piece(dst, crop, limit_beside(to, dst), [&](const Piece& p) {
    const Rows from{start(dst, p) + crop.channel * kFloat, dst.stride_x};
    const RowsOut into{start(to, p) + crop.channel, to.stride_x};
    if (together) {
      short_rows_to_codes(ops, tail, from, into, crop.channels, p.count);
    } else {
      const int64_t rows = dense ? 1 : p.count, count = dense ? crop.channels * p.count : crop.channels;
      for (int64_t r = 0; r < rows; ++r) {
        const auto* const floats = reinterpret_cast<const float*>(from.data + r * from.stride);
        to_codes(ops, tail, floats, into.data + r * into.stride, count);
      }
    }
    // Pixels of dst may count as one row where those of the codes do not.
    if (!contiguous(to)) fill_halo(to, {p.n, p.y, p.x, 1, p.count, crop.channel, crop.channels});
  });
  if (contiguous(to)) fill_halo(to, crop);
}

void apply_gate(const Ops& ops, const Tail& tail, const Tensor& dst, const Crop& crop) {
  const Tensor& other = tail.other;
  each_piece(dst, crop, dst.h * dst.w, [&](const Piece& p) {
    uint8_t* at = start(dst, p) + crop.channel;
    const Rows own{at, dst.stride_x};
    const Rows gate{gate_row(other, p) + crop.channel, 0};
    ops.binary(tail.form, tail.other_first ? gate : own, tail.other_first ? own : gate, {at, dst.stride_x},
               crop.channels, p.count);
  });
}

Status refuse(const char* what) { return {Code::invalid_argument, what}; }

}  // namespace

Status check_tails(std::span<const Tail> tails, const Tensor& dst, DType type, bool whole) {
  for (const Tail& t : tails) {
    const bool of_sums = t.kind == Tail::Kind::sums || t.kind == Tail::Kind::floats || t.kind == Tail::Kind::quantize;
    if (of_sums != (type == DType::s32) || (of_sums && (t.kind == Tail::Kind::sums) != (&t == tails.data()))) {
      return refuse("sums take a tail that makes them floats, then those of floats; codes all others");
    }
    const bool images = t.other.n == 1 || t.other.n == dst.n;
    switch (t.kind) {
      case Tail::Kind::table:
        if (t.table == nullptr) return refuse("a tail without its table");
        break;
      case Tail::Kind::line:
        if (t.line.gain == nullptr) return refuse("a tail without its factors");
        break;
      case Tail::Kind::sums:
        if (t.sums.columns == nullptr || t.sums.factors == nullptr) return refuse("a tail without its factors");
        break;
      case Tail::Kind::floats: {
        const Tensor& o = t.other;
        const bool like = same_pixels(o, dst) || (images && o.h == 1 && o.w == 1);
        if (t.function == nullptr || (o.data != nullptr && (!like || o.c != dst.c))) {
          return refuse("a tail of floats does not fit");
        }
        break;
      }
      case Tail::Kind::binary:
      case Tail::Kind::copy:
      case Tail::Kind::quantize:
        if (t.other.data == nullptr || !same_pixels(t.other, dst) ||
            (t.kind == Tail::Kind::copy ? t.channel < 0 || t.other.c > dst.c - t.channel : t.other.c != dst.c)) {
          return refuse("the other tensor of a tail differs in shape");
        }
        if (t.softmax && (!whole || dst.c > kQuickMost)) return refuse("a tail of whole pixels on parts of them");
        break;
      case Tail::Kind::gate:
        if (t.other.data == nullptr || !images || t.other.h != 1 || t.other.w != 1 || t.other.c != dst.c) {
          return refuse("the gate of a tail does not fit");
        }
        break;
    }
  }
  return {};
}

void fill_halo(const Tensor& t, const Crop& crop) {
  if (t.border < 0) return;
  const int64_t end = crop.x + crop.xs;
  const int64_t left = crop.x == 0 ? -t.pad_l : crop.x, right = end == t.w ? t.w + t.pad_r : end;
  const auto fill = [&](int64_t y, int64_t from, int64_t to) {
    uint8_t* at = pixel_at(t, crop.n, y, from) + crop.channel;
    const bool whole = crop.channels == t.stride_x;
    const int64_t bytes = whole ? (to - from) * t.stride_x : crop.channels;
    for (int64_t x = from; x < to; x += whole ? to - from : 1, at += t.stride_x) {
      std::memset(at, t.border, static_cast<size_t>(bytes));
    }
  };
  if (crop.row && t.h > 1) {  // there is one image without gaps between its rows: nothing lies beside them
    for (int64_t y = crop.x == 0 ? -t.pad_t : 0; y < 0; ++y) fill(y, 0, t.w);
    for (int64_t y = t.h; y < t.h + t.pad_b && end == t.h * t.w; ++y) fill(y, 0, t.w);
    return;
  }
  if (crop.y == 0) {
    for (int64_t y = -t.pad_t; y < 0; ++y) fill(y, left, right);
  }
  for (int64_t y = crop.y; y < crop.y + crop.ys; ++y) {
    fill(y, left, crop.x);
    fill(y, end, right);
  }
  if (crop.y + crop.ys == t.h) {
    for (int64_t y = t.h; y < t.h + t.pad_b; ++y) fill(y, left, right);
  }
}

void apply_tails(const Ops& ops, std::span<const Tail> tails, const Tensor& dst, const Crop& crop) {
  for (const Tail& tail : tails) {
    switch (tail.kind) {
      case Tail::Kind::table: apply_table(ops, tail, dst, crop); break;
      case Tail::Kind::binary: apply_binary(ops, tail, dst, crop); break;
      case Tail::Kind::gate: apply_gate(ops, tail, dst, crop); break;
      case Tail::Kind::line: apply_line(ops, tail, dst, crop); break;
      case Tail::Kind::copy: apply_copy(ops, tail, dst, crop); break;
      case Tail::Kind::sums: apply_sums(ops, tail, dst, crop); break;
      case Tail::Kind::floats: apply_floats(ops, tail, dst, crop); break;
      case Tail::Kind::quantize: apply_quantize(ops, tail, dst, crop); break;
    }
  }
}

}  // namespace octile::runtime
