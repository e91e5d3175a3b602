// Rates: what single passes cost, ours and ONNX Runtime's, as tables of measured numbers.
// In:  instruction set of kernels, of the CPU; whether it takes whole vectors.  Out: cycles of one core per
// multiply-add,
//      element or node.
// Not here: which passes a region has (cost.cpp).
//
// Fitted to ONNX Runtime's profile and ours of the models of bench/models: on AVX2 (Zen 3, 2026-11-27) and on AVX-512
// VNNI (Zen 4, 2026-11-28) with its own profiler, every node; its products where vectors are taken whole (Emerald
// Rapids, 2026-11-30) and on a CPU with AMX, which its matrix products seem to use (2026-11-27), to the records of
// single ops and of whole models. On AVX-VNNI nothing was measured: products cost the host what they cost it on Zen 4,
// of which as many fit in a cycle, all else what it costs on AVX2. ConvInteger was measured on AVX2 only (Zen 4,
// 2026-11-29); elsewhere it is set to cost the host less, so that nothing is taken for too high a guess. How well they
// predict: bench/records/*-cost-model-*.json. A host that gets faster wants new numbers; nothing else changes.
#pragma once

#include "targets/desc/target.h"

namespace octile::plugin {

// ONNX Runtime's CPU provider, one thread.
struct HostRates {
  double conv;                  // per multiply-add of an integer convolution on u8
  double column;                // per element gathered into columns, where the filter is wider than a pixel
  double depthwise;             // per multiply-add
  double grouped;               // per multiply-add, groups of more than one channel
  double matrix;                // per multiply-add of an integer matrix product on u8
  double requantize;            // per element an integer product writes
  double weights;               // per constant weight
  double integer_conv;          // per element a ConvInteger writes, besides its multiply-adds
  double signed_product;        // per multiply-add on s8 in the QOperator form
  double float_product;         // per multiply-add in floats
  double quantize, dequantize;  // per element
  double code_binary;           // per element: QLinearAdd, QLinearMul
  double code_pass;             // per element: other integer ops
  double float_pass;            // per element: arithmetic on floats
  double transcendental;        // per element: sigmoid, erf and the like on floats
  double softmax;               // per element
  double arg_max;               // per element: measured on AVX2, less elsewhere
  double normalize;             // per element: layer normalization
  double move;                  // per element: transposes, concatenations
  double node;                  // per node, however small
};

// Our own passes. Products cost what dispatch estimates for their kernels, times a factor.
struct OwnRates {
  double product;    // per estimated cycle
  double winograd;   // what Winograd leaves of that
  double paired;     // and acc16 of paired weights
  double depthwise;  // per estimated cycle of depthwise convolutions
  double source;     // per element a product reads: halo, widening
  double weights;    // per constant weight
  double convert;    // per element at the border: layout, quantize, dequantize
  double table;      // per element
  double binary;     // per element
  double window;     // per element a pool or mean reads
  double arg_max;    // per code
  double rows;       // per element: softmax, layer normalization
  double move;       // per element: resizes, concatenations, transposes
  double floats;     // per element of a float pass
  double sigmoid;    // per float: measured on AVX2, guessed elsewhere
  double dynamic;    // per element quantized on the spot, and per float made of a sum
  double step;       // per step
};

[[nodiscard]] const HostRates& host_rates(Isa isa, bool whole_vectors);
// Of kernels up to `isa`, on a CPU that has `cpu`.
[[nodiscard]] const OwnRates& own_rates(Isa isa, Isa cpu);

}  // namespace octile::plugin
