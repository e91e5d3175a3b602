// Lowering: a graph at one set of input shapes becomes a program.
// In:  Recipe (the region, prepared), input shapes.  Out: Program: stores and steps, not yet fused or placed.
// Not here: fusion of steps (fuse.h), memory (place.h).
//
// Every value is kept symbolic as long as it can be: codes as a table over codes stored before, floats as a function of
// codes, or of two tensors of codes, movements of elements as windows on what is stored. A step appears only where a
// reader needs bytes. So a chain of any length between a dequantize and a quantize is one table, also through the
// quantizes in between, and a transpose that a layout swallows is nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/exec/float_function.h"
#include "runtime/region/functions.h"
#include "runtime/region/program.h"
#include "workload/graph/resize.h"

namespace octile::runtime {

// What a region keeps whatever the shapes.
struct Recipe {
  std::shared_ptr<const KernelLibrary> library;  // first: outlives the ops
  Isa best = Isa::portable;
  int threads = 1;
  RegionDesc desc;                          // constant weights of convolutions dropped, they live packed in ops
  std::vector<Order> orders;                // per value: how it likes to lie where it is four-dimensional
  std::vector<std::vector<int>> consumers;  // per value: nodes, ascending; twice where read twice
  std::vector<int> producers;               // per value: node, -1: none
  std::vector<int> outputs;                 // per value: how often it is an output
  std::vector<std::shared_ptr<const PreparedOp>> ops;  // per node; null: no kernels, or variable weights
  std::vector<std::shared_ptr<const SumScales>> sums;  // per node: of a dynamic one
  FormCache forms;
};

// Orders by who reads and writes: convolutions and pools want nhwc, matrices flat, the others what their neighbours
// have. What lies on the other side of a transpose of an image has its channels last as it is.
[[nodiscard]] std::vector<Order> choose_orders(const RegionDesc& desc);
// Fills in what a recipe says of each value: its order, its readers and its writer.
void connect(Recipe& recipe, const RegionDesc& desc);
// Images between channels first and channels last, as models have them that were saved for NHWC kernels.
inline const std::vector<int64_t> kFirstToLast{0, 2, 3, 1}, kLastToFirst{0, 3, 1, 2};
// A window's axes in another order, as a transpose has them: none of them negative.
[[nodiscard]] Window turned(const Window& from, const std::vector<int64_t>& order);
// The node's spec with the smallest spatial extents that have an output: what an op is before shapes are known.
[[nodiscard]] OpSpec shapeless(const NodeDesc& node);
// A ConvTranspose as a convolution of stride 1 with a group of channels per output phase (lower_transposed.cpp).
struct Phases {
  OpSpec spec;
  OpQuant quant;
  std::vector<uint8_t> wei;
  bool phase_major = true;  // channels: phase, then channel; else channel, then phase
};
[[nodiscard]] Phases phases_of(const NodeDesc& node);
// Does a tensor have one pixel per image of another one, or one row for all of it?
[[nodiscard]] bool is_gate(const Shape& gate, const Shape& dims, Order order);
// Of a dynamic product; zero points are taken off the sums of its weights (lower_dynamic.cpp).
[[nodiscard]] SumScales sum_scales(const NodeDesc& node);

// A node in reports: convolutions, matrix products and conversions as an op, others by kind and shapes.
[[nodiscard]] std::string op_line(const RegionDesc& desc, const Program& program, int node);

[[nodiscard]] Result<std::shared_ptr<Program>> lower(const Recipe& recipe, const std::vector<Shape>& inputs);

inline constexpr size_t kMaxRank = 16;

// Internal to lowering.

// Codes that are map[what root shows]; `made` once they are stored as such.
struct Codes {
  Window root;
  ByteFn map;
  std::optional<Window> made;
  bool is_signed = false;
};

// A float value that is a function of two tensors of codes, broadcast to one shape.
struct Pair {
  int a = -1, b = -1;  // codes
  PairFunction function;
};

// A float value that is a function of stored floats of its shape, which lie in the order of the source.
struct Chain {
  int source = -1, other = -1;  // stores; other: -1 none, floats or codes in that order too, a gate, or a mask
  int64_t mask_rows = 1;        // see Step
  FloatFunction function;
};

struct Value {
  enum class Kind : uint8_t { none, codes, function, channels, pair, chain, plain };
  Kind kind = Kind::none;
  int codes = -1;    // codes, function
  FloatFn function;  // function: of the codes as stored once they are made
  // channels: a function per position of one axis, the innermost where the codes lie.
  std::shared_ptr<const std::vector<FloatTable>> per_channel;
  size_t axis = 0;
  std::shared_ptr<Pair> pair;
  std::shared_ptr<const Chain> chain;
  Window plain;                  // f32, s32 or s64, stored
  std::optional<float> scalar;   // its only element, where that is known
  std::optional<Window> floats;  // function and pair: once stored as floats
};

// The value with f(float, channel) behind its functions per channel.
[[nodiscard]] Value map_channels(const Value& from, const std::function<float(float, size_t)>& f);

// The same elements with this axis as the last one, and back.
[[nodiscard]] Window to_end(Window window, size_t axis);
[[nodiscard]] Window from_end(Window window, size_t axis);

class Lowering {
 public:
  Lowering(const Recipe& recipe, Program& program);
  [[nodiscard]] Status run(const std::vector<Shape>& inputs);

 private:
  // lower.cpp: the walk, values at the border.
  [[nodiscard]] Status infer(const std::vector<Shape>& inputs);
  void start_values();
  void start_constant(size_t value);
  [[nodiscard]] Status lower_node(int index);
  [[nodiscard]] Status lower_spec(int index);
  [[nodiscard]] Order leaving_order(const Window& window) const;
  void write_outputs();

  // lower_stores.cpp: stores, windows, what a reader needs.
  int add_store(Shape shape, Order order, DType type);
  [[nodiscard]] Step& add_step(StepKind kind, std::vector<int> src, int dst);
  [[nodiscard]] Window window_of(int store) const;
  [[nodiscard]] Order order_for(size_t value, size_t rank) const;
  [[nodiscard]] std::vector<int64_t> strides_of(const Store& store) const;  // per axis, in elements, without a halo
  // The window's bytes as a whole store in this order: itself, another reading of the same bytes, or a copy.
  int whole(const Window& window, Order order, bool may_border = false);
  int read_as(int store, const Shape& shape, Order order);
  [[nodiscard]] bool lies_like(const Window& window, Order order) const;
  [[nodiscard]] bool reordered(const Window& window, Order order) const;
  int copied(const Window& window, Order order);
  Step& copy_into(const Window& from, const Window& to);
  // Will some reader of this code value want its bytes, rather than a function of them?
  [[nodiscard]] bool needs_bytes(size_t value) const;
  [[nodiscard]] bool permuted(const Window& window) const;
  const Window& made(int codes);  // codes stored as such
  Window stored(int codes);       // the same, never as the host has signed ones
  int codes_store(int codes, Order order, bool may_border = false);
  int floats_store(size_t value);  // flat
  Window floats_window(size_t value);
  [[nodiscard]] int known_floats(int codes, const FloatFn& means) const;  // -1: not made yet
  int floats_of_codes(int codes, const FloatFn& means);
  [[nodiscard]] Order order_of(const Window& window) const;  // how its elements are best read as they lie
  // Stored ones that lie as nhwc, or are stored for this; -1: they do not.
  int floats_as_pixels(size_t value, bool also_of_codes);
  int floats_in_place(size_t value);  // those of an image may lie as nhwc
  int raw_store(int codes);           // flat, signed codes as the host has them
  int add_codes(int store, bool is_signed);
  int add_codes(Window window, bool is_signed);
  void set_codes(size_t value, int codes);
  void set_plain(size_t value, int store);
  void set_like(size_t value, Value from, Window window);  // what `from` is, of codes that are moved or chosen

  // lower_pointwise.cpp
  [[nodiscard]] Status lower_quantize(int index);
  [[nodiscard]] Status lower_dequantize(int index);
  [[nodiscard]] Status lower_requantize(int index);
  [[nodiscard]] Status lower_unary(int index);
  [[nodiscard]] Status lower_binary(int index);
  void lower_binary_scalar(int index, size_t of, float scalar, bool scalar_first);
  void lower_cast(int index);
  [[nodiscard]] Result<int> quantize_value(size_t value, const QuantizeTo& to, Order order);
  [[nodiscard]] Result<int> quantize_pair(const Pair& pair, const Shape& shape, const QuantizeTo& to, Order order);
  // Functions of one code and its channel: a constant per channel enters.
  [[nodiscard]] bool lower_channels(int index, size_t of, size_t constant, bool constant_first);
  [[nodiscard]] bool join_channels(int index);
  [[nodiscard]] bool coded_in_the_end(size_t value) const;
  void forget_channels(size_t value);
  [[nodiscard]] int quantize_channels(const Value& value, const Shape& dims, const QuantizeTo& to);
  [[nodiscard]] int channels_store(const Value& value, const Shape& dims);
  int expanded(int codes, const Shape& shape, Order order);
  void reshape_leading(size_t value, const Value& from);
  // The quantize that alone reads this value; -1: none. With `turns` also one behind transposes, which are added there.
  [[nodiscard]] int sole_quantize(size_t value, std::vector<int>* turns = nullptr) const;

  // lower_floats.cpp
  void lower_float_unary(int index, const Unary& f);
  void lower_float_binary(int index);
  [[nodiscard]] Chain chain_of(size_t value);
  void put_beside(Chain& chain, int codes, const FloatTable& means);
  [[nodiscard]] bool put_pair(Chain& chain, const Pair& pair, const Shape& dims);
  void open_pair(size_t value);
  int pair_store(const Pair& pair, const Shape& dims);
  void set_chain(size_t value, Chain chain);
  void settle(size_t value);  // a chain becomes a step
  // Stores that steps on floats make: in the order of the first source; of two that are broadcast.
  int add_function(const Chain& chain);
  int add_float_binary(NodeKind kind, std::vector<int> sources, const Shape& dims);

  // lower_windows.cpp
  [[nodiscard]] Status lower_max_pool(int index);
  [[nodiscard]] Status lower_average(int index);
  [[nodiscard]] Status lower_reduce_max(int index);
  [[nodiscard]] Status lower_float_window(int index);
  [[nodiscard]] Status lower_float_rows(int index);
  // The axes a mean goes over.
  [[nodiscard]] static Result<std::vector<bool>> mean_axes(const NodeDesc& node, size_t rank);
  // The reader of a float value becomes codes at once: its quantize is lowered along.
  void quantized_along(int quantize, int codes);
  // The transposes between a value and that quantize, lowered along too.
  [[nodiscard]] Result<Window> turned_along(const std::vector<int>& turns, Window window);

  // lower_rows.cpp
  [[nodiscard]] Status lower_softmax(int index);
  [[nodiscard]] Status lower_layer_norm(int index);
  [[nodiscard]] Status lower_normalize(int index);
  [[nodiscard]] Status lower_arg_max(int index);
  [[nodiscard]] Status lower_resize(int index);
  void lower_float_linear(int index, const Resize& resize);

  // lower_movement.cpp
  [[nodiscard]] Status lower_movement(int index);
  // The elements of one operand, moved; `code` fills what a pad adds.
  [[nodiscard]] Result<Window> moved(const NodeDesc& node, const Window& from, const Shape& dims, uint32_t code,
                                     Order order);
  [[nodiscard]] Window reshaped(const Window& from, const Shape& dims);
  int pixels_as_one_axis(const Window& from);
  [[nodiscard]] Window padded(const NodeDesc& node, const Window& from, const Shape& dims, uint32_t code, Order order);
  [[nodiscard]] Window blocked(const NodeDesc& node, const Window& from, const Shape& dims, Order order);
  [[nodiscard]] Window repeated(const Window& from, const Shape& dims, Order order);
  [[nodiscard]] Result<Window> gathered(const NodeDesc& node, const Window& from, const Shape& dims, Order order);
  [[nodiscard]] Window picked(const Window& from, const Shape& dims, std::vector<std::vector<int64_t>> at, Order order);
  [[nodiscard]] Status lower_concat(int index);
  [[nodiscard]] Window concatenated(const NodeDesc& node, const std::vector<Window>& from, const Shape& dims,
                                    Order order);
  [[nodiscard]] int pad_code(const NodeDesc& node, const Value& value) const;

  // lower_dot.cpp
  [[nodiscard]] Status lower_conv(int index);
  [[nodiscard]] Status lower_dense(int index);
  [[nodiscard]] Status lower_transposed(int index);
  [[nodiscard]] Status lower_dynamic(int index);
  struct Pads {
    int64_t t = 0, l = 0, b = 0, r = 0;
  };
  static void widen_halo(Store& store, const Pads& pads);
  int bordered(const Window& window, const Pads& pads, uint8_t code);
  int readable(int store, bool whole_words);
  void add_scales(int index, Step& step, int64_t channels);
  [[nodiscard]] Status finish_dot(int index, Step& step, const OpSpec& spec, int dst);

  [[nodiscard]] const NodeDesc& node(int index) const { return recipe_.desc.nodes[static_cast<size_t>(index)]; }
  [[nodiscard]] size_t in(int index, size_t i) const { return static_cast<size_t>(node(index).inputs[i]); }
  [[nodiscard]] size_t out(int index) const { return static_cast<size_t>(node(index).output); }
  [[nodiscard]] const Shape& shape(size_t value) const { return shapes_[value]; }
  [[nodiscard]] Store& store(int s) { return program_.stores[static_cast<size_t>(s)]; }
  [[nodiscard]] const Store& store(int s) const { return program_.stores[static_cast<size_t>(s)]; }
  [[nodiscard]] Codes& codes(int c) { return codes_[static_cast<size_t>(c)]; }
  static Status in_node(const NodeDesc& node, const Status& status);
  void say(int index, std::string how) { program_.how[static_cast<size_t>(index)] = std::move(how); }

  const Recipe& recipe_;
  Program& program_;
  std::vector<Shape> shapes_;
  std::vector<Value> values_;
  std::vector<Codes> codes_;
  std::vector<bool> done_;  // nodes another node has lowered along
  int at_ = -1;             // node being lowered
  struct Copy {
    Window window;
    Order order;
    int store;
  };
  std::vector<Copy> copies_;  // made for readers that want another order
  struct Dequantized {
    int codes;
    FloatFn means;
    int floats;
  };
  std::vector<Dequantized> dequantized_;
  struct Quantized {
    int floats, parameters, codes;
    bool image;
  };
  std::vector<Quantized> quantized_;  // on the spot, shared by all who read the same floats
};

}  // namespace octile::runtime
