// Record to and from JSON: the only file of the tuner that knows the log's field names.
// In:  one line.  Out: Record, or what is wrong with the line.  Not here: files.
#include "tuner/log/record.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

namespace octile::tuner {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 6> kVerdicts = {"ok", "wrong", "crashed", "timeout", "build_failed", "rejected"};

// A tenth of a nanosecond is finer than any clock here and keeps lines short.
double rounded(double v) { return std::round(v * 1e4) / 1e4; }

}  // namespace

std::string_view to_string(Verdict verdict) { return kVerdicts[static_cast<size_t>(verdict)]; }

std::string_view Record::layout() const {
  const std::string_view line = cand;
  return line.substr(0, std::min({line.find(" tile="), line.find(" pack="), line.find(kAnyShape)}));
}

std::string to_json_line(const Record& r) {
  Json j;
  j["v"] = kRecordVersion;
  j["op"] = r.op;
  j["target"] = r.target;
  j["cand"] = r.cand;
  j["default"] = r.default_cand;
  j["phase"] = r.phase == Phase::final ? "final" : "trial";
  Json us = Json::array();
  for (double v : r.us) us.push_back(rounded(v));
  j["us"] = std::move(us);
  j["est_us"] = rounded(r.est_us);
  j["base_us"] = rounded(r.base_us);
  j["noise"] = rounded(r.noise);
  j["verdict"] = to_string(r.verdict);
  j["reason"] = r.reason;
  j["halide"] = r.halide;
  j["commit"] = r.commit;
  j["host"] = r.host;
  j["cpu"] = r.cpu;
  j["date"] = r.date;
  j["seed"] = r.seed;
  return j.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Record> parse_record(std::string_view line) {
  const Json j = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (j.is_discarded() || !j.is_object()) return Status(Code::corrupt, "not a JSON object");
  try {
    if (!j.contains("v") || j.at("v") != kRecordVersion) {
      return Status(Code::unsupported, "not a version " + std::to_string(kRecordVersion) + " record");
    }
    Record r;
    r.op = j.at("op").get<std::string>();
    r.target = j.at("target").get<std::string>();
    r.cand = j.at("cand").get<std::string>();
    r.default_cand = j.value("default", std::string());
    r.phase = j.value("phase", std::string("trial")) == "final" ? Phase::final : Phase::trial;
    r.us = j.at("us").get<std::vector<double>>();
    r.est_us = j.at("est_us").get<double>();
    r.base_us = j.at("base_us").get<double>();
    r.noise = j.value("noise", 0.0);
    const auto verdict = j.at("verdict").get<std::string>();
    size_t index = 0;
    while (index < kVerdicts.size() && kVerdicts[index] != verdict) ++index;
    if (index == kVerdicts.size()) return Status(Code::corrupt, "unknown verdict \"" + verdict + "\"");
    r.verdict = static_cast<Verdict>(index);
    if (r.verdict == Verdict::ok && !(r.est_us > 0)) return Status(Code::corrupt, "verdict ok without a time");
    r.reason = j.value("reason", std::string());
    r.halide = j.value("halide", std::string());
    r.commit = j.value("commit", std::string());
    r.host = j.value("host", std::string());
    r.cpu = j.value("cpu", std::string());
    r.date = j.value("date", std::string());
    r.seed = j.value("seed", uint64_t{0});
    return r;
  } catch (const Json::exception& e) {
    return Status(Code::corrupt, std::string("bad field: ") + e.what());
  }
}

}  // namespace octile::tuner
