// Execution: the steps of a placed program, in order, in one arena.
// In:  Program, the host's tensors, an arena.  Out: the host's outputs.
// Not here: deciding anything.  Nothing is allocated.
#pragma once

#include "runtime/region/place.h"
#include "runtime/region/program.h"

namespace octile::runtime {

// What a run works on. Pointers to stores stand at the start of the arena.
struct RunContext {
  const Program& program;
  const Ops& ops;
  Isa best = Isa::portable;
  const Parallel& parallel;
  uint8_t* const* data;  // per store: element 0
  uint8_t* scratch = nullptr;
};

[[nodiscard]] inline Tensor tensor_of(const RunContext& run, int store) {
  Tensor t = run.program.stores[static_cast<size_t>(store)].tensor;
  t.data = run.data[store];
  return t;
}
// What a step writes, with the halo that it fills.
[[nodiscard]] inline Tensor destination_of(const RunContext& run, const Step& step) {
  Tensor t = tensor_of(run, step.dst);
  if (step.fills_halo) t.border = run.program.stores[static_cast<size_t>(step.dst)].border_code;
  return t;
}
[[nodiscard]] inline View view_of(const RunContext& run, int store, bool image) {
  View v = view_of(run.program.stores[static_cast<size_t>(store)], image);
  v.data = run.data[store];
  return v;
}

// `arena` has program.arena_bytes bytes; `outputs` the host's storage per output; `us`, where given, gets the
// microseconds of each step. Wants FloatMode here and in every task of `parallel`.
[[nodiscard]] Status execute(const Program& program, Isa best, const std::vector<HostTensor>& inputs,
                             void* const* outputs, uint8_t* arena, const Parallel& parallel, double* us = nullptr);
// Steps on rows of floats and on single floats (execute_floats.cpp).
void run_float_step(const RunContext& run, const Step& step);
// Quantization on the spot (execute_dynamic.cpp).
void run_dynamic_step(const RunContext& run, const Step& step);

}  // namespace octile::runtime
