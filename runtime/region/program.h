// Program: a region at one set of input shapes as stored tensors and the steps that write them.
// In:  nothing.  Out: plain data that lowering makes, fusion shortens, placement gives addresses, execution walks.
// Not here: how a graph becomes one (lower.h), memory (place.cpp), running (execute.cpp).
//
// Codes lie as u8; those of signed values with the top bit flipped and the zero point moved by 128. A store is written
// by one step; concat and pad write theirs in several.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/exec/float_function.h"
#include "runtime/exec/ops/ops.h"
#include "runtime/exec/prepared_op.h"
#include "runtime/region/convert.h"
#include "runtime/region/functions.h"
#include "runtime/region/region.h"
#include "workload/graph/infer.h"

namespace octile::runtime {

// nhwc: the host's NCHW (or NCW) value lies channels innermost. flat: row-major as in the host, any rank.
enum class Order : uint8_t { flat, nhwc };

// Where a store's bytes are during a run.
enum class Home : uint8_t {
  arena,
  input,     // the host's memory, read
  output,    // the host's memory, written
  constant,  // the program's own
};

struct Store {
  Shape shape;  // axes as the host has them
  Order order = Order::flat;
  DType type = DType::u8;   // u8: codes; s32; f32; s64: indices
  bool raw_signed = false;  // the bytes are s8 codes as the host has them: nothing but a conversion may touch them
  Home home = Home::arena;
  int slot = -1;                      // of input or output
  const uint8_t* constant = nullptr;  // home constant
  int alias = -1;                     // memory of this store: its bytes in another shape or order,
  bool slice = false;                 // or, of the same pixels, channels from first_channel on
  int64_t first_channel = 0;
  bool pinned = false;  // its bytes are read as they lie: no halo
  int pad_t = 0, pad_l = 0, pad_b = 0, pad_r = 0;
  uint8_t border_code = 0;
  // Set by placement.
  Tensor tensor;      // codes; data is null
  size_t origin = 0;  // bytes from the start of its memory to element 0
  size_t bytes = 0, offset = 0;

  [[nodiscard]] bool bordered() const { return pad_t + pad_l + pad_b + pad_r > 0; }
};

// A view of a store: axis i of the window walks store axis `of` (-1: an axis of extent 1) from start[of] by step.
// Several axes may walk one store axis. Axes are named, not strides: halos are known last.
struct Window {
  struct Axis {
    int of = -1;
    int64_t step = 1;
  };
  int store = -1;
  Shape shape;
  std::vector<Axis> axes;
  std::vector<int64_t> start;  // per store axis
};

// Do both show the same elements?
[[nodiscard]] bool same_window(const Window& a, const Window& b);

// A copy between windows of one shape. Where at[i] is not empty, axis i of the source is walked through these positions
// (times the axis' step).
struct Move {
  Window from, to;
  std::vector<std::vector<int64_t>> at;
  // Set by placement, in bytes.
  struct Axis {
    int64_t extent = 1, src = 0, dst = 0;
    std::vector<int64_t> offsets;  // instead of src
  };
  std::vector<Axis> axes;  // outermost first; unit axes left out, neighbours joined
  int64_t src_start = 0, dst_start = 0;
  int64_t element = 1;  // 1, 2, 4 or 8
};

// A matrix product or convolution in this program.
struct DotPlan {
  std::shared_ptr<const PreparedOp> op;
  std::shared_ptr<const Choice> choice;
  OpSpec spec;  // shaped
  // Dense with batched variable weights: where each product reads and writes, counted in matrices. Else one.
  struct Product {
    int64_t src = 0, wei = 0, dst = 0;
  };
  std::vector<Product> products{{}};
  int slots = 1;  // products at a time, each on one thread and in scratch of its own
  [[nodiscard]] int64_t macs() const { return spec.macs() * static_cast<int64_t>(products.size()); }
};

enum class StepKind : uint8_t {
  convert,        // layout, sign, quantize, dequantize, requantize
  dot,            // src[0] by weights (src[1]: variable ones, raw)
  table,          // codes to codes
  channel_table,  // codes to codes, a table per channel
  table_f32,      // codes to floats
  binary,         // two tensors of codes of one shape; the second may have one row per image or one for all (gate)
  max_pool,
  average_pool,
  global_average,
  global_max,
  mean_rows,
  max_rows,
  resize_nearest,
  resize_linear,
  move,
  fill,
  softmax_codes,
  softmax_rows,      // floats in, floats out
  layer_norm_rows,   // also of a normalize node, float_kind, which has no scale
  layer_norm_codes,  // the same, codes in, codes out
  arg_max,           // rows of codes or floats in, indices out
  channel_floats,    // codes to floats, a function per channel; element by element
  float_function,    // floats, perhaps with as many others or a gate, to floats
  float_binary,      // broadcast
  float_cast,        // s32 or codes to the numbers themselves
  float_members,     // means and maxima over listed elements: pools, maxima; right, but slow
  float_linear,      // resize; element by element
  float_average,     // means over the pixels of images that lie as nhwc
  float_mean_rows,   // means of rows
  // Products of what is quantized on the spot. Their parameters are a store of two floats: scale, zero point.
  dynamic_range,     // floats to parameters
  dynamic_quantize,  // floats, parameters to codes
};

// What a step is called in reports.
[[nodiscard]] std::string_view name_of(StepKind kind);

inline constexpr size_t kMaxTails = 8;
inline constexpr int64_t kMostCoded = kQuickMost;  // of coded rows: their floats lie on the stack of their task

struct StepTail {
  Tail tail;                // other.data, and sums' parameters that `other` holds, are set in the run
  int other = -1;           // store, -1: none
  bool fills_halo = false;  // quantize: that of `other` is filled with its pixels
  int64_t mask_rows = 1;    // floats: as of a float_function
  std::vector<int> nodes;
  [[nodiscard]] bool writes_other() const { return tail.kind == Tail::Kind::copy || tail.kind == Tail::Kind::quantize; }
  std::shared_ptr<const std::array<uint8_t, 256>> table;  // the tail's own, or what follows a binary one
  std::shared_ptr<const std::vector<uint8_t>> pairs;
  std::shared_ptr<const ChannelLines> lines;
  std::shared_ptr<const FloatFunction> function;
};

// How a pass (passes.h) is cut. Set by placement.
struct PassCut {
  enum class By : uint8_t {
    pixels,    // of all images
    rows,      // of all images
    channels,  // of an image
    bands,     // of the rows of one image: a thread mostly wrote those it adds up
  };
  By by = By::pixels;
  int64_t tasks = 0;             // 0: not a pass
  int64_t rows = 1, pixels = 1;  // pixels: rows of an image, pixels of a row, of which nothing crosses the end
  int64_t parts = 1, group = 1;  // channels: parts of an image, channels of a part
};

// How the sums of a product of what is quantized on the spot become floats, per output channel.
struct SumScales {
  std::vector<int32_t> sums;            // of the weights
  std::vector<float> factors, addends;  // addends: empty if nothing is added
  bool counted = false;                 // they count in the sum
};

struct Step {
  StepKind kind = StepKind::convert;
  int node = -1;            // of the region, for explain
  std::vector<int> others;  // nodes whose work it does as well; a tail's are the tail's
  std::vector<int> src;
  int dst = -1;

  ConvertOp convert;
  DotPlan dot;
  std::vector<StepTail> tails;
  std::shared_ptr<const std::array<uint8_t, 256>> table;  // table, and `after` of binary
  std::shared_ptr<const std::vector<float>> values;    // table_f32, meanings: 256; softmax_codes: 65,536; or by channel
  std::shared_ptr<const ChannelLines> lines;           // channel_table, where all its functions are lines
  std::shared_ptr<const std::vector<uint8_t>> tables;  // channel_table otherwise: 256 per channel
  BinaryForm form;
  std::shared_ptr<const std::vector<uint8_t>> pairs;
  bool gate = false;  // binary: src[1] has one pixel per image, or one row for all
  bool gate_first = false;
  std::vector<int> borders;  // stores whose halo is filled afterwards
  bool fills_halo = false;   // dot, convert: that of dst is filled with its pixels
  PassCut cut;
  bool overlaps = false;        // dot, passes: may run while the step before still does, if that overlaps too
  std::vector<uint64_t> needs;  // then, for each of its tasks: bits of those of the step before that it waits for
  PoolForm pool;
  Meaning meaning;
  QuantizeForm to;
  std::vector<std::vector<int64_t>> lo, hi;  // resize: y then x
  std::vector<std::vector<float>> share;
  Move move;
  bool reorders = false;   // convert, move: a copy for a reader that wants the elements in another order
  uint32_t fill_word = 0;  // fill: a code, or the bits of a number
  int64_t row = 1;         // elements of a row of softmax, layer_norm, means, arg_max
  bool last = false;       // arg_max: of equals the last
  float epsilon = 0;       // of layer_norm
  NormForm norm;           // layer_norm_rows, layer_norm_codes of a normalize node; its table:
  std::shared_ptr<const std::vector<float>> divisors;
  std::shared_ptr<const FloatFunction> function;
  int64_t mask_rows = 1;  // float_function: of a matrix of src[1], if there is one for all matrices or for each image's
  NodeKind float_kind = NodeKind::identity;
  // float_members: elements starts[i] to starts[i + 1] of `members` make element i, which divides by counts[i].
  // float_linear: counts holds the extents before and after.
  std::vector<int64_t> members, starts, counts;
  std::shared_ptr<const SumScales> sums;  // a dot whose tail makes floats of its sums
};

struct Program {
  std::vector<Shape> inputs;
  std::vector<Shape> outputs;
  std::vector<Store> stores;
  std::vector<Step> steps;
  std::vector<std::vector<uint8_t>> constants;  // bytes of constant stores
  std::vector<std::string> how;                 // per node: what became of it
  std::vector<Shape> shapes;                    // per value of the region
  size_t pointers = 0;                          // bytes at the start of the arena for the pointers of a run
  size_t scratch_offset = 0, arena_bytes = 0;
  size_t slot_bytes = 0;  // of scratch: what a task of overlapping steps may borrow, of as many slots as
  int slots = 0;          // there are threads; 0: no step overlaps
  int64_t work = 0;       // of all steps, in multiply-adds
};

// Extents of a store as an image or as rows: n, h, w, c.
struct Extents {
  int64_t n = 1, h = 1, w = 1, c = 1;
};
[[nodiscard]] Extents extents_of(const Shape& shape, Order order);
// NCHW and NHWC are the same bytes: one pixel per image, or one channel.
[[nodiscard]] bool same_bytes(const Shape& shape);

}  // namespace octile::runtime
