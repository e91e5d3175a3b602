// PreparedOp: one conv or dense with its weights packed, ready to run at any shape.
// In:  KernelLibrary, OpSpec (its spatial extents may be anything: only kernel, stride, dilation, pads, groups,
//      channels, types matter here), OpQuant, weights.  Out: packed panels; per shape a Choice of kernels; results.
// Not here: graphs, arenas, hosts.  Immutable after prepare(): run() may be called by several threads at once.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "packs/format/fields.h"
#include "runtime/exec/aligned.h"
#include "runtime/exec/parallel.h"
#include "runtime/exec/tail.h"
#include "runtime/exec/tensor.h"
#include "runtime/loader/library.h"
#include "workload/numerics/requantize.h"
#include "workload/spec/op_spec.h"

namespace octile::runtime {

// Why this kernel: one line per call group, for `explain`.
struct Decision {
  std::string kernel;  // kernel name, or "portable:dot"
  std::string target;  // canonical target name
  std::string reason;  // fixed vocabulary: "exact workload", "any-shape, best tile", "lower isa: ...", "portable: ..."
  int64_t panels = 0;  // how many weight panels it covers
};

// Adds panels to the decision with this kernel and reason, or a new one.
void add_decision(std::vector<Decision>& decisions, const Kernel& kernel, const std::string& reason, int64_t panels);

struct Choice;  // which kernel covers which panels and how the crops are cut; see choice.h
struct Job;     // one run, and what a task of it writes; see job.h
struct Patch;

class PreparedOp {
 public:
  virtual ~PreparedOp() = default;
  // `wei` is OIHW (conv) or [k, n] (dense), of the spec's type; copied. Null for dense with wei_var.
  // `best`: the highest ISA to use (tests force lower ones).
  [[nodiscard]] static Result<std::unique_ptr<PreparedOp>> prepare(const KernelLibrary& library, Isa best,
                                                                   const OpSpec& spec, const OpQuant& quant,
                                                                   const void* wei);
  // The packed weights as fields; false where packing again is as quick. The bytes must live until they are written.
  [[nodiscard]] virtual bool save(packs::FieldWriter& out) const = 0;
  // What prepare() made of the same library, instruction set, op, quantization and weights, from what save() wrote:
  // nothing is packed or copied, `owner` keeps the reader's bytes. What is no such op is the reader's complaint.
  [[nodiscard]] static Result<std::unique_ptr<PreparedOp>> restore(const KernelLibrary& library, Isa best,
                                                                   const OpSpec& spec, const OpQuant& quant,
                                                                   packs::FieldReader& from,
                                                                   const std::shared_ptr<const void>& owner);
  // Picks kernels for one shape; cheap, deterministic, kept by plans. `contiguous`: the tensors of every run() will
  // have no gaps between rows and images (contiguous() below), so that pixels of a 1x1 conv or rows of a dense can be
  // one long row. `pitched`: pixels of some tensor are further apart than its channels (pitched() below).
  [[nodiscard]] virtual Result<std::shared_ptr<const Choice>> choose(const OpSpec& shaped, int threads,
                                                                     bool contiguous = false,
                                                                     bool pitched = false) const = 0;
  [[nodiscard]] virtual std::vector<Decision> explain(const Choice& choice) const = 0;
  // Scratch bytes run() needs for this choice (64-byte aligned).
  [[nodiscard]] virtual size_t scratch_bytes(const Choice& choice) const = 0;
  // src: halo at least the spec's pads (holding the zero point), slack >= 16. dst: u8 tensor, or int32 data in
  // dst.data with strides still in bytes. Pixels are dense in both (stride_x is c elements) unless choose() was told
  // `pitched`; a source whose filter is wider than a pixel has dense ones always (not in depthwise ops). A dense's
  // tensors have n = mb, h = 1, w = m, c = k or n. wei_var: the weights [mb, k, n] of this run as the host has them
  // (spec.wei), row stride in elements, matrices k rows apart. tails: applied to a u8 dst, see tail.h.
  [[nodiscard]] virtual Status run(const Choice& choice, const Tensor& src, const Tensor& dst, void* scratch,
                                   const Parallel& parallel, const void* wei_var = nullptr, int64_t wei_stride = 0,
                                   std::span<const Tail> tails = {}) const = 0;
  // The same task by task, where nothing is to be done before them or between: how many there are; else 0. begin()
  // fills a fresh job, then every task is to be run once, by whoever, in any order; ended() says how it went. Of
  // scratch they need no more than Choice::slot bytes each, borrowed through Job::slots.
  [[nodiscard]] virtual size_t tasks(const Choice& choice) const = 0;
  [[nodiscard]] Status begin(const Choice& choice, const Tensor& src, const Tensor& dst, void* scratch,
                             std::span<const Tail> tails, Job& job) const;
  virtual void run_task(Job& job, size_t index) const = 0;
  [[nodiscard]] static Status ended(const Job& job);
  [[nodiscard]] virtual Patch patch(const Choice& choice, size_t index) const = 0;
  [[nodiscard]] virtual size_t packed_bytes() const = 0;

 protected:
  // What every op that is saved holds: `packed_bytes` bytes of weights, and its tables.
  static void save_weights(packs::FieldWriter& out, const AlignedBytes& packed, int64_t packed_bytes,
                           const AlignedBytes& tables);
  static void load_weights(packs::FieldReader& from, const std::shared_ptr<const void>& owner, int64_t packed_bytes,
                           size_t table_bytes, AlignedBytes& packed, AlignedBytes& tables);

 private:
  // What only this op asks of tensors, and what its tasks want to know besides them.
  [[nodiscard]] virtual Status check(const Choice& choice, const Tensor& src, const Tensor& dst) const = 0;
  virtual void bind(Job& job) const = 0;
};

// No gaps between rows and images, halo included: what choose() calls contiguous. Pixels may be pitched.
[[nodiscard]] inline bool contiguous(const Tensor& t) {
  return (t.h == 1 || t.stride_y == t.w * t.stride_x) && (t.n == 1 || t.stride_n == t.h * t.w * t.stride_x);
}
// Pixels further apart than their channels: a slice of a wider tensor. element: bytes, 4 for int32 data.
[[nodiscard]] inline bool pitched(const Tensor& t, int64_t element = 1) { return t.stride_x != t.c * element; }

// The whole of one op at once, for tests, the tuner's runner and benchmarks: takes tensors in the layouts of
// workload/reference, makes halo, flips signs, runs, and writes dst in the reference layout. Any OpKind.
[[nodiscard]] Status run_op(const KernelLibrary& library, Isa best, const OpSpec& spec, const OpQuant& quant,
                            const void* src, const void* wei, void* dst, const Parallel& parallel = {},
                            std::vector<Decision>* decisions = nullptr);

}  // namespace octile::runtime
