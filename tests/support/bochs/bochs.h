// Runs a member's recorded kernel calls on Bochs' emulated Ice Lake, bare-metal.
// In:  the guest image, an ELF member, a replay blob.  Out: how many calls there were and how many went wrong.
// Not here: recording the calls (recorder.h), what runs inside (guest.c).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workload/base/status.h"

namespace octile::testing {

struct ReplayResult {
  int64_t bad = 0, calls = 0;
  std::string text;  // what the guest printed: the first failing call, or the exception that ended it
};

// A missing emulator, a trap in a kernel, a timeout: a Status that says which, with the guest's last words.
[[nodiscard]] Result<ReplayResult> replay_on_bochs(const std::string& guest_image, const std::vector<uint8_t>& member,
                                                   const std::vector<uint8_t>& blob, int timeout_seconds);

}  // namespace octile::testing
