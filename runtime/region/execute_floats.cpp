// Steps on rows of floats or codes, and on floats one by one. They lie flat.
// In/out: see execute.h.  Not here: codes.  The arithmetic is that of workload/numerics, element by element.
#include <algorithm>
#include <cstring>

#include "runtime/region/execute.h"
#include "runtime/region/lower.h"
#include "workload/numerics/sums.h"

namespace octile::runtime {
namespace {

constexpr int64_t kFloat = sizeof(float);

class Floats {
 public:
  Floats(const RunContext& run, const Step& step) : run_(run), s_(step), count_(element_count(store(step.dst).shape)) {}

  void run() const {
    switch (s_.kind) {
      case StepKind::table_f32:
        codes(0, [&](const Rows& from, int64_t at, int64_t c, int64_t rows) {
          for (int64_t r = 0; r < rows; ++r) {
            to_floats(run_.ops, s_.meaning, from.data + r * from.stride, out() + at + r * c, c);
          }
        });
        break;
      case StepKind::mean_rows:
        rows(
            [&](int64_t first, int64_t n) {
              run_.ops.mean_rows(s_.meaning, s_.to, {bytes(0) + first * s_.row, s_.row}, out_bytes() + first, s_.row,
                                 n);
            },
            count_);
        break;
      case StepKind::max_rows:
        rows(
            [&](int64_t first, int64_t n) {
              run_.ops.max_rows(s_.pool.lowest, {bytes(0) + first * s_.row, s_.row}, out_bytes() + first, s_.row, n);
            },
            count_);
        break;
      case StepKind::softmax_codes:
        rows(
            [&](int64_t first, int64_t n) {
              const int64_t at = first * s_.row;
              run_.ops.softmax_codes(s_.values->data(), s_.to, {bytes(0) + at, s_.row}, {out_bytes() + at, s_.row},
                                     s_.row, n);
            },
            count_ / s_.row);
        break;
      case StepKind::softmax_rows: softmax(); break;
      case StepKind::layer_norm_rows:
        float_rows([&](int64_t first, int64_t n, float* to) { normalize(in(0) + first * s_.row, to, n); });
        break;
      case StepKind::layer_norm_codes:
        float_rows([&](int64_t first, int64_t n, float* to) {
          to_floats(run_.ops, s_.meaning, bytes(0) + first * s_.row, to, n * s_.row);
          normalize(to, to, n);
        });
        break;
      case StepKind::arg_max: {
        const Store& from = store(s_.src[0]);
        const int64_t stride = s_.row * size_of(from.type);
        const auto of = from.type == DType::f32 ? run_.ops.arg_max_floats : run_.ops.arg_max;
        rows(
            [&](int64_t first, int64_t n) {
              of(s_.last, {bytes(0) + first * stride, stride}, s_.row, n,
                 reinterpret_cast<int64_t*>(out_bytes()) + first);
            },
            count_);
        break;
      }
      case StepKind::channel_floats:
        pieces([&](int64_t i, int64_t n) {
          const auto channels = static_cast<int64_t>(s_.values->size() / 256);
          for (int64_t k = i; k < i + n; ++k) {
            out()[k] = (*s_.values)[static_cast<size_t>(k / s_.row % channels * 256 + bytes(0)[k])];
          }
        });
        break;
      case StepKind::float_function: function(); break;
      case StepKind::float_cast: cast(); break;
      case StepKind::float_binary: broadcast(); break;
      case StepKind::float_members: members(); break;
      case StepKind::float_linear: linear(); break;
      case StepKind::float_average: average(); break;
      case StepKind::float_mean_rows:
        rows([&](int64_t first, int64_t n) { run_.ops.mean_floats(in(0) + first * s_.row, s_.row, out() + first, n); },
             count_);
        break;
      default: break;
    }
  }

 private:
  [[nodiscard]] const Store& store(int s) const { return run_.program.stores[static_cast<size_t>(s)]; }
  [[nodiscard]] const uint8_t* bytes(size_t i) const { return run_.data[s_.src[i]]; }
  [[nodiscard]] const float* in(size_t i) const { return reinterpret_cast<const float*>(run_.data[s_.src[i]]); }
  [[nodiscard]] float* out() const { return reinterpret_cast<float*>(run_.data[s_.dst]); }
  [[nodiscard]] uint8_t* out_bytes() const { return run_.data[s_.dst]; }

  void normalize(const float* src, float* dst, int64_t rows) const {
    if (s_.float_kind == NodeKind::normalize) return run_.ops.normalize(s_.norm, src, dst, s_.row, rows);
    run_.ops.layer_norm(src, in(1), s_.src.size() > 2 ? in(2) : nullptr, s_.epsilon, dst, s_.row, rows);
  }

  void softmax() const {
    const bool coded = store(s_.dst).type == DType::u8;
    rows(
        [&](int64_t first, int64_t n) {
          for (int64_t at = first * s_.row; n > 0; --n, at += s_.row) {
            coded ? softmax_to_codes(run_.ops, in(0) + at, s_.to, out_bytes() + at, s_.row)
                  : run_.ops.softmax(in(0) + at, out() + at, s_.row);
          }
        },
        count_ / s_.row);
  }

  template <class F>
  void pieces(const F& f) const {
    constexpr int64_t kPiece = kOpsGrain / 4;
    spread(run_.parallel, (count_ + kPiece - 1) / kPiece,
           [&](int64_t task) { f(task * kPiece, std::min(kPiece, count_ - task * kPiece)); });
  }
  template <class F>
  void rows(const F& f, int64_t total) const {
    const int64_t group = std::max<int64_t>(1, kOpsGrain / 4 / std::max<int64_t>(1, s_.row));
    spread(run_.parallel, (total + group - 1) / group,
           [&](int64_t task) { f(task * group, std::min(group, total - task * group)); });
  }

  // Rows of floats that make(first, n, to) makes: where they shall lie, or for their codes alone, some at a time.
  template <class F>
  void float_rows(const F& make) const {
    const bool coded = store(s_.dst).type == DType::u8;
    rows(
        [&](int64_t first, int64_t n) {
          if (!coded) return make(first, n, out() + first * s_.row);
          alignas(64) float floats[kMostCoded];
          const int64_t most = kMostCoded / s_.row;
          for (int64_t r = first; r < first + n; r += most) {
            const int64_t some = std::min(most, first + n - r);
            make(r, some, floats);
            run_.ops.quantize(floats, s_.to, out_bytes() + r * s_.row, some * s_.row);
          }
        },
        count_ / s_.row);
  }

  void function() const {
    const bool two = s_.src.size() > 1;
    if (two && s_.function->codes) {
      return codes(1, [&](const Rows& other, int64_t at, int64_t c, int64_t rows) {
        function_rows({bytes(0) + at * kFloat, c * kFloat}, other, at, c, rows);
      });
    }
    const int64_t others = two ? element_count(store(s_.src[1]).shape) : count_;
    // Of a gate, a row for all pixels or one for those of each image; of a mask, matrices; else numbers side by side.
    const bool gate = others != count_, matrices = gate && s_.mask_rows > 1;
    const int64_t row = gate ? store(s_.src[0]).tensor.c : 1, size = row * static_cast<int64_t>(sizeof(float));
    const int64_t repeats = gate && row > 0 ? others / row / s_.mask_rows : 1;  // rows, or matrices
    const int64_t all = row > 0 ? count_ / row : 0, rows = matrices ? s_.mask_rows : all / repeats;
    const int64_t blocks = rows > 0 ? all / rows : 0;
    const int64_t group = std::max<int64_t>(1, kOpsGrain / std::max<int64_t>(1, size));
    const int64_t tasks = (rows + group - 1) / group;
    spread(run_.parallel, blocks * tasks, [&](int64_t task) {
      const int64_t block = task / tasks, first = task % tasks * group;
      const int64_t at = (block * rows + first) * size, own = block * repeats / blocks * s_.mask_rows;
      Rows other;
      if (two && matrices) other = {bytes(1) + (own + first) * size, size};
      if (two && !matrices) other = gate ? Rows{bytes(1) + own * size, 0} : Rows{bytes(1) + at, size};
      function_rows({bytes(0) + at, size}, other, at / kFloat, row, std::min(group, rows - first));
    });
  }

  // The function of rows side by side, from element `at` on: where they shall lie, or their codes, some at a time.
  void function_rows(Rows src, Rows other, int64_t at, int64_t c, int64_t rows) const {
    if (store(s_.dst).type != DType::u8) {
      const int64_t row = c * kFloat;
      return s_.function->run(run_.ops, src, other, {out_bytes() + at * kFloat, row}, c, rows);
    }
    alignas(64) float floats[kMostCoded];
    auto* const made = reinterpret_cast<uint8_t*>(floats);
    const int64_t element = s_.function->codes ? 1 : kFloat, width = std::min(c, kMostCoded), most = kMostCoded / width;
    for (int64_t x = 0; x < c; x += width) {
      const int64_t part = std::min(width, c - x);
      for (int64_t r = 0; r < rows; r += most) {
        const int64_t some = std::min(most, rows - r);
        Rows with = other;
        if (other.data != nullptr) with.data += r * other.stride + x * element;
        s_.function->run(run_.ops, {src.data + r * src.stride + x * kFloat, src.stride}, with, {made, part * kFloat},
                         part, some);
        run_.ops.quantize(floats, s_.to, out_bytes() + at + r * c + x, some * part);
      }
    }
  }

  // Calls f(rows of codes, elements before them, elements of a row, rows) for all of a source: codes may lie with a
  // halo, floats do not.
  template <class F>
  void codes(size_t source, const F& f) const {
    const Tensor t = tensor_of(run_, s_.src[source]);
    if (contiguous(t)) return pieces([&](int64_t i, int64_t n) { f(Rows{t.data + i, n}, i, n, 1); });
    const int64_t group = std::max<int64_t>(1, kOpsGrain / std::max<int64_t>(1, t.c * kFloat));
    const int64_t tasks = (t.w + group - 1) / group;
    spread(run_.parallel, t.n * t.h * tasks, [&](int64_t task) {
      const int64_t row = task / tasks, x = task % tasks * group;
      const Rows from{pixel_at(t, row / t.h, row % t.h, x), t.stride_x};
      f(from, (row * t.w + x) * t.c, t.c, std::min(group, t.w - x));
    });
  }

  void cast() const {
    const auto* ints = reinterpret_cast<const int32_t*>(bytes(0));
    pieces([&](int64_t i, int64_t n) {
      for (int64_t k = i; k < i + n; ++k) out()[k] = static_cast<float>(ints[k]);
    });
  }

  // Extents of 1 are repeated. The innermost axes along which each operand goes on, or is repeated, are one run; of
  // those around them an index tells where a run of either operand starts.
  void broadcast() const {
    const Shape &dims = store(s_.dst).shape, &a = store(s_.src[0]).shape, &b = store(s_.src[1]).shape;
    const size_t rank = dims.size();
    const auto goes = [rank](const Shape& s, size_t axis) {
      const size_t missing = rank - s.size();
      return axis >= missing && s[axis - missing] != 1;
    };
    size_t inner = rank;
    int64_t run = 1;
    bool goes_a = false, goes_b = false;
    for (; inner > 0; --inner) {
      const size_t axis = inner - 1;
      if (dims[axis] == 1) continue;
      if (run == 1) {
        goes_a = goes(a, axis);
        goes_b = goes(b, axis);
      } else if (goes(a, axis) != goes_a || goes(b, axis) != goes_b) {
        break;
      }
      run *= dims[axis];
    }
    const auto start = [&](const Shape& s, bool moves, int64_t index) {
      int64_t at = 0, stride = moves ? run : 1;
      for (size_t axis = inner; axis-- > 0; index /= dims[axis]) {
        if (!goes(s, axis)) continue;
        at += index % dims[axis] * stride;
        stride *= dims[axis];
      }
      return at;
    };
    pieces([&](int64_t first, int64_t n) {
      for (int64_t k = first, some = 0; k < first + n; k += some) {
        const int64_t inside = k % run;
        some = std::min(run - inside, first + n - k);
        const auto operand = [&](size_t i, const Shape& s, bool moves) {
          return FloatOperand{in(i) + start(s, moves, k / run) + (moves ? inside : 0), !moves};
        };
        run_.ops.float_binary(s_.float_kind, operand(0, a, goes_a), operand(1, b, goes_b), out() + k, some);
      }
    });
  }

  void members() const {
    const bool most = s_.float_kind == NodeKind::max_pool || s_.float_kind == NodeKind::global_max_pool ||
                      s_.float_kind == NodeKind::reduce_max;
    pieces([&](int64_t first, int64_t n) {
      for (int64_t i = first; i < first + n; ++i) {
        const auto k = static_cast<size_t>(i);
        const int64_t* list = s_.members.data() + s_.starts[k];
        const int64_t size = s_.starts[k + 1] - s_.starts[k];
        if (most) {
          float best = in(0)[list[0]];
          for (int64_t m = 1; m < size; ++m) {
            const float v = in(0)[list[m]];
            if (v > best || v != v) best = v;
          }
          out()[i] = best;
        } else {
          const double sum = sum_in_order(size, [&](int64_t m) { return in(0)[list[m]]; });
          out()[i] = static_cast<float>(sum / static_cast<double>(s_.counts[k]));
        }
      }
    });
  }

  void average() const {
    constexpr int64_t kGroup = 64;  // channels of a task
    const Tensor& t = store(s_.src[0]).tensor;
    const int64_t pixels = t.h * t.w, groups = (t.c + kGroup - 1) / kGroup;
    spread(run_.parallel, t.n * groups, [&](int64_t task) {
      const int64_t image = task / groups, first = task % groups * kGroup;
      run_.ops.average_floats(in(0) + image * pixels * t.c + first, pixels, t.c, out() + image * t.c + first,
                              std::min(kGroup, t.c - first));
    });
  }

  void linear() const {
    const int64_t before = s_.counts[0], after = s_.counts[1], inner = s_.row;
    for (int64_t k = 0; k < count_; ++k) {
      const int64_t x = k / inner % after, outer = k / inner / after, rest = k % inner;
      const auto i = static_cast<size_t>(x);
      const float f = s_.share[0][i], lo = in(0)[(outer * before + s_.lo[0][i]) * inner + rest];
      const float hi = in(0)[(outer * before + s_.hi[0][i]) * inner + rest];
      const float a = lo * (1.0F - f), b = hi * f;
      out()[k] = a + b;
    }
  }

  const RunContext& run_;
  const Step& s_;
  int64_t count_;
};

}  // namespace

void run_float_step(const RunContext& run, const Step& step) { Floats(run, step).run(); }

}  // namespace octile::runtime
