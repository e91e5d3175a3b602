// Frame: the buffers of one kernel call, on the stack.
// In:  pointers, extents, strides.  Out: octile_buffers with min 0 everywhere.
// Not here: what they mean (pack_abi.h).
#pragma once

#include <array>
#include <cstdint>

#include "packs/format/pack_abi.h"

namespace octile::runtime {

enum TypeCode : uint8_t { kInt = 0, kUInt = 1, kFloat = 2 };

template <int N>
struct Buffer {
  std::array<octile_dim, N> dims{};
  octile_buffer raw{};

  Buffer(TypeCode code, int bits) {
    raw.type = {code, static_cast<uint8_t>(bits), 1};
    raw.dimensions = N;
    raw.dim = dims.data();
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void set(int d, int64_t extent, int64_t stride) {
    dims[static_cast<size_t>(d)].extent = static_cast<int32_t>(extent);
    dims[static_cast<size_t>(d)].stride = static_cast<int32_t>(stride);
  }
  void at(const void* p) { raw.host = static_cast<uint8_t*>(const_cast<void*>(p)); }
};

}  // namespace octile::runtime
