// octile-bench-ops: the steps between convolutions, one thread, every variant this machine runs, operands in cache.
// In:  Google Benchmark's options.  Out: its report: elements per cycle, GB/s read and written.
// Not here: whether answers are right (tests/unit/runtime/ops_*_test.cpp), networks (bench/peers).
#include <benchmark/benchmark.h>

#include <cmath>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/exec/float_function.h"
#include "runtime/exec/ops/variants.h"
#include "targets/probe/probe.h"
#include "workload/numerics/float_mode.h"

namespace {

using namespace octile;           // NOLINT: a program
using namespace octile::runtime;  // NOLINT

constexpr int64_t kChannels = 96, kSide = 18, kPixels = kSide * kSide, kCodes = kChannels * kPixels;  // about 32 KiB
constexpr int64_t kFloats = 8 * 1024;

// The operands all cases share.
struct Memory {
  std::vector<uint8_t> a, b, dst, swish, ramp, pairs;
  std::vector<float> x, scale, y, gain, exps, values;  // exps: of values
  const Ops* arranged_for = nullptr;
  std::vector<int64_t> twice, next, at;
  std::vector<float> share;
  FloatFunction silu{{{{NodeKind::sigmoid}}, {{NodeKind::mul}, FloatFunction::kSource, FloatFunction::kMade}}};
  FloatFunction gelu{{{{NodeKind::div}, FloatFunction::kSource, FloatFunction::kConstant, std::sqrt(2.0F)},
                      {{NodeKind::erf}, FloatFunction::kMade},
                      {{NodeKind::add}, FloatFunction::kMade + 1, FloatFunction::kConstant, 1.0F},
                      {{NodeKind::mul}, FloatFunction::kSource, FloatFunction::kMade + 2},
                      {{NodeKind::mul}, FloatFunction::kMade + 3, FloatFunction::kConstant, 0.5F}}};
  FloatFunction gelu_by_tanh{{{{NodeKind::gelu, 0, 0, true}, FloatFunction::kSource}}};
  FloatFunction hard_swish{{{{NodeKind::add}, FloatFunction::kSource, FloatFunction::kConstant, 3.0F},
                            {{NodeKind::clip, 0, 6}, FloatFunction::kMade},
                            {{NodeKind::mul}, FloatFunction::kSource, FloatFunction::kMade + 1},
                            {{NodeKind::div}, FloatFunction::kMade + 2, FloatFunction::kConstant, 6.0F}}};
  Memory()
      : a(kCodes),
        b(kCodes),
        dst(4 * kCodes),
        swish(256),
        ramp(256),
        pairs(65536),
        x(kFloats),
        scale(kFloats, 1.5F),
        y(4 * kCodes),
        gain(kChannels, 0.37F),
        exps(65536),
        values(256),
        at(kCodes / 21) {
    uint32_t state = 1;
    const auto random = [&] { return static_cast<uint8_t>((state = state * 1664525U + 1013904223U) >> 24); };
    for (auto* v : {&a, &b, &pairs, &ramp}) {
      for (uint8_t& q : *v) q = random();
    }
    for (int q = 0; q < 256; ++q) {
      const double v = (q - 128) * 0.07, clipped = std::fmin(std::fmax(v / 6 + 0.5, 0), 1);
      swish[static_cast<size_t>(q)] = static_cast<uint8_t>(std::lround(v * clipped / 0.07 + 30));
      values[static_cast<size_t>(q)] = static_cast<float>(v);
    }
    for (FloatFunction* f : {&silu, &gelu, &gelu_by_tanh, &hard_swish}) f->quick = quick_of(*f);
    for (float& f : x) f = static_cast<float>(256 * random() + random() - 32768) * 0.0002F;
    for (int64_t i = 0; i < 2 * kSide; ++i) {
      twice.push_back(i / 2);
      next.push_back(std::min(i / 2 + 1, kSide - 1));
      share.push_back(i % 2 == 0 ? 0.25F : 0.75F);
    }
  }
  [[nodiscard]] const float* exps_for(const Ops& ops) {
    if (arranged_for != &ops) make_softmax_exps(ops, values.data(), exps.data());
    arranged_for = &ops;
    return exps.data();
  }
  template <class T>
  [[nodiscard]] static Tensor tensor(std::vector<T>& elements, int64_t h, int64_t w) {
    Tensor t;
    t.data = reinterpret_cast<uint8_t*>(elements.data());
    t.h = h;
    t.w = w;
    t.c = kChannels;
    t.stride_x = kChannels * static_cast<int64_t>(sizeof(T));
    t.stride_y = w * t.stride_x;
    t.stride_n = h * t.stride_y;
    return t;
  }
};

struct Case {
  const char* name;
  int64_t elements;  // of the result, or of what is read where that is more
  int64_t bytes;     // read and written
  std::function<void(const Ops&)> run;
};

BinaryForm form_of(BinaryKind kind, const Memory& m, bool after) {
  BinaryForm f;
  f.kind = kind;
  f.ka = 0.02F;
  f.kb = 0.03F;
  f.k = kind == BinaryKind::product ? 20.0F : 0.05F;
  f.za = f.zb = 100;
  f.zp = 30;
  f.lo = -30;
  f.hi = 225;
  f.pairs = m.pairs.data();
  if (after) f.after = m.swish.data();
  return f;
}

std::vector<Case> cases_of_codes(Memory& m) {
  const Rows a{m.a.data(), kChannels}, b{m.b.data(), kChannels}, once{m.b.data(), 0};
  const RowsOut dst{m.dst.data(), kChannels};
  const auto two = [&m, a, b, dst](BinaryKind kind, bool after) {
    return [=, f = form_of(kind, m, after)](const Ops& o) { o.binary(f, a, b, dst, kChannels, kPixels); };
  };
  return {
      {"table hard-swish", kCodes, 2 * kCodes,
       [&m](const Ops& o) { o.table(m.swish.data(), m.a.data(), m.dst.data(), kCodes); }},
      {"table random", kCodes, 2 * kCodes,
       [&m](const Ops& o) { o.table(m.ramp.data(), m.a.data(), m.dst.data(), kCodes); }},
      {"table_f32", kCodes, 5 * kCodes,
       [&m](const Ops& o) { o.table_f32(m.exps.data(), m.a.data(), m.y.data(), kCodes); }},
      {"binary affine", kCodes, 3 * kCodes, two(BinaryKind::affine, false)},
      {"binary sum", kCodes, 3 * kCodes, two(BinaryKind::sum, false)},
      {"binary sum, table after", kCodes, 3 * kCodes, two(BinaryKind::sum, true)},
      {"binary sum_div", kCodes, 3 * kCodes, two(BinaryKind::sum_div, false)},
      {"binary product", kCodes, 3 * kCodes, two(BinaryKind::product, false)},
      {"binary product_div", kCodes, 3 * kCodes, two(BinaryKind::product_div, false)},
      {"binary pairs", kCodes, 3 * kCodes, two(BinaryKind::pairs, false)},
      {"binary product, one row", kCodes, 2 * kCodes,
       [=, f = form_of(BinaryKind::product, m, false)](const Ops& o) {
         o.binary(f, a, once, dst, kChannels, kPixels);
       }},
      {"gate", kCodes, 2 * kCodes,
       [&m, a, dst](const Ops& o) {
         o.gate({100, m.gain.data(), nullptr, -30, 225, 30}, a, dst, kChannels, kPixels);
       }},
      {"gate, two slopes", kCodes, 2 * kCodes,
       [&m, a, dst](const Ops& o) {
         o.gate({100, m.gain.data(), nullptr, -30, 225, 30, m.gain.data()}, a, dst, kChannels, kPixels);
       }},
      {"copy 96", kCodes, 2 * kCodes,
       [a, dst](const Ops& o) {
         o.copy(a, {dst.data, kChannels + 16}, kChannels, kPixels);
       }},
      {"copy 24", kPixels * 24, 2 * kPixels * 24,
       [a, dst](const Ops& o) {
         o.copy({a.data, 24}, {dst.data, kChannels}, 24, kPixels);
       }},
      {"fill 96", kCodes, kCodes,
       [dst](const Ops& o) {
         o.fill({dst.data, 112}, 7, kChannels, kPixels);
       }},
  };
}

std::vector<Case> cases_of_windows(Memory& m) {
  const Tensor src = Memory::tensor(m.a, kSide, kSide), half = Memory::tensor(m.dst, kSide / 2, kSide / 2),
               same = Memory::tensor(m.dst, kSide, kSide), doubled = Memory::tensor(m.dst, 2 * kSide, 2 * kSide);
  constexpr int64_t kNumbers = kCodes / 4;
  static_assert(kNumbers <= kFloats);
  const Tensor numbers = Memory::tensor(m.x, kSide / 2, kSide / 2), pooled = Memory::tensor(m.y, kSide / 2, kSide / 2);
  PoolForm three, two;
  three.kh = three.kw = 3;
  three.ph = three.pw = three.ph_end = three.pw_end = 1;
  two.kh = two.kw = two.sh = two.sw = 2;
  const Meaning affine{0.0471F, 100, nullptr};  // means are seldom halves of codes
  const QuantizeForm to{0.04F, -30, 225, 30};
  return {
      {"max_pool 3x3", kCodes, 2 * kCodes, [=](const Ops& o) { o.max_pool(three, src, same, 0, kSide); }},
      {"max_pool 2x2 s2", kCodes, kCodes * 5 / 4, [=](const Ops& o) { o.max_pool(two, src, half, 0, kSide / 2); }},
      {"average_pool 3x3", kCodes, 2 * kCodes,
       [=](const Ops& o) { o.average_pool(three, affine, to, src, same, 0, kSide); }},
      {"average_pool 2x2 s2", kCodes, kCodes * 5 / 4,
       [=](const Ops& o) { o.average_pool(two, affine, to, src, half, 0, kSide / 2); }},
      {"max_pool_floats 3x3", kNumbers, 8 * kNumbers,
       [=](const Ops& o) { o.max_pool_floats(three, numbers, pooled, 0, kSide / 2); }},
      {"average_pool_floats 3x3", kNumbers, 8 * kNumbers,
       [=](const Ops& o) { o.average_pool_floats(three, numbers, pooled, 0, kSide / 2); }},
      {"global_average", kCodes, kCodes,
       [&m, src, affine, to](const Ops& o) { o.global_average(affine, to, src, 0, m.dst.data(), 0, kChannels); }},
      {"global_max", kCodes, kCodes,
       [&m, src](const Ops& o) { o.global_max(false, src, 0, m.dst.data(), 0, kChannels); }},
      {"mean_rows", kCodes, kCodes,
       [&m, affine, to](const Ops& o) {
         o.mean_rows(affine, to, {m.a.data(), kChannels}, m.dst.data(), kChannels, kPixels);
       }},
      {"resize_nearest x2", 4 * kCodes, 5 * kCodes,
       [&m, src, doubled](const Ops& o) {
         o.resize_nearest(m.twice.data(), m.twice.data(), src, doubled, 0, 2 * kSide);
       }},
      {"resize_linear x2", 4 * kCodes, 5 * kCodes,
       [&m, src, doubled, affine, to](const Ops& o) {
         const ResizeTaps t{m.twice.data(), m.next.data(), m.share.data()};
         o.resize_linear(affine, t, t, to, src, doubled, 0, 2 * kSide);
       }},
  };
}

std::vector<Case> cases_of_rows(Memory& m) {
  const QuantizeForm to{0.04F, -30, 225, 30}, share{1.0F / 256, 0, 255, 0};
  constexpr int64_t kRow = 512;
  return {
      {"dequantize", kFloats, 5 * kFloats,
       [&m](const Ops& o) { o.dequantize(m.a.data(), 0.05F, 100, m.y.data(), kFloats); }},
      {"quantize", kFloats, 5 * kFloats, [&m, to](const Ops& o) { o.quantize(m.x.data(), to, m.dst.data(), kFloats); }},
      {"sigmoid", kFloats, 8 * kFloats,
       [&m](const Ops& o) { o.float_unary({NodeKind::sigmoid}, m.x.data(), m.y.data(), kFloats); }},
      {"erf", kFloats, 8 * kFloats,
       [&m](const Ops& o) { o.float_unary({NodeKind::erf}, m.x.data(), m.y.data(), kFloats); }},
      {"tanh", kFloats, 8 * kFloats,
       [&m](const Ops& o) { o.float_unary({NodeKind::tanh}, m.x.data(), m.y.data(), kFloats); }},
      {"codes of silu", kFloats, 5 * kFloats,
       [&m, to](const Ops& o) { m.silu.to_codes(o, m.x.data(), to, m.dst.data(), kFloats); }},
      {"codes of gelu", kFloats, 5 * kFloats,
       [&m, to](const Ops& o) { m.gelu.to_codes(o, m.x.data(), to, m.dst.data(), kFloats); }},
      {"codes of gelu by tanh", kFloats, 5 * kFloats,
       [&m, to](const Ops& o) { m.gelu_by_tanh.to_codes(o, m.x.data(), to, m.dst.data(), kFloats); }},
      {"codes of hard swish", kFloats, 5 * kFloats,
       [&m, to](const Ops& o) { m.hard_swish.to_codes(o, m.x.data(), to, m.dst.data(), kFloats); }},
      {"range of gelu", kFloats, 4 * kFloats,
       [&m](const Ops& o) {
         float lo = 0, hi = 0;
         m.gelu.range(o, {reinterpret_cast<const uint8_t*>(m.x.data()), 0}, kFloats, 1, &lo, &hi);
         benchmark::DoNotOptimize(lo);
       }},
      {"softmax 512", kFloats, 8 * kFloats,
       [&m](const Ops& o) {
         for (int64_t i = 0; i < kFloats; i += kRow) o.softmax(m.x.data() + i, m.y.data() + i, kRow);
       }},
      {"layer_norm 512", kFloats, 8 * kFloats,
       [&m](const Ops& o) {
         o.layer_norm(m.x.data(), m.scale.data(), m.scale.data(), 1e-5F, m.y.data(), kRow, kFloats / kRow);
       }},
      {"layer_norm 96", kFloats, 8 * kFloats,
       [&m](const Ops& o) {
         o.layer_norm(m.x.data(), m.scale.data(), m.scale.data(), 1e-5F, m.y.data(), 96, kFloats / 96);
       }},
      {"normalize 192", kFloats, 8 * kFloats,
       [&m](const Ops& o) { o.normalize({}, m.x.data(), m.y.data(), 192, kFloats / 192); }},
      {"normalize 24", kFloats, 8 * kFloats,
       [&m](const Ops& o) { o.normalize({}, m.x.data(), m.y.data(), 24, kFloats / 24); }},
      {"codes of softmax 512", kFloats, 5 * kFloats,
       [&m, share](const Ops& o) {
         for (int64_t i = 0; i < kFloats; i += kRow)
           (void)o.quick_softmax(m.x.data() + i, share, m.dst.data() + i, kRow);
       }},
      {"softmax_codes 6625", 6625, 2 * 6625,
       [&m, share](const Ops& o) {
         o.softmax_codes(m.exps_for(o), share, {m.a.data(), 6625}, {m.dst.data(), 6625}, 6625, 1);
       }},
      {"softmax_codes 80", kCodes, 2 * kCodes,
       [&m, share](const Ops& o) {
         o.softmax_codes(m.exps_for(o), share, {m.a.data(), 80}, {m.dst.data(), 80}, 80, kCodes / 80);
       }},
      {"arg_max 21", kCodes, kCodes,
       [&m](const Ops& o) {
         o.arg_max(false, {m.a.data(), 21}, 21, kCodes / 21, m.at.data());
       }},
      {"arg_max 6625", 6625, 6625,
       [&m](const Ops& o) {
         o.arg_max(false, {m.a.data(), 6625}, 6625, 1, m.at.data());
       }},
      {"arg_max_floats 21", kFloats, 4 * kFloats,
       [&m](const Ops& o) {
         o.arg_max_floats(false, {reinterpret_cast<const uint8_t*>(m.x.data()), 84}, 21, kFloats / 21, m.at.data());
       }},
      {"softmax_codes 21", kCodes, 2 * kCodes,
       [&m, share](const Ops& o) {
         o.softmax_codes(m.exps_for(o), share, {m.a.data(), 21}, {m.dst.data(), 21}, 21, kCodes / 21);
       }},
  };
}

// Cycles per second now, from a chain of dependent additions; 0 where there is no such chain.
double clock_rate() {
#if defined(__x86_64__)
  constexpr int64_t kRounds = 4'000'000;
  const std::clock_t start = std::clock();
  uint64_t x = 0;
  for (int64_t i = 0; i < kRounds; ++i) {
    __asm__ volatile("add $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0" : "+r"(x));
  }
  benchmark::DoNotOptimize(x);
  return 4.0 * kRounds * CLOCKS_PER_SEC / static_cast<double>(std::clock() - start);
#else
  return 0;
#endif
}

void measure(benchmark::State& state, const Case& c, const Ops& ops) {
  const FloatMode mode;
  const double hz = clock_rate();
  for ([[maybe_unused]] auto once : state) {
    c.run(ops);
    benchmark::ClobberMemory();
  }
  const auto times = static_cast<double>(state.iterations());
  using Counter = benchmark::Counter;
  state.counters["GB/s"] = Counter(static_cast<double>(c.bytes) * times / 1e9, Counter::kIsRate);
  if (hz > 0) {
    state.counters["el/cycle"] = Counter(static_cast<double>(c.elements) * times / hz, Counter::kIsRate);
  }
}

void prove(benchmark::State& state, bool product) {
  BinaryHint h;
  h.product = product;
  h.scale_a = 0.0213F;
  h.scale_b = 0.0354F;
  h.scale = 0.0471F;
  h.za = 117;
  h.zb = 3;
  h.zp = 60;
  std::vector<uint8_t> pairs(65536);
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const float x = static_cast<float>(a - h.za) * h.scale_a, y = static_cast<float>(b - h.zb) * h.scale_b;
      const float z = (product ? x * y : x + y) / h.scale;
      pairs[static_cast<size_t>(a) * 256 + static_cast<size_t>(b)] =
          static_cast<uint8_t>(std::lrint(std::fmin(std::fmax(z, -60.0F), 195.0F)) + 60);
    }
  }
  for ([[maybe_unused]] auto once : state) benchmark::DoNotOptimize(prove_binary(pairs.data(), h));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  benchmark::AddCustomContext("cpu", cpu_info().brand);
  Memory memory;
  struct Variant {
    const char* name;
    const Ops* ops;
  };
  std::vector<Variant> variants{{"portable", &kOpsPortable}};
#if defined(__x86_64__)
  if (can_run(Isa::avx2)) variants.push_back({"avx2", &kOpsAvx2});
  if (can_run(Isa::avx512vnni)) variants.push_back({"avx512", &kOpsAvx512});
  if (cpu_info().avx512vbmi) variants.push_back({"avx512vbmi", &kOpsAvx512Vbmi});
#endif
  std::vector<Case> cases;
  for (auto* make : {cases_of_codes, cases_of_windows, cases_of_rows}) {
    for (Case& c : make(memory)) cases.push_back(std::move(c));
  }
  for (const Case& c : cases) {
    for (const Variant& v : variants) {
      benchmark::RegisterBenchmark((std::string(c.name) + "/" + v.name).c_str(), [c, v](benchmark::State& s) {
        measure(s, c, *v.ops);
      })->Unit(benchmark::kMicrosecond);
    }
  }
  for (const bool product : {false, true}) {
    benchmark::RegisterBenchmark(product ? "prove_binary product" : "prove_binary sum", [product](benchmark::State& s) {
      prove(s, product);
    })->Unit(benchmark::kMicrosecond);
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
