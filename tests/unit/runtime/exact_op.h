// A prepared op against the oracle, and entries of kernels that are portable ones under another name.
// In:  ops with data, a pitch.  Out: GoogleTest's verdict.
// Not here: which ops.
#pragma once

#include <gtest/gtest.h>

#include "runtime/exec/aligned.h"
#include "runtime/exec/padded.h"
#include "runtime/exec/prepared_op.h"
#include "runtime/exec/tails.h"
#include "targets/desc/layout.h"
#include "tests/unit/runtime/random_op.h"
#include "tests/unit/runtime/striped_host.h"
#include "workload/numerics/float_mode.h"
#include "workload/reference/reference.h"

namespace octile::test {

using namespace runtime;  // NOLINT: what is tested

inline packs::KernelEntry dot_entry(const char* layout, const char* dst, const char* op, int x, int n) {
  packs::KernelEntry e;
  e.name = std::string("dot_") + layout + "_" + dst + "_x" + std::to_string(x) + "n" + std::to_string(n);
  e.family = "dot";
  e.op = op;
  e.layout = layout;
  const LayoutDesc& facts = *find_layout(e.layout);
  e.target = std::string(target(facts.lanes == 16 ? Isa::avx512vnni : Isa::avx2).name);
  e.dst = dst;
  e.src = facts.widens() ? "s16" : "u8";
  e.acc16_group = e.layout == "k4n8" ? 1 : 0;
  e.tile_x = x;
  e.tile_n = n;
  return e;
}

// dst with a pitch between its pixels, and canaries there.
struct Held {
  std::vector<uint8_t> bytes;
  Tensor t;
  Held(const OpSpec& s, int64_t pitch) : t(dense_destination(s, nullptr)) {
    t.stride_x += pitch * size_of(s.dst);
    t.stride_y = t.w * t.stride_x;
    t.stride_n = t.h * t.stride_y;
    bytes.assign(static_cast<size_t>(t.n * t.stride_n), 0x5A);
    t.data = bytes.data();
  }
};

inline Held run(const PreparedOp& op, const OpCase& c, int64_t pitch, int threads, std::span<const Tail> tails = {}) {
  Tensor source;
  const AlignedBytes memory = padded_source(c.spec, c.quant, c.src.data(), &source);
  Held out(c.spec, pitch);
  const auto choice = op.choose(c.spec, threads, contiguous(source), pitch != 0);
  EXPECT_TRUE(choice.ok()) << choice.status().to_string();
  const AlignedBytes scratch(op.scratch_bytes(**choice));
  const Parallel parallel{nullptr, threads > 1 ? run_striped<4> : nullptr, threads};
  const Status s = op.run(**choice, source, out.t, scratch.data(), parallel, nullptr, 0, tails);
  EXPECT_TRUE(s.ok()) << s.to_string();
  return out;
}

// The op writes the oracle's bytes, on one thread and on four, and nothing between its pixels.
inline void expect_exact(const PreparedOp& op, const OpCase& c, int64_t pitch) {
  const OpSpec& s = c.spec;
  const int64_t pixel = s.channels() * size_of(s.dst);
  Held held(s, pitch);
  std::vector<uint8_t> want(static_cast<size_t>(held.t.n * held.t.h * held.t.w * pixel));
  ASSERT_TRUE(reference::run(s, c.quant, c.src.data(), c.wei.data(), want.data()).ok());
  const uint8_t flip = s.dst == DType::s8 ? 0x80 : 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    held.bytes[static_cast<size_t>(at / pixel * held.t.stride_x + at % pixel)] = want[i] ^ flip;
  }
  for (const int threads : {1, 4}) {
    EXPECT_EQ(run(op, c, pitch, threads).bytes, held.bytes) << to_key(s) << " on " << threads << " pitch " << pitch;
  }
}

// Tails, a sum with drawn codes of that pitch and a drawn table, write what they make of the op's own codes.
inline void expect_tails(const PreparedOp& op, const OpCase& c, RandomOps& ops, int64_t pitch) {
  std::vector<uint8_t> table(256);
  for (uint8_t& v : table) v = static_cast<uint8_t>(ops.pick(0, 255));
  Held other(c.spec, pitch);
  for (uint8_t& v : other.bytes) v = static_cast<uint8_t>(ops.pick(0, 255));
  std::vector<Tail> tails(2);
  tails[0].kind = Tail::Kind::binary;
  tails[0].form.kind = BinaryKind::sum;
  tails[0].form.ka = tails[0].form.kb = 0.5F;
  tails[0].other = other.t;
  tails[1].table = table.data();
  const Held want = run(op, c, 0, 1);
  {
    const FloatMode mode;
    for (int64_t n = 0; n < want.t.n; ++n) {
      apply_tails(ops_for(Isa::avx2), tails, want.t, {n, 0, 0, want.t.h, want.t.w, 0, c.spec.channels(), false});
    }
  }
  for (const int threads : {1, 4}) {
    EXPECT_EQ(run(op, c, 0, threads, tails).bytes, want.bytes) << to_key(c.spec) << " on " << threads;
  }
}

}  // namespace octile::test
