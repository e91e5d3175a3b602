// Record: one line of the tuning log, what was tried on which machine and what came of it.
// In:  a JSON line.  Out: Record; parse and print round-trip.
// Not here: files (log.h), statistics.  A failure is a record with a verdict and a reason, never a huge time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "workload/base/status.h"

namespace octile::tuner {

inline constexpr int kRecordVersion = 1;
inline constexpr std::string_view kAnyShape = " any-shape";

enum class Verdict : uint8_t { ok, wrong, crashed, timeout, build_failed, rejected };
[[nodiscard]] std::string_view to_string(Verdict verdict);

// trial: one of the search.  final: the longer pair run that ends a search; its candidate is the one to ship.
enum class Phase : uint8_t { trial, final };

struct Record {
  std::string op;      // key of the workload
  std::string target;  // canonical target name
  std::string cand;    // candidate line; in a final record also the default's, when that is the choice
  // What base_us was taken with, in the same process, interleaved: a candidate line, or for the any-shape kernels of a
  // pack the layout half, the pack's identity and kAnyShape: "layout=k4n16 pack=1f2e3d4c any-shape".
  std::string default_cand;
  Phase phase = Phase::trial;
  std::vector<double> us;  // samples of the candidate, microseconds per run; empty unless ok
  double est_us = 0;       // robust estimate of `us`
  double base_us = 0;      // robust estimate of the default candidate's samples
  double noise = 0;        // relative uncertainty of est_us / base_us
  Verdict verdict = Verdict::ok;
  std::string reason;  // why not ok; empty when ok
  std::string halide;  // version of Halide inside kernelc
  std::string commit;  // source commit of kernelc
  std::string host, cpu;
  std::string date;  // UTC, 2026-11-24T00:12:31Z
  uint64_t seed = 0;

  [[nodiscard]] bool is_default() const { return cand == default_cand; }
  // The layout half of the candidate: what stands before its tile.
  [[nodiscard]] std::string_view layout() const;
  // est_us / base_us: below 1 is faster than the default; drift of the machine cancels. 0 when not ok.
  [[nodiscard]] double ratio() const { return base_us > 0 ? est_us / base_us : 0; }
};

// One line without the newline; text that is not UTF-8 is replaced, never refused.
[[nodiscard]] std::string to_json_line(const Record& record);
[[nodiscard]] Result<Record> parse_record(std::string_view line);

}  // namespace octile::tuner
