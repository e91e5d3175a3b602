// What a task of an overlapping step waits for is all it reads of the step before.
// In:  nets whose products follow one another.  Out: every task run with nothing done but what it waits for.
// Not here: waiting itself (tests/unit/runtime/team_test.cpp).
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "region_kit.h"
#include "runtime/exec/job.h"
#include "runtime/region/execute.h"
#include "runtime/region/fuse.h"
#include "runtime/region/passes.h"
#include "runtime/region/place.h"
#include "targets/probe/probe.h"
#include "workload/numerics/float_mode.h"

namespace octile::runtime::test {
namespace {

constexpr uint8_t kSpoilt = 0x55;  // what changes a byte

// Products that widen their source for AVX2 do so before their tasks, and overlap with nothing: elsewhere all may.
Isa overlapping() { return host_isa() == Isa::avx512vnni ? Isa::avx512vnni : Isa::portable; }

// A region as far as a program, every tensor of which has memory of its own, run once.
class Lab {
 public:
  Lab(Kit& kit, const Shape& shape, int threads, Isa best = overlapping()) {
    recipe_.library = library_of(best);
    recipe_.best = best;
    recipe_.threads = threads;
    connect(recipe_, kit.desc);
    recipe_.ops.resize(kit.desc.nodes.size());
    recipe_.sums.resize(kit.desc.nodes.size());
    for (size_t i = 0; i < kit.desc.nodes.size(); ++i) {
      const NodeDesc& node = kit.desc.nodes[i];
      const bool product = node.spec.kind == OpKind::conv2d || node.spec.kind == OpKind::dense;
      if (node.kind != NodeKind::spec || !product || node.spec.wei_var) continue;
      auto op = PreparedOp::prepare(*recipe_.library, recipe_.best, shapeless(node), node.quant, node.wei.data());
      EXPECT_TRUE(op.ok()) << op.status().to_string();
      recipe_.ops[i] = std::move(*op);
    }
    recipe_.desc = kit.desc;
    auto lowered = lower(recipe_, {shape});
    EXPECT_TRUE(lowered.ok()) << lowered.status().to_string();
    program_ = std::move(*lowered);
    fuse(*program_, recipe_.desc);
    const Status placed = place(recipe_, *program_);
    EXPECT_TRUE(placed.ok()) << placed.to_string();
    nothing_shared();
    for (Store& s : program_->stores) {
      if (s.home != Home::arena || s.alias >= 0) continue;
      s.offset = program_->arena_bytes;
      program_->arena_bytes += align_up(s.bytes);
    }
    arena_ = AlignedBytes(program_->arena_bytes);
    std::fill_n(arena_.data(), program_->arena_bytes, uint8_t{0x5A});
    input_ = kit.draw(kit.desc.inputs[0], shape);
    std::vector<std::vector<uint8_t>> outputs;
    std::vector<void*> storage;
    for (const Shape& s : program_->outputs) {
      outputs.emplace_back(4 * static_cast<size_t>(element_count(s)));
      storage.push_back(outputs.back().data());
    }
    const FloatMode mode;
    const Status ran =
        execute(*program_, recipe_.best, {{input_.bytes.data(), input_.shape}}, storage.data(), arena_.data(), {});
    EXPECT_TRUE(ran.ok()) << ran.to_string();
  }

  // Pairs of overlapping steps that were tried.
  int try_all() {
    int pairs = 0;
    for (size_t i = 1; i < program_->steps.size(); ++i) {
      const Step &writer = program_->steps[i - 1], &reader = program_->steps[i];
      if (!writer.overlaps || !reader.overlaps || home(reader.dst) != Home::arena) continue;
      ++pairs;
      try_pair(writer, reader);
    }
    return pairs;
  }

  // Kinds of steps that were tried behind another, and before one.
  [[nodiscard]] const std::set<StepKind>& readers() const { return readers_; }
  [[nodiscard]] const std::set<StepKind>& writers() const { return writers_; }

 private:
  [[nodiscard]] const Store& store(int s) const { return program_->stores[static_cast<size_t>(s)]; }
  [[nodiscard]] Home home(int s) const { return store(root_of(*program_, s)).home; }
  [[nodiscard]] RunContext context() const {
    return {*program_, ops_for(recipe_.best), recipe_.best, alone_, reinterpret_cast<uint8_t* const*>(arena_.data())};
  }
  [[nodiscard]] Tensor tensor(int s) const { return tensor_of(context(), s); }

  // What a step writes is not where the step before reads or writes.
  void nothing_shared() const {
    const auto touched = [&](const Step& step, bool reads) {
      std::vector<int> out{root_of(*program_, step.dst)};
      for (const int from : step.src) {
        if (reads) out.push_back(root_of(*program_, from));
      }
      for (const StepTail& t : step.tails) {
        if (t.other >= 0 && (reads || t.writes_other())) out.push_back(root_of(*program_, t.other));
      }
      return out;
    };
    for (size_t i = 1; i < program_->steps.size(); ++i) {
      if (!program_->steps[i - 1].overlaps || !program_->steps[i].overlaps) continue;
      for (const int a : touched(program_->steps[i - 1], true)) {
        for (const int b : touched(program_->steps[i], false)) {
          if (a == b || home(a) != Home::arena || home(b) != Home::arena) continue;
          const Store &x = store(a), &y = store(b);
          EXPECT_TRUE(x.offset + x.bytes <= y.offset || y.offset + y.bytes <= x.offset) << "step " << i;
        }
      }
    }
  }

  // state: of a pass whose other tasks run before or afterwards.
  void run(const Step& step, uint64_t tasks, PassState* state = nullptr) {
    const auto each = [&](const auto& f) {
      for (size_t i = 0; i < step.needs.size(); ++i) {
        if ((tasks >> i & 1) != 0) f(i);
      }
    };
    if (step.kind != StepKind::dot) {
      std::unique_ptr<PassState> own;
      if (state == nullptr) {
        own = std::make_unique<PassState>();
        state = own.get();
        begin_pass(*program_, step, *state);
      }
      each([&](size_t i) { run_pass(context(), step, *state, i); });
      return;
    }
    std::vector<Tail> tails;
    for (const StepTail& t : step.tails) {
      tails.push_back(t.tail);
      if (t.other < 0) continue;
      tails.back().other = tensor(t.other);
      if (t.tail.kind == Tail::Kind::gate) {
        Tensor& rows = tails.back().other;
        rows.n = element_count(store(t.other).shape) / store(step.dst).tensor.c;
        rows.h = rows.w = 1;
        rows.c = rows.stride_x = rows.stride_y = rows.stride_n = store(step.dst).tensor.c;
      }
    }
    Slots slots(program_->slots);
    Job job;
    const Status begun = step.dot.op->begin(*step.dot.choice, tensor(step.src[0]), destination_of(context(), step),
                                            arena_.data() + program_->scratch_offset, tails, job);
    ASSERT_TRUE(begun.ok()) << begun.to_string();
    job.slots = &slots;
    job.slot_bytes = program_->slot_bytes;
    each([&](size_t i) { step.dot.op->run_task(job, i); });
    EXPECT_TRUE(PreparedOp::ended(job).ok());
  }

  // Changes every byte of what a step writes: of a part of a concat its channels, else the halo as well.
  void spoil(const Step& step) {
    const auto spoil_store = [&](int s) {
      if (home(s) != Home::arena) return;
      if (const Store& own = store(s); own.alias < 0) {
        for (size_t i = 0; i < own.bytes; ++i) arena_.data()[own.offset + i] ^= kSpoilt;
        return;
      }
      const Tensor t = tensor(s);
      for (int64_t p = 0; p < t.n * t.h * t.w; ++p) {
        uint8_t* at = pixel_at(t, p / t.w / t.h, p / t.w % t.h, p % t.w);
        for (int64_t c = 0; c < t.c; ++c) at[c] ^= kSpoilt;
      }
    };
    spoil_store(step.dst);
    for (const StepTail& t : step.tails) {
      if (t.writes_other()) spoil_store(t.other);
    }
  }

  void try_pair(const Step& writer, const Step& reader) {
    const std::vector<uint8_t> right(arena_.data(), arena_.data() + program_->arena_bytes);
    const Tensor to = tensor(reader.dst);
    const int64_t element = size_of(store(reader.dst).type);
    for (size_t task = 0; task < reader.needs.size(); ++task) {
      // A part of a concat has siblings in its memory, which others wrote.
      spoil(writer);
      spoil(reader);
      run(writer, reader.needs[task]);
      const uint64_t own = uint64_t{1} << task;
      if (reader.cut.by == PassCut::By::bands) {  // nothing is there before the last one is done
        const auto state = std::make_unique<PassState>();
        begin_pass(*program_, reader, *state);
        run(reader, own, state.get());
        run(writer, ~reader.needs[task]);
        run(reader, ~own, state.get());
      } else {
        run(reader, own);
      }
      const bool product = reader.kind == StepKind::dot;
      const Patch patch = product ? reader.dot.op->patch(*reader.dot.choice, task) : patch_of(*program_, reader, task);
      int64_t wrong = 0, written = 0, elsewhere = 0;
      for (int64_t p = 0; p < to.n * to.h * to.w; ++p) {
        const int64_t x = p % to.w, y = p / to.w % to.h, n = p / to.w / to.h;
        const bool inside = p >= patch.first && p < patch.last && (to.h == 1 || (x >= patch.x && x < patch.x_end));
        const uint8_t* at = pixel_at(to, n, y, x);
        for (int64_t i = 0; i < to.c * element; ++i) {
          const uint8_t is = right[static_cast<size_t>(at + i - arena_.data())];
          if (at[i] == (is ^ kSpoilt)) continue;  // not written
          wrong += at[i] == is ? 0 : 1;
          ++(inside && i >= patch.channel * element && i < patch.channel_end * element ? written : elsewhere);
        }
      }
      EXPECT_TRUE(wrong == 0 && written > 0 && elsewhere == 0)
          << wrong << " wrong, " << elsewhere << " elsewhere: task " << task << " of " << name_of(reader.kind) << " "
          << recipe_.desc.nodes[static_cast<size_t>(reader.node)].name << " behind " << name_of(writer.kind);
      writers_.insert(writer.kind);
      readers_.insert(reader.kind);
      std::copy(right.begin(), right.end(), arena_.data());
    }
  }

  Recipe recipe_;
  std::shared_ptr<Program> program_;
  HostValue input_;
  const Parallel alone_;
  AlignedBytes arena_;
  std::set<StepKind> readers_, writers_;
};

OpSpec depthwise(int64_t channels, int64_t k, int64_t stride) {
  OpSpec s = filter(channels, channels, k, k / 2, stride);
  s.g = channels;
  return s;
}

int add(Kit& kit, int a, int b, DType type) {
  return kit.quantize(kit.node(NodeKind::add, {kit.dequantize(a), kit.dequantize(b)}, {}), type, 0.05F, 100);
}

// Inverted residuals: expansion, depthwise filters, projection, sum.
Kit mobile(int64_t k, int64_t stride, int64_t width) {
  Kit kit(71);
  int x = kit.conv(kit.input(DType::u8, 0.02F, 3), filter(3, 24, 3, 1), DType::u8, 20);
  for (int i = 0; i < 2; ++i) {
    int y = kit.conv(x, filter(24, width, 1), DType::u8, 7);
    y = kit.conv(y, depthwise(width, k, 1), DType::s8, -9);
    x = add(kit, x, kit.conv(y, filter(width, 24, 1), DType::u8, 90), DType::u8);
  }
  x = kit.conv(x, depthwise(24, k, stride), DType::u8, 60);
  kit.output(kit.conv(kit.conv(x, filter(24, 40, 1), DType::u8, 9), filter(40, 8, 1), DType::u8, 9));
  return kit;
}

// Bottlenecks with full filters, some of stride 2: what may run by Winograd or in another order.
Kit bottleneck(int64_t width, int64_t k) {
  Kit kit(72);
  int x = kit.input(DType::u8, 0.02F, 3);
  x = kit.conv(x, filter(16, 4 * width, 1), DType::u8, 20);
  for (const int64_t stride : {1, 2}) {
    const int y = kit.conv(kit.conv(x, filter(4 * width, width, 1), DType::u8, 7),
                           filter(width, width, k, k / 2, stride), DType::u8, 11);
    const int z = kit.conv(y, filter(width, 4 * width, 1), DType::s8, 2);
    x = stride == 1 ? add(kit, z, x, DType::u8) : z;
  }
  kit.output(kit.conv(kit.conv(x, filter(4 * width, width, 3, 1), DType::u8, 7), filter(width, 8, 1), DType::u8, 9));
  return kit;
}

TEST(Overlap, TasksReadNothingElseOfTheStepBefore) {
  int pairs = 0;
  for (const int threads : {2, 3, 8}) {
    for (const Shape& shape : {Shape{1, 3, 28, 30}, Shape{1, 3, 7, 7}, Shape{2, 3, 13, 18}, Shape{1, 3, 2, 320}}) {
      for (const int64_t k : {3, 5}) {
        for (const int64_t stride : {1, 2}) {
          Kit kit = mobile(k, stride, 24 * 6);
          pairs += Lab(kit, shape, threads).try_all();
        }
      }
    }
    for (const Shape& shape : {Shape{1, 16, 28, 28}, Shape{2, 16, 13, 13}, Shape{1, 16, 3, 96}}) {
      for (const int64_t k : {3, 5}) {
        Kit kit = bottleneck(32, k);
        for (const Isa best : {overlapping(), Isa::avx2}) pairs += Lab(kit, shape, threads, best).try_all();
      }
    }
  }
  EXPECT_GT(pairs, 300);
}

// What stands between products: pools, gates, resizes, sums of what two others read, tables.
Kit mixed(int64_t channels) {
  Kit kit(75);
  const int x = kit.conv(kit.input(DType::u8, 0.02F, 3), filter(3, 32, 3, 1), DType::u8, 20);
  const int pooled = kit.node(NodeKind::max_pool, {x}, {3, 3, 2, 2, 1, 1, 1, 1, 0, 0});
  const int y = kit.conv(pooled, filter(32, channels, 1), DType::u8, 100);
  const int mean = kit.node(NodeKind::global_average_pool, {kit.dequantize(y)}, {});
  const int g = kit.conv(kit.quantize(mean, DType::u8, 0.02F, 90), filter(channels, channels, 1), DType::u8, 100);
  const auto scale = [&](int value) { return kit.desc.values[static_cast<size_t>(value)].scale; };
  const int product = kit.node(NodeKind::mul, {kit.dequantize(y), kit.dequantize(g)}, {});
  const int gated = kit.quantize(product, DType::u8, 32 * scale(y) * scale(g), 128);
  const int z = kit.conv(gated, filter(channels, 40, 1), DType::u8, 90);
  const int large = kit.node(NodeKind::resize, {z}, {0, 1, 2}, {1, 1, 2, 2});
  const int sum = add(kit, large, kit.conv(x, filter(32, 40, 1), DType::u8, 80), DType::u8);
  const int more = add(
      kit, sum, kit.quantize(kit.node(NodeKind::sigmoid, {kit.dequantize(sum)}, {}), DType::u8, 0.01F, 0), DType::u8);
  kit.output(kit.conv(kit.conv(more, filter(40, 16, 1), DType::u8, 9), filter(16, 8, 3, 1), DType::u8, 5));
  kit.output(sum);
  return kit;
}

TEST(Overlap, PassesBetweenProducts) {
  std::set<StepKind> readers, writers;
  for (const int threads : {2, 3, 8}) {
    for (const int64_t channels : {64, 640}) {
      for (const Shape& shape : {Shape{1, 3, 96, 100}, Shape{2, 3, 32, 34}, Shape{1, 3, 18, 150}}) {
        Kit kit = mixed(channels);
        Lab lab(kit, shape, threads);
        (void)lab.try_all();
        readers.insert(lab.readers().begin(), lab.readers().end());
        writers.insert(lab.writers().begin(), lab.writers().end());
      }
    }
  }
  for (const StepKind kind :
       {StepKind::dot, StepKind::max_pool, StepKind::global_average, StepKind::binary, StepKind::resize_nearest}) {
    EXPECT_TRUE(readers.contains(kind)) << name_of(kind);
  }
  EXPECT_TRUE(writers.contains(StepKind::convert));
}

// Slices of one tensor.
TEST(Overlap, PartsOfAConcat) {
  int pairs = 0;
  for (const int threads : {2, 4}) {
    Kit kit(73);
    const int x = kit.conv(kit.input(DType::u8, 0.02F, 3), filter(8, 64, 1), DType::u8, 20);
    const int a = kit.node(NodeKind::slice, {x}, {0, 9999, 1, 0, 32, 1});
    const int b = kit.node(NodeKind::slice, {x}, {0, 9999, 1, 32, 64, 1});
    const int y = kit.conv(b, filter(32, 48, 3, 1), DType::u8, 110);
    const int z = kit.conv(y, filter(48, 96, 3, 1), DType::u8, 110);
    std::vector<int> floats;
    for (const int part : {a, y, z}) floats.push_back(kit.dequantize(part));
    const int c = kit.quantize(kit.node(NodeKind::concat, floats, {1}), DType::u8, 0.05F, 100);
    const int mean = kit.node(NodeKind::global_average_pool, {kit.dequantize(c)}, {});
    kit.output(kit.conv(kit.quantize(mean, DType::u8, 0.02F, 90), filter(176, 8, 1), DType::u8, 100));
    kit.output(kit.conv(kit.conv(c, filter(176, 48, 1), DType::u8, 9), filter(48, 8, 3, 1), DType::u8, 5));
    for (const Shape& shape : {Shape{1, 8, 20, 20}, Shape{2, 8, 9, 14}}) pairs += Lab(kit, shape, threads).try_all();
  }
  EXPECT_GE(pairs, 12);
}

// The second product is multiplied by what the first one found for each channel.
TEST(Overlap, AGateNeedsAllOfIt) {
  int pairs = 0;
  for (const int64_t images : {1, 3}) {
    Kit kit(74);
    const int x = kit.conv(kit.input(DType::u8, 0.02F, 3), filter(8, 64, 1), DType::u8, 20);
    const int g = kit.conv(x, filter(64, 256, 9), DType::u8, 100);
    const int y = kit.conv(x, filter(64, 256, 1), DType::u8, 100);
    const int product = kit.node(NodeKind::mul, {kit.dequantize(y), kit.dequantize(g)}, {});
    kit.output(kit.conv(kit.quantize(product, DType::u8, 0.1F, 128), filter(256, 8, 1), DType::u8, 5));
    pairs += Lab(kit, {images, 8, 9, 9}, 2).try_all();
  }
  EXPECT_GE(pairs, 4);
}

}  // namespace
}  // namespace octile::runtime::test
