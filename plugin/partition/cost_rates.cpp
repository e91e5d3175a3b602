// The tables.  In/out: see cost_rates.h.  Not here: arithmetic.
#include "plugin/partition/cost_rates.h"

namespace octile::plugin {

const HostRates& host_rates(Isa isa, bool whole_vectors) {
  static constexpr HostRates kAvx2{.conv = 0.031,
                                   .column = 0.6,
                                   .depthwise = 0.2,
                                   .grouped = 0.1,
                                   .matrix = 0.0335,
                                   .requantize = 0.8,
                                   .weights = 0.2,
                                   .integer_conv = 3.5,
                                   .signed_product = 0.375,
                                   .float_product = 0.078,
                                   .quantize = 1.0,
                                   .dequantize = 0.8,
                                   .code_binary = 0.5,
                                   .code_pass = 0.9,
                                   .float_pass = 0.7,
                                   .transcendental = 2.5,
                                   .softmax = 8.0,
                                   .arg_max = 4.5,
                                   .normalize = 8.0,
                                   .move = 0.65,
                                   .node = 7000};
  static constexpr HostRates kVnni{.conv = 0.0168,
                                   .column = 0.02,
                                   .depthwise = 0.16,
                                   .grouped = 0.05,
                                   .matrix = 0.0183,
                                   .requantize = 0.3,
                                   .weights = 0.05,
                                   .integer_conv = 2.0,
                                   .signed_product = 0.31,
                                   .float_product = 0.045,
                                   .quantize = 0.8,
                                   .dequantize = 0.7,
                                   .code_binary = 0.4,
                                   .code_pass = 0.6,
                                   .float_pass = 0.6,
                                   .transcendental = 1.5,
                                   .softmax = 1.5,
                                   .arg_max = 2.5,
                                   .normalize = 16.0,
                                   .move = 0.5,
                                   .node = 6000};
  static constexpr HostRates kAmx{.conv = 0.0092,
                                  .column = 0.2,
                                  .depthwise = 0.19,
                                  .grouped = 0.05,
                                  .matrix = 0.0055,
                                  .requantize = 1.1,
                                  .weights = 0.2,
                                  .integer_conv = 2.0,
                                  .signed_product = 0.31,
                                  .float_product = 0.042,
                                  .quantize = 0.8,
                                  .dequantize = 0.7,
                                  .code_binary = 0.5,
                                  .code_pass = 0.8,
                                  .float_pass = 0.7,
                                  .transcendental = 1.5,
                                  .softmax = 4.0,
                                  .arg_max = 2.5,
                                  .normalize = 4.0,
                                  .move = 0.6,
                                  .node = 6000};
  static constexpr HostRates kWhole = [] {
    HostRates rates = kVnni;
    rates.conv = 0.0105;
    rates.matrix = 0.0125;
    return rates;
  }();
  static constexpr HostRates kAvxVnni = [] {
    HostRates rates = kAvx2;
    rates.conv = kVnni.conv;
    rates.matrix = kVnni.matrix;
    rates.signed_product = kVnni.signed_product;
    return rates;
  }();
  if (isa < Isa::avx512vnni) return isa == Isa::avxvnni ? kAvxVnni : kAvx2;
  return isa == Isa::avx512amx ? kAmx : whole_vectors ? kWhole : kVnni;
}

const OwnRates& own_rates(Isa isa, Isa cpu) {
  static constexpr OwnRates kAvx2{.product = 0.98,
                                  .winograd = 0.43,
                                  .paired = 0.82,
                                  .depthwise = 0.8,
                                  .source = 0.08,
                                  .weights = 0.1,
                                  .convert = 0.7,
                                  .table = 0.3,
                                  .binary = 0.5,
                                  .window = 0.1,
                                  .arg_max = 0.5,
                                  .rows = 3.0,
                                  .move = 0.5,
                                  .floats = 1.0,
                                  .sigmoid = 2.7,
                                  .dynamic = 0.9,
                                  .step = 1000};
  static constexpr OwnRates kVnni{.product = 1.0,
                                  .winograd = 0.75,
                                  .paired = 1.0,
                                  .depthwise = 1.0,
                                  .source = 0.05,
                                  .weights = 0.03,
                                  .convert = 0.4,
                                  .table = 0.15,
                                  .binary = 0.4,
                                  .window = 0.05,
                                  .arg_max = 0.5,
                                  .rows = 2.0,
                                  .move = 0.2,
                                  .floats = 0.5,
                                  .sigmoid = 2.0,
                                  .dynamic = 0.7,
                                  .step = 1000};
  static constexpr OwnRates kAmx = [] {
    OwnRates rates = kVnni;
    rates.winograd = 1.0;
    rates.weights = 0.1;
    return rates;
  }();
  static constexpr OwnRates kAvxVnni = [] {
    OwnRates rates = kAvx2;
    rates.product = kVnni.product;
    rates.winograd = rates.paired = 1.0;
    rates.depthwise = kVnni.depthwise;
    rates.source = kVnni.source;
    return rates;
  }();
  if (isa < Isa::avx512vnni) return isa == Isa::avxvnni ? kAvxVnni : kAvx2;
  return cpu == Isa::avx512amx ? kAmx : kVnni;
}

}  // namespace octile::plugin
