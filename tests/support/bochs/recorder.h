// Recorder: stands in for the kernels of a pack, answers by plain loops, and keeps every call for a replay.
// In:  kernel entries; calls through the function pointers handed out.  Out: a replay blob (replay.h).
// Not here: running the blob (bochs.h), choosing what to call (the runtime, on random operations).
// One Recorder records at a time, on one thread.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "packs/format/manifest.h"
#include "packs/format/pack_abi.h"
#include "tests/support/bochs/replay.h"

namespace octile::testing {

class Recorder {
 public:
  Recorder();
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // A function of the entry's family (pack_abi.h) that answers and records; null once all slots are taken, or for an
  // unknown family.
  [[nodiscard]] void* function_for(const packs::KernelEntry& entry);
  // Calls from now on belong to this operation (it is named when one of them fails).
  void begin_operation(uint32_t op) { op_ = op; }

  [[nodiscard]] size_t calls() const { return calls_.size(); }
  [[nodiscard]] size_t bytes() const { return data_.size(); }
  // How often the entry handed in as the `slot`th was called.
  [[nodiscard]] int64_t calls_of(size_t slot) const { return counts_[slot]; }
  [[nodiscard]] std::vector<uint8_t> blob() const;

  // What the trampolines call. The last buffer is the destination; buffers before it are copied as they are.
  int record(size_t slot, replay_call call, std::vector<octile_buffer*> buffers);

 private:
  void add_input(replay_buffer& to, const octile_buffer& from);
  uint64_t store(const uint8_t* bytes, size_t size, uint32_t misalignment);

  std::vector<packs::KernelEntry> slots_;
  std::vector<int64_t> counts_;
  std::vector<replay_call> calls_;
  std::vector<uint8_t> data_;                               // chunks, each at 64 plus its misalignment
  std::unordered_map<std::string, uint64_t> known_chunks_;  // equal chunks are kept once
  uint32_t op_ = 0;
};

}  // namespace octile::testing
