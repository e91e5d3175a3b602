// Steps that become somebody's tail: which do, and that answers stay those of the interpreter.
// In:  nets made to have them.  Out: verdicts.  Not here: tails on crops (tests/unit/runtime).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "region_kit.h"
#include "workload/graph/infer.h"

namespace octile::runtime::test {
namespace {

// How many nodes of the region run as passes of this kind.
int64_t passes(const Kit& kit, const std::vector<Shape>& shapes, const std::string& kind) {
  const auto decisions = make(kit.desc)->explain(shapes);
  EXPECT_TRUE(decisions.ok()) << decisions.status().to_string();
  int64_t found = 0;
  for (const NodeDecision& d : *decisions) {
    found += std::count_if(d.kernels.begin(), d.kernels.end(),
                           [&](const Decision& k) { return k.kernel == "region:" + kind; });
  }
  return found;
}

// How many steps of a run's profile name the node.
int64_t profiled(Kit& kit, const Shape& shape, const std::string& node) {
  const auto region = make(kit.desc);
  region->start_clock();
  EXPECT_TRUE(run_region(*region, kit.desc, {kit.draw(kit.desc.inputs[0], shape)}).status.ok());
  const std::vector<StepTime> times = region->times();
  return std::count_if(times.begin(), times.end(), [&](const StepTime& t) {
    return std::find(t.nodes.begin(), t.nodes.end(), node) != t.nodes.end();
  });
}

int concat(Kit& kit, const std::vector<int>& parts, float scale) {
  std::vector<int> floats;
  for (const int part : parts) floats.push_back(kit.dequantize(part));
  return kit.quantize(kit.node(NodeKind::concat, floats, {1}), DType::u8, scale, 100);
}

// A block of YOLOv8: halves of a convolution's channels go into a concat, one of them through a convolution as well.
// `pad`: of the reader, so that the concat has a halo.
Kit halves(int64_t pad) {
  Kit kit(51);
  const int x = kit.input(DType::u8, 0.02F, 3);
  const int y = kit.conv(x, filter(6, 40, 1), DType::u8, 90);
  const int a = kit.node(NodeKind::slice, {y}, {0, 9999, 1, 0, 20, 1});
  const int b = kit.node(NodeKind::slice, {y}, {0, 9999, 1, 20, 40, 1});
  const int z = kit.conv(b, filter(20, 20, 3, 1), DType::u8, 110);
  const float scale = kit.desc.values[static_cast<size_t>(y)].scale * 1.25F;
  const int c = concat(kit, {a, b, z}, scale);
  kit.output(kit.conv(c, filter(60, 8, 1 + 2 * pad, pad), DType::u8, 5));
  return kit;
}

TEST(Fusion, PartsOfAConcatAreWrittenByWhoMakesThem) {
  for (const int64_t pad : {0, 1}) {
    Kit kit = halves(pad);
    for (const int threads : {1, 3}) equals_interpreter(kit, {{2, 6, 9, 13}}, test_threads(threads));
    EXPECT_EQ(passes(kit, {{2, 6, 9, 13}}, "table"), 0);
    EXPECT_EQ(passes(kit, {{2, 6, 9, 13}}, "move"), 0);
  }
}

TEST(Fusion, OneTensorInTwoConcatsAndAnOutput) {
  Kit kit(52);
  const int x = kit.input(DType::u8, 0.02F, 3);
  const int y = kit.conv(x, filter(6, 17, 3, 1), DType::s8, 9);
  const int z = kit.conv(y, filter(17, 5, 1), DType::s8, -3);
  const float scale = kit.desc.values[static_cast<size_t>(y)].scale;
  kit.output(concat(kit, {y, z}, scale * 1.5F));
  kit.output(concat(kit, {z, y, y}, scale * 0.75F));
  kit.output(y);
  for (const int threads : {1, 3}) equals_interpreter(kit, {{1, 6, 12, 7}}, test_threads(threads));
}

// Quantized x * sigmoid(x): codes that two nodes read, though in the end one table does. The profile names all of them.
TEST(Fusion, TablesInARowAreOne) {
  Kit kit(54);
  const int x = kit.input(DType::u8, 0.02F, 3);
  const int y = kit.conv(x, filter(4, 12, 1), DType::u8, 100);
  const float scale = kit.desc.values[static_cast<size_t>(y)].scale;
  const int z = kit.dequantize(kit.quantize(kit.dequantize(y), DType::u8, scale * 1.3F, 90));
  const int silu = kit.node(NodeKind::mul, {z, kit.node(NodeKind::sigmoid, {z}, {})}, {});
  kit.output(kit.conv(kit.quantize(silu, DType::s8, scale * 0.9F, -5), filter(12, 3, 3, 1), DType::u8, 0));
  equals_interpreter(kit, {{1, 4, 5, 6}});
  const auto region = make(kit.desc);
  region->start_clock();
  HostValue host = kit.draw(kit.desc.inputs[0], {1, 4, 5, 6});
  ASSERT_TRUE(run_region(*region, kit.desc, {host}).status.ok());
  const std::vector<StepTime> times = region->times();
  const auto conv = std::find_if(times.begin(), times.end(), [](const StepTime& t) { return t.kind == "dot"; });
  ASSERT_NE(conv, times.end());
  EXPECT_EQ(conv->form, "table");
  EXPECT_EQ(conv->nodes.size(), 3U);
}

// Quantization after a resize is worked out before it, and becomes a tail there.
TEST(Fusion, TablesStandBeforeAResizeThatRepeats) {
  for (const bool shared : {false, true}) {
    Kit kit(53);
    const int x = kit.input(DType::u8, 0.02F, 3);
    const int y = kit.conv(x, filter(4, 12, 1), DType::u8, 100);
    const int large = kit.node(NodeKind::resize, {kit.dequantize(y)}, {0, 1, 2}, {1, 1, 2, 3});
    const float scale = kit.desc.values[static_cast<size_t>(y)].scale;
    kit.output(kit.conv(kit.quantize(large, DType::u8, scale * 1.1F, 7), filter(12, 3, 3, 1), DType::u8, 0));
    if (shared) kit.output(y);
    equals_interpreter(kit, {{1, 4, 5, 6}});
    EXPECT_EQ(passes(kit, {{1, 4, 5, 6}}, "table"), 0);
    EXPECT_EQ(passes(kit, {{1, 4, 5, 6}}, "resize_nearest"), 1);
  }
}

// The sums of the last node, floats.
int as_floats(Kit& kit, int sums) {
  kit.desc.nodes.back().kind = NodeKind::scaled;
  kit.desc.values[static_cast<size_t>(sums)].type = DType::f32;
  return sums;
}

int scaled(Kit& kit, int src, const OpSpec& spec) { return as_floats(kit, kit.conv(src, spec, DType::s32, 0)); }

int constant(Kit& kit, const Shape& dims, float first) {
  const int v = kit.value(DType::f32);
  ValueDesc& value = kit.desc.values[static_cast<size_t>(v)];
  value.constant = true;
  value.dims = dims;
  for (int64_t i = 0; i < element_count(dims); ++i) {
    const float number = first + 0.125F * static_cast<float>(i % 7);
    const auto* bytes = reinterpret_cast<const uint8_t*>(&number);
    value.data.insert(value.data.end(), bytes, bytes + sizeof number);
  }
  return v;
}

// A residual between products that nobody quantizes: dequantized codes beside the sums, a quantize with a halo behind.
TEST(Fusion, ResidualsOfFloatsAreTails) {
  for (const bool swapped : {false, true}) {
    for (const bool floats_leave : {false, true}) {
      Kit kit(55);
      const int x = kit.input(DType::s8, 0.02F, 3);
      const int a = kit.conv(x, filter(6, 6, 3, 1), DType::u8, 100);
      const int made = scaled(kit, kit.conv(a, filter(6, 6, 1), DType::s8, 9), filter(6, 6, 3, 1));
      const int codes = kit.dequantize(a);
      const int sum =
          kit.node(NodeKind::add, swapped ? std::vector<int>{codes, made} : std::vector<int>{made, codes}, {});
      const int y = kit.node(NodeKind::relu, {sum}, {});
      if (floats_leave) kit.output(y);
      kit.output(kit.conv(kit.quantize(y, DType::s8, 0.5F, -100), filter(6, 4, 5, 2), DType::u8, 0));
      for (const int threads : {1, 3}) equals_interpreter(kit, {{2, 6, 9, 13}}, test_threads(threads));
      EXPECT_EQ(passes(kit, {{2, 6, 9, 13}}, "float_function"), 0);
      EXPECT_EQ(passes(kit, {{2, 6, 9, 13}}, "table_f32"), 0);
    }
  }
}

int silu(Kit& kit, int f) { return kit.node(NodeKind::mul, {f, kit.node(NodeKind::sigmoid, {f}, {})}, {}); }

// As models have it that know no Gelu.
int gelu(Kit& kit, int f) {
  const int erf = kit.node(NodeKind::erf, {kit.node(NodeKind::div, {f, constant(kit, {}, std::sqrt(2.0F))}, {})}, {});
  const int product = kit.node(NodeKind::mul, {f, kit.node(NodeKind::add, {erf, constant(kit, {}, 1)}, {})}, {});
  return kit.node(NodeKind::mul, {product, constant(kit, {}, 0.5F)}, {});
}

// A product of what is quantized on the spot.
int on_the_spot(Kit& kit, int made) {
  NodeDesc& n = kit.desc.nodes.back();
  n.kind = NodeKind::dynamic;
  n.spec.src = DType::u8;
  n.spec.bias = n.spec.src_zp = false;
  const std::vector<float> scales = n.quant.wei_scale;
  n.quant = OpQuant();
  n.quant.wei_scale = scales;
  n.quant.wei_zp.assign(scales.size(), 0);
  kit.desc.values[static_cast<size_t>(made)].type = DType::f32;
  return made;
}

// Functions whose floats nobody has: not before codes, nor before what is quantized on the spot, and not by another
// name.
TEST(Fusion, QuickFunctionsAreNotMadeWhereOnlyCodesAreRead) {
  for (const auto& function : {silu, gelu}) {
    for (const bool renamed : {false, true}) {
      for (const bool dynamic : {false, true}) {
        Kit kit(61);
        int f = as_floats(kit, kit.dense(kit.input(DType::u8, 0.02F, 3), 12, 24, DType::s32, 0));
        if (renamed) f = kit.node(NodeKind::reshape, {f}, {2, 5, 7, 24});
        int y = function(kit, f);
        const std::string name = kit.desc.nodes.back().name;
        if (renamed && !dynamic) y = kit.node(NodeKind::reshape, {y}, {2, 35, 24});
        kit.output(dynamic ? on_the_spot(kit, kit.dense(y, 24, 6, DType::s32, 0))
                           : kit.dense(kit.quantize(y, DType::u8, 1.0F, 90), 24, 6, DType::u8, 100));
        for (const int threads : {1, 3}) equals_interpreter(kit, {{2, 35, 12}}, test_threads(threads));
        EXPECT_EQ(passes(kit, {{2, 35, 12}}, "float_function"), 0);
        EXPECT_EQ(passes(kit, {{2, 35, 12}}, "move"), 0);
        EXPECT_EQ(passes(kit, {{2, 35, 12}}, "convert"), 0);
        EXPECT_EQ(profiled(kit, {2, 35, 12}, name), 1);
      }
    }
  }
}

// A number for each column of a product that is seen as an image of pixels: its tail all the same.
TEST(Fusion, ColumnsGainUnderAnotherShape) {
  for (const bool rows : {false, true}) {
    Kit kit(63);
    const int f = as_floats(kit, kit.dense(kit.input(DType::u8, 0.02F, 3), 12, 24, DType::s32, 0));
    const int seen = kit.node(NodeKind::reshape, {f}, {2, 5, 7, 24});
    const int gain = constant(kit, rows ? Shape{7, 1} : Shape{24}, 0.25F);
    const int y = kit.node(NodeKind::mul, {gain, seen}, {});
    kit.output(kit.dense(kit.quantize(y, DType::u8, 1.0F, 90), 24, 6, DType::u8, 100));
    for (const int threads : {1, 3}) equals_interpreter(kit, {{2, 35, 12}}, test_threads(threads));
    EXPECT_EQ(passes(kit, {{2, 35, 12}}, "float_function"), 0);
    EXPECT_EQ(passes(kit, {{2, 35, 12}}, "float_binary"), rows ? 1 : 0);
  }
}

// And the float goes only where nobody has it, not by another name either.
TEST(Fusion, CodesOfQuickFunctionsLeaveTheirFloatToItsReaders) {
  for (const std::string also : {"", "quantize", "rows", "output", "gelu", "gelu output"}) {
    Kit kit(56);
    const int f = scaled(kit, kit.input(DType::u8, 0.02F, 3), filter(6, 20, 3, 1));
    const int y = also.starts_with("gelu") ? gelu(kit, f) : silu(kit, f);
    kit.output(kit.conv(kit.quantize(y, DType::u8, 0.5F, 7), filter(20, 5, 3, 1), DType::u8, 0));
    if (also == "quantize") kit.output(kit.quantize(y, DType::s8, 0.25F, 0));
    if (also.ends_with("output")) kit.output(y);
    if (also == "rows") {
      const int rows = kit.node(NodeKind::transpose, {kit.node(NodeKind::reshape, {y}, {0, 20, -1})}, {0, 2, 1});
      kit.output(kit.dense(kit.quantize(rows, DType::s8, 0.25F, 0), 20, 8, DType::u8, 100));
    }
    for (const int threads : {1, 3}) equals_interpreter(kit, {{2, 6, 7, 9}}, test_threads(threads));
  }
}

// More floats than a task makes at a time, which a quantize alone reads, or an output too: of rows, of one long row, of
// columns.
TEST(Fusion, FloatsThatAreCodesAtOnceShareAPlace) {
  const Shape wide{1, 6, 3, 700}, square{2, 6, 40, 37};
  for (const Shape& shape : {wide, square}) {
    for (const int64_t kernel : {1, 3}) {
      for (const bool leave : {false, true}) {
        Kit kit(59);
        const int f = scaled(kit, kit.input(DType::u8, 0.02F, 3), filter(6, 24, kernel, kernel / 2));
        const int y = kit.node(NodeKind::relu, {f}, {});
        if (leave) kit.output(y);
        kit.output(kit.conv(kit.quantize(y, DType::s8, 0.5F, -100), filter(24, 3, 3, 1), DType::u8, 0));
        for (const int threads : {1, 3}) equals_interpreter(kit, {shape}, test_threads(threads));
      }
    }
  }
}

// Squeeze and excite: what the mean reads too is no tail, but its codes are written without its floats.
TEST(Fusion, GatedFloatsBecomeCodes) {
  for (const bool shared : {false, true}) {
    for (const int64_t channels : {20, 5000}) {
      Kit kit(62);
      const int f = silu(kit, scaled(kit, kit.input(DType::u8, 0.02F, 3), filter(6, channels, 1)));
      const int gate = kit.node(NodeKind::sigmoid, {kit.node(NodeKind::global_average_pool, {f}, {})}, {});
      const int y = kit.node(NodeKind::mul, {f, gate}, {});
      kit.output(kit.conv(kit.quantize(y, DType::s8, 0.5F, -3), filter(channels, 3, 1), DType::u8, 0));
      if (shared) kit.output(y);
      const Shape shape{2, 6, channels > 20 ? 2 : 9, 7};
      for (const int threads : {1, 3}) equals_interpreter(kit, {shape}, test_threads(threads));
      EXPECT_EQ(passes(kit, {shape}, "convert"), shared ? 3 : 1);
    }
  }
}

// Softmax and normalizations of floats write codes where nobody else reads them.
TEST(Fusion, RowsOfFloatsBecomeCodesRowByRow) {
  for (const NodeKind kind : {NodeKind::softmax, NodeKind::layer_norm}) {
    int64_t converts[2] = {};
    for (const bool shared : {false, true}) {
      Kit kit(58);
      const int f = scaled(kit, kit.input(DType::u8, 0.02F, 3), filter(6, 20, 3, 1));
      const int rows = kit.node(NodeKind::reshape, {f}, {0, 20, -1});
      std::vector<int> inputs{rows};
      if (kind == NodeKind::layer_norm) inputs.push_back(constant(kit, {63}, 0.75F));
      const int y = kit.node(kind, inputs, {-1});
      kit.output(kit.dense(kit.quantize(y, DType::s8, 0.01F, -3), 63, 8, DType::u8, 100));
      if (shared) kit.output(y);
      for (const int threads : {1, 3}) equals_interpreter(kit, {{2, 6, 7, 9}}, test_threads(threads));
      EXPECT_EQ(passes(kit, {{2, 6, 7, 9}}, kind == NodeKind::softmax ? "softmax_rows" : "layer_norm_rows"), 1);
      converts[shared ? 1 : 0] = passes(kit, {{2, 6, 7, 9}}, "convert");
    }
    EXPECT_LT(converts[0], converts[1]);
  }
}

// Attention: softmax of a product's rows is its tail, whichever head they are of; a scale of a power of two goes into
// the product's own where floats are far from their ends.
TEST(Fusion, RowsOfAttentionBecomeCodesAsTheyAreMade) {
  struct Case {
    NodeKind by = NodeKind::identity;
    float scale = 0;
    float input = 0.02F;
    bool shared = false, turned = false;
    std::string form = "sums+softmax";
  };
  for (const Case& c :
       {Case{}, Case{NodeKind::mul, 0.125F}, Case{NodeKind::div, 8}, Case{NodeKind::mul, -0.5F, 0.02F, false, true},
        Case{NodeKind::mul, 0.3F, 0.02F, false, false, "sums+floats+softmax"},
        Case{NodeKind::div, 8, 0.02F, false, true, "sums+floats+softmax"},
        Case{NodeKind::mul, 0.125F, 1e-18F, false, false, "sums+floats+softmax"},
        Case{NodeKind::mul, 0.125F, 0.02F, true, false, "sums"}}) {
    Kit kit(64);
    const int q = kit.input(DType::u8, c.input, 3), k = kit.input(DType::s8, c.input, -3);
    int f = as_floats(kit, kit.matmul(q, k, 16, 37, DType::s32, 0));
    if (c.by != NodeKind::identity) {
      const int scale = constant(kit, {}, c.scale);
      f = kit.node(c.by, c.turned ? std::vector<int>{scale, f} : std::vector<int>{f, scale}, {});
    }
    const int y = kit.node(NodeKind::softmax, {f}, {-1});
    const int codes = kit.quantize(y, DType::u8, 1 / 255.0F, 0), v = kit.input(DType::s8, 0.02F, 5);
    kit.output(kit.matmul(codes, v, 37, 9, DType::u8, 100));
    if (c.shared) kit.output(y);
    const std::vector<Shape> shapes{{2, 3, 21, 16}, {2, 3, 16, 37}, {2, 3, 37, 9}};
    for (const int threads : {1, 3}) equals_interpreter(kit, shapes, test_threads(threads));
    EXPECT_EQ(passes(kit, shapes, "softmax_rows"), c.shared ? 1 : 0);
    const auto region = make(kit.desc);
    region->start_clock();
    std::vector<HostValue> inputs;
    for (size_t i = 0; i < shapes.size(); ++i) inputs.push_back(kit.draw(kit.desc.inputs[i], shapes[i]));
    ASSERT_TRUE(run_region(*region, kit.desc, inputs).status.ok());
    const std::vector<StepTime> times = region->times();
    EXPECT_TRUE(std::any_of(times.begin(), times.end(), [&](const StepTime& t) { return t.form == c.form; })) << c.form;
  }
}

// A mask of the host's, a row or a matrix for all or for those of an image: added on the way.
TEST(Fusion, MasksOfAttentionAreAddedInside) {
  for (const Shape& mask : {Shape{1, 1, 1, 37}, Shape{37}, Shape{2, 1, 1, 37}, Shape{2, 1, 21, 37}, Shape{1, 1, 21, 37},
                            Shape{21, 37}, Shape{2, 3, 21, 37}, Shape{1, 3, 1, 37}}) {
    Kit kit(65);
    const int q = kit.input(DType::u8, 0.02F, 3), k = kit.input(DType::s8, 0.02F, -3);
    int f = as_floats(kit, kit.matmul(q, k, 16, 37, DType::s32, 0));
    f = kit.node(NodeKind::div, {f, constant(kit, {}, 8)}, {});
    f = kit.node(NodeKind::add, {f, kit.input(DType::f32)}, {});
    const int codes = kit.quantize(kit.node(NodeKind::softmax, {f}, {-1}), DType::u8, 1 / 255.0F, 0);
    kit.output(kit.matmul(codes, kit.input(DType::s8, 0.02F, 5), 37, 9, DType::u8, 100));
    const std::vector<Shape> shapes{{2, 3, 21, 16}, {2, 3, 16, 37}, mask, {2, 3, 37, 9}};
    for (const int threads : {1, 3}) equals_interpreter(kit, shapes, test_threads(threads));
    const bool full = mask == Shape{2, 3, 21, 37}, heads = mask == Shape{1, 3, 1, 37};
    EXPECT_EQ(passes(kit, shapes, "softmax_rows"), full || heads ? 1 : 0);
    EXPECT_EQ(passes(kit, shapes, "float_function"), full ? 1 : 0);
    EXPECT_EQ(passes(kit, shapes, "float_binary"), heads ? 1 : 0);
  }
}

// The same of rows that no product makes.
TEST(Fusion, MasksOfStoredRows) {
  for (const Shape& mask : {Shape{1, 1, 37}, Shape{2, 1, 37}, Shape{21, 37}, Shape{1, 21, 37}, Shape{2, 21, 37}}) {
    Kit kit(66);
    const int x = kit.input(DType::u8, 0.02F, 3);
    const int f = kit.node(NodeKind::layer_norm, {kit.dequantize(x), constant(kit, {37}, 2)}, {-1});
    const int sum = kit.node(NodeKind::add, {kit.input(DType::f32), f}, {});
    kit.output(kit.quantize(kit.node(NodeKind::softmax, {sum}, {-1}), DType::u8, 1 / 255.0F, 0));
    for (const int threads : {1, 3}) equals_interpreter(kit, {{2, 21, 37}, mask}, test_threads(threads));
    EXPECT_EQ(passes(kit, {{2, 21, 37}, mask}, "float_binary"), 0);
  }
}

// What DenseNet joins, each part with a scale of its own: codes are joined, and the functions behind are of the
// channel.
TEST(Fusion, PartsOfDifferentScalesAreJoinedAsCodes) {
  Kit kit(57);
  const int x = kit.input(DType::u8, 0.02F, 3);
  std::vector<int> parts;
  for (const int64_t channels : {5, 17, 8}) {
    const DType type = channels == 17 ? DType::s8 : DType::u8;
    parts.push_back(kit.dequantize(kit.conv(x, filter(6, channels, 3, 1), type, static_cast<int32_t>(channels))));
  }
  int y = kit.node(NodeKind::concat, parts, {1});
  y = kit.node(NodeKind::mul, {y, constant(kit, {30, 1, 1}, 0.5F)}, {});
  y = kit.node(NodeKind::add, {y, constant(kit, {30, 1, 1}, -0.25F)}, {});
  y = kit.quantize(kit.node(NodeKind::relu, {y}, {}), DType::u8, 0.5F, 0);
  kit.output(kit.conv(y, filter(30, 5, 1), DType::u8, 0));
  equals_interpreter(kit, {{2, 6, 9, 7}});
  EXPECT_EQ(passes(kit, {{2, 6, 9, 7}}, "channel_table"), 1);
  EXPECT_EQ(passes(kit, {{2, 6, 9, 7}}, "table_f32"), 0);
  EXPECT_EQ(passes(kit, {{2, 6, 9, 7}}, "move"), 0);
}

// Where products alone are quantized: gates of codes, and what a constant per channel is added to, end as floats.
TEST(Fusion, CodesBecomeFloatsBehindGatesAndBiases) {
  for (const bool gate_first : {false, true}) {
    Kit kit(67);
    const int y = kit.dequantize(kit.conv(kit.input(DType::u8, 0.02F, 3), filter(6, 40, 3, 1), DType::s8, 7));
    const int mean = kit.node(NodeKind::global_average_pool, {y}, {});
    const int gate = kit.dequantize(kit.quantize(kit.node(NodeKind::sigmoid, {mean}, {}), DType::u8, 1 / 255.0F, 0));
    const int gated = kit.node(NodeKind::mul, gate_first ? std::vector{gate, y} : std::vector{y, gate}, {});
    kit.output(kit.node(NodeKind::add, {y, gated}, {}));
    for (const int threads : {1, 3}) equals_interpreter(kit, {{2, 6, 9, 7}}, test_threads(threads));
    EXPECT_EQ(passes(kit, {{2, 6, 9, 7}}, "float_binary"), 0);
    EXPECT_EQ(passes(kit, {{2, 6, 9, 7}}, "table_f32"), 2);
    EXPECT_EQ(passes(kit, {{2, 6, 9, 7}}, "float_function"), 2);  // one is the sigmoid
  }
  Kit kit(68);
  const int x = kit.dequantize(kit.dense(kit.input(DType::u8, 0.02F, 3), 12, 30, DType::u8, 100));
  const int biased = kit.node(NodeKind::add, {constant(kit, {30}, 0.5F), x}, {});
  kit.output(kit.node(NodeKind::softmax, {biased}, {-1}));
  equals_interpreter(kit, {{2, 5, 12}});
  EXPECT_EQ(passes(kit, {{2, 5, 12}}, "channel_floats"), 0);
  EXPECT_EQ(passes(kit, {{2, 5, 12}}, "float_function"), 1);
}

// Two functions of the same codes that differ in the sign of zero.
TEST(Fusion, FloatsOfCodesAreSharedIfTheirBitsAre) {
  Kit kit(70);
  const int y = kit.dequantize(kit.conv(kit.input(DType::u8, 0.02F, 3), filter(6, 40, 3, 1), DType::s8, 7));
  const int gate = kit.dequantize(kit.input(DType::u8, 0.02F, 3));
  for (const int turned :
       {kit.node(NodeKind::neg, {y}, {}), kit.node(NodeKind::sub, {constant(kit, {}, 0.0F), y}, {})}) {
    kit.output(kit.node(NodeKind::mul, {turned, gate}, {}));
  }
  equals_interpreter(kit, {{2, 6, 9, 7}, {2, 40, 1, 1}});
}

// Of a function that falls and rises the greatest is not that of the greatest code.
TEST(Fusion, PoolsOfFunctionsThatFallAndRise) {
  Kit kit(69);
  const int y = kit.dequantize(kit.conv(kit.input(DType::u8, 0.02F, 3), filter(6, 40, 3, 1), DType::s8, 7));
  const int bent = kit.node(NodeKind::hard_swish, {y}, {});
  kit.output(kit.node(NodeKind::max_pool, {bent}, {2, 2, 2, 2, 1, 1, 0, 0, 0, 0}));
  for (const int threads : {1, 3}) equals_interpreter(kit, {{2, 6, 9, 7}}, test_threads(threads));
  EXPECT_EQ(passes(kit, {{2, 6, 9, 7}}, "float_members"), 0);
  EXPECT_EQ(passes(kit, {{2, 6, 9, 7}}, "max_pool"), 1);
}

// Rows of floats that a depthwise product sees as an image, and back: nothing is turned.
TEST(Fusion, RowsSeenAsPixelsStayWhereTheyAre) {
  Kit kit(58);
  const int rows = as_floats(kit, kit.dense(kit.input(DType::u8, 0.02F, 3), 12, 24, DType::s32, 0));
  int y = kit.node(NodeKind::reshape, {kit.node(NodeKind::transpose, {rows}, {0, 2, 1})}, {0, 24, 5, 7});
  OpSpec depthwise = filter(24, 24, 3, 1);
  depthwise.g = 24;
  const int made = on_the_spot(kit, kit.conv(y, depthwise, DType::s32, 0));
  y = kit.node(NodeKind::transpose, {kit.node(NodeKind::reshape, {made}, {0, 24, 35})}, {0, 2, 1});
  kit.output(kit.dense(kit.quantize(y, DType::u8, 1.0F, 90), 24, 6, DType::u8, 100));
  equals_interpreter(kit, {{2, 35, 12}});
  EXPECT_EQ(passes(kit, {{2, 35, 12}}, "move"), 0);
}

}  // namespace
}  // namespace octile::runtime::test
