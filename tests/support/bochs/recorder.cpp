// Recorder: stands in for the kernels of a pack, answers by plain loops, and keeps every call for a replay.
// In:  see recorder.h.  Out: see recorder.h.  Not here: what the answers are (plain_kernels.cpp).
//
// A kernel is a bare function pointer, so which entry was called must be in the function itself: one small function per
// family and slot, made by the compiler.
#include "tests/support/bochs/recorder.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "tests/support/bochs/plain_kernels.h"
#include "workload/base/status.h"

namespace octile::testing {
namespace {

constexpr size_t kSlots = 256;
Recorder* active = nullptr;

using Buffer = octile_buffer*;

replay_call call_of(replay_family family) {
  replay_call call{};
  call.family = family;
  return call;
}

replay_call with_clamp(replay_family family, float lo, float hi, int32_t zp) {
  replay_call call = call_of(family);
  call.lo = lo;
  call.hi = hi;
  call.zp = zp;
  return call;
}

template <size_t Slot>
struct Trampolines {
  static int dot(Buffer src, Buffer wei, Buffer bias, Buffer mult, float lo, float hi, int32_t zp, Buffer dst) {
    return active->record(Slot, with_clamp(REPLAY_DOT, lo, hi, zp), {src, wei, bias, mult, dst});
  }
  static int dotz(Buffer src, Buffer wei, Buffer bias, Buffer mult, float lo, float hi, int32_t zp, Buffer wzp,
                  Buffer rowsum, Buffer dst) {
    return active->record(Slot, with_clamp(REPLAY_DOTZ, lo, hi, zp), {src, wei, bias, mult, wzp, rowsum, dst});
  }
  static int depthwise(Buffer src, Buffer wei, Buffer bias, Buffer mult, float lo, float hi, int32_t zp, Buffer dst) {
    return active->record(Slot, with_clamp(REPLAY_DEPTHWISE, lo, hi, zp), {src, wei, bias, mult, dst});
  }
  static int quantize(Buffer src, float scale, float lo, float hi, int32_t zp, Buffer dst) {
    replay_call call = with_clamp(REPLAY_QUANTIZE, lo, hi, zp);
    call.scale = scale;
    return active->record(Slot, call, {src, dst});
  }
  static int dequantize(Buffer src, float scale, int32_t zp, Buffer dst) {
    replay_call call = with_clamp(REPLAY_DEQUANTIZE, 0, 0, zp);
    call.scale = scale;
    return active->record(Slot, call, {src, dst});
  }
  static int requantize(Buffer src, int32_t src_zp, Buffer mult, float lo, float hi, int32_t zp, Buffer dst) {
    replay_call call = with_clamp(REPLAY_REQUANTIZE, lo, hi, zp);
    call.src_zp = src_zp;
    return active->record(Slot, call, {src, mult, dst});
  }
  static int transpose(Buffer src, uint8_t flip, Buffer dst) {
    replay_call call = call_of(REPLAY_TRANSPOSE);
    call.flip = flip;
    return active->record(Slot, call, {src, dst});
  }
  // Held to the contract's types here, handed out as plain addresses.
  static void* of(std::string_view family) {
    if (family == "dot") return reinterpret_cast<void*>(static_cast<octile_dot_fn>(dot));
    if (family == "dotz") return reinterpret_cast<void*>(static_cast<octile_dotz_fn>(dotz));
    if (family == "depthwise") return reinterpret_cast<void*>(static_cast<octile_depthwise_fn>(depthwise));
    if (family == "quantize") return reinterpret_cast<void*>(static_cast<octile_quantize_fn>(quantize));
    if (family == "dequantize") return reinterpret_cast<void*>(static_cast<octile_dequantize_fn>(dequantize));
    if (family == "requantize") return reinterpret_cast<void*>(static_cast<octile_requantize_fn>(requantize));
    if (family == "transpose") return reinterpret_cast<void*>(static_cast<octile_transpose_fn>(transpose));
    return nullptr;
  }
};

using Lookup = void* (*)(std::string_view);
template <size_t... Slot>
constexpr std::array<Lookup, sizeof...(Slot)> lookups(std::index_sequence<Slot...>) {
  return {Trampolines<Slot>::of...};
}

// The bytes a buffer spans: first byte, where element 0 lies behind it, and how many.
struct Span {
  uint8_t* first;
  size_t host, bytes;
};
Span span_of(const octile_buffer& b) {
  int64_t low = 0;
  int64_t high = 0;
  for (int d = 0; d < b.dimensions; ++d) {
    const int64_t reach = int64_t{b.dim[d].stride} * (b.dim[d].extent - 1);
    (reach < 0 ? low : high) += reach;
  }
  const int64_t element = b.type.bits / 8;
  return {b.host + low * element, static_cast<size_t>(-low * element), static_cast<size_t>((high - low + 1) * element)};
}

void describe(replay_buffer& to, const octile_buffer& from) {
  to.code = from.type.code;
  to.bits = from.type.bits;
  to.dimensions = static_cast<uint16_t>(from.dimensions);
  for (int d = 0; d < from.dimensions; ++d) {
    to.extent[d] = from.dim[d].extent;
    to.stride[d] = from.dim[d].stride;
  }
}

uint32_t misalignment(const uint8_t* p) { return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(p) % 64); }

// Copies the elements of one buffer to another of the same shape and strides.
void copy_elements(const octile_buffer& to, const octile_buffer& from, int d, int64_t offset) {
  const int64_t element = to.type.bits / 8;
  if (d < 0) {
    std::memcpy(to.host + offset * element, from.host + offset * element, static_cast<size_t>(element));
    return;
  }
  for (int64_t i = 0; i < to.dim[d].extent; ++i) copy_elements(to, from, d - 1, offset + i * to.dim[d].stride);
}

}  // namespace

Recorder::Recorder() {
  OCTILE_CHECK(active == nullptr);
  active = this;
}

Recorder::~Recorder() { active = nullptr; }

void* Recorder::function_for(const packs::KernelEntry& entry) {
  static constexpr auto kLookups = lookups(std::make_index_sequence<kSlots>());
  if (slots_.size() == kSlots) return nullptr;
  void* fn = kLookups[slots_.size()](entry.family);
  if (fn == nullptr) return nullptr;
  slots_.push_back(entry);
  counts_.push_back(0);
  return fn;
}

uint64_t Recorder::store(const uint8_t* bytes, size_t size, uint32_t misaligned) {
  std::string key(reinterpret_cast<const char*>(bytes), size);
  key.push_back(static_cast<char>(misaligned));
  const auto [found, fresh] = known_chunks_.try_emplace(std::move(key), 0);
  if (fresh) {
    // Behind the bytes there is room for reads the contract allows; what they find there must not matter.
    const size_t start = (data_.size() + 63) / 64 * 64 + misaligned;
    data_.resize(start + size + 64, 0x5A);
    std::memcpy(data_.data() + start, bytes, size);
    found->second = start;
  }
  return found->second;
}

void Recorder::add_input(replay_buffer& to, const octile_buffer& from) {
  const Span span = span_of(from);
  describe(to, from);
  to.misalignment = misalignment(span.first);
  to.host = span.host;
  to.bytes = span.bytes;
  to.data = store(span.first, span.bytes, to.misalignment);
}

int Recorder::record(size_t slot, replay_call call, std::vector<octile_buffer*> buffers) {
  call.symbol = static_cast<uint32_t>(slot);
  call.op = op_;
  call.buffers = static_cast<uint32_t>(buffers.size());
  octile_buffer& dst = *buffers.back();
  for (int d = 0; d < dst.dimensions; ++d) {
    if (dst.dim[d].extent <= 0) return -1;
  }
  for (size_t i = 0; i + 1 < buffers.size(); ++i) add_input(call.buffer[i], *buffers[i]);

  // The answer, in a canary-filled buffer of the same geometry; then into the caller's.
  const Span span = span_of(dst);
  const uint32_t misaligned = misalignment(span.first);
  std::vector<uint8_t> expected(span.bytes + 2 * REPLAY_MARGIN, REPLAY_CANARY);
  octile_buffer answer = dst;
  answer.host = expected.data() + REPLAY_MARGIN + span.host;
  std::vector<octile_buffer> plain;
  for (const octile_buffer* b : buffers) plain.push_back(*b);
  plain.back() = answer;
  if (!run_plain(call, plain)) return -1;
  copy_elements(dst, answer, dst.dimensions - 1, 0);

  replay_buffer& to = call.buffer[buffers.size() - 1];
  describe(to, dst);
  to.misalignment = misaligned;  // the margin is a multiple of 64, so it keeps the alignment
  to.host = REPLAY_MARGIN + span.host;
  to.bytes = expected.size();
  to.data = store(expected.data(), expected.size(), 0);
  calls_.push_back(call);
  ++counts_[slot];
  return 0;
}

std::vector<uint8_t> Recorder::blob() const {
  replay_header header{};
  header.magic = REPLAY_MAGIC;
  header.symbols = slots_.size();
  header.calls = calls_.size();
  std::string names;
  for (const packs::KernelEntry& entry : slots_) names += entry.name + '\0';
  const auto round_up = [](size_t n) { return (n + 63) / 64 * 64; };
  header.symbols_at = round_up(sizeof header);
  header.calls_at = round_up(header.symbols_at + names.size());
  const size_t data_at = round_up(header.calls_at + calls_.size() * sizeof(replay_call));

  std::vector<uint8_t> blob(data_at + data_.size());
  std::memcpy(blob.data(), &header, sizeof header);
  std::memcpy(blob.data() + header.symbols_at, names.data(), names.size());
  std::vector<replay_call> calls = calls_;
  for (replay_call& call : calls) {
    for (uint32_t i = 0; i < call.buffers; ++i) call.buffer[i].data += data_at;
  }
  std::memcpy(blob.data() + header.calls_at, calls.data(), calls.size() * sizeof(replay_call));
  std::copy(data_.begin(), data_.end(), blob.begin() + static_cast<std::ptrdiff_t>(data_at));
  return blob;
}

}  // namespace octile::testing
