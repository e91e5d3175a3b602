// Trials of the runner; see trial.h.
// In:  op, seed.  Out: verdicts.  Not here: clocks.
#include "runtime/runner/trial.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <sstream>

#include "runtime/exec/padded.h"
#include "workload/reference/reference.h"

namespace octile::runtime {
namespace {

Status bad(const std::string& what) { return {Code::invalid_argument, "run: " + what}; }

// Widest weight magnitude for which any draw is group-safe: 2 * group of them may have one sign and sum to 128.
int weight_bound(int group) { return group == 0 ? 127 : 128 / (2 * group); }

}  // namespace

Result<RunRequest> parse_run(const std::string& text) {
  RunRequest r;
  const size_t op = text.find("op=");
  if (op == std::string::npos) return bad("no op=");
  OCTILE_ASSIGN_OR_RETURN(r.op, parse_op(std::string_view(text).substr(op + 3)));
  std::istringstream in(text.substr(0, op));
  std::string field;
  std::string target_name = "host";
  while (in >> field) {
    const size_t eq = field.find('=');
    const std::string key = field.substr(0, eq), value = eq == std::string::npos ? "" : field.substr(eq + 1);
    if (key == "seed") {
      r.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (key == "rounds") {
      r.rounds = std::clamp(std::atoi(value.c_str()), 1, 100000);
    } else if (key == "sample_us") {
      r.sample_us = std::atof(value.c_str());
    } else if (key == "target") {
      target_name = value;
    } else {
      return bad("unknown field '" + key + "'");
    }
  }
  OCTILE_ASSIGN_OR_RETURN(const TargetDesc* const desc, find_target(target_name));
  r.isa = desc->isa;
  return r;
}

TrialData draw(const OpSpec& op, uint64_t seed, int group) {
  TrialData d;
  if (op.kind != OpKind::conv2d && op.kind != OpKind::dense) {
    d.status =
        Status(Code::unsupported, "only conv2d and dense are timed here, not " + std::string(to_string(op.kind)));
    return d;
  }
  std::mt19937_64 rng(seed);
  const auto pick = [&](int64_t lo, int64_t hi) { return lo + static_cast<int64_t>(rng() % (hi - lo + 1)); };
  const int bound = weight_bound(group);
  OpQuant& q = d.quant;
  q.src_scale = 0.02F;
  if (op.src_zp) q.src_zp = static_cast<int32_t>(pick(qmin_of(op.src), qmax_of(op.src)));
  if (op.dst_zp && size_of(op.dst) == 1) q.dst_zp = static_cast<int32_t>(pick(qmin_of(op.dst), qmax_of(op.dst)));
  const auto channels = static_cast<size_t>(op.channels());
  q.wei_scale.assign(op.wei_per_oc ? channels : 1, 0);
  for (float& s : q.wei_scale) s = static_cast<float>(0.001 * static_cast<double>(pick(500, 1500)));
  const int32_t centre = op.wei == DType::u8 ? 128 : 0;
  // Variable weights away from the centre, as hosts have them: that is what their dotz kernels are for.
  q.wei_zp.assign(q.wei_scale.size(), op.wei_zp ? centre + (op.wei_var ? 5 : 0) : 0);
  const double depth =
      op.kind == OpKind::dense ? static_cast<double>(op.k) : static_cast<double>(op.ic / op.g * op.kh * op.kw);
  q.dst_scale = static_cast<float>(0.02 * bound * std::sqrt(depth));
  q.clamp_lo = qmin_of(op.dst);
  q.clamp_hi = qmax_of(op.dst);
  if (op.post != Post::none) q.clamp_lo = std::max(q.dst_zp, qmin_of(op.dst));
  for (size_t i = 0; op.bias && i < channels; ++i) q.bias.push_back(static_cast<int32_t>(pick(-5000, 5000)));
  d.src.resize(static_cast<size_t>(op.src_elements()));
  for (uint8_t& v : d.src) v = static_cast<uint8_t>(rng() >> 56);
  d.wei.resize(static_cast<size_t>(op.wei_elements()));
  // u8 weights without a zero point are what they are: from 0 up.
  const int32_t base = op.wei == DType::u8 && op.wei_zp ? 128 : 0;
  const int32_t low = op.wei == DType::u8 && !op.wei_zp ? 0 : -bound;
  for (uint8_t& v : d.wei) v = static_cast<uint8_t>(base + pick(low, bound));
  d.want.resize(static_cast<size_t>(op.dst_elements() * size_of(op.dst)));
  d.status = reference::run(op, q, d.src.data(), d.wei.data(), d.want.data());
  return d;
}

Trial::Trial(const KernelLibrary& library, Isa best, const OpSpec& op, const TrialData& data)
    : op_(op), data_(&data), status_(data.status) {
  if (status_.ok()) status_ = prepare(library, best);
}

Status Trial::prepare(const KernelLibrary& library, Isa best) {
  OCTILE_ASSIGN_OR_RETURN(
      prepared_, PreparedOp::prepare(library, best, op_, data_->quant, op_.wei_var ? nullptr : data_->wei.data()));
  src_bytes_ = padded_source(op_, data_->quant, data_->src.data(), &src_);
  dst_ = dense_destination(op_, nullptr);
  dst_bytes_ = AlignedBytes(data_->want.size());
  dst_.data = dst_bytes_.data();
  OCTILE_ASSIGN_OR_RETURN(choice_, prepared_->choose(op_, 1, contiguous(src_)));
  decisions_ = prepared_->explain(*choice_);
  scratch_ = AlignedBytes(prepared_->scratch_bytes(*choice_));
  if (!src_bytes_.ok() || !dst_bytes_.ok() || !scratch_.ok()) return {Code::out_of_memory, "out of memory"};
  return {};
}

std::string Trial::judge(const std::vector<packs::KernelEntry>& expected) {
  if (status_.ok()) status_ = run();
  if (!status_.ok()) return "failed " + status_.to_string();
  const bool used =
      expected.empty() || std::any_of(decisions_.begin(), decisions_.end(), [&](const Decision& d) {
        return std::any_of(expected.begin(), expected.end(), [&](const auto& e) { return e.name == d.kernel; });
      });
  if (!used) return "unused dispatch took " + decisions_.front().kernel + " instead";
  const uint8_t flip = op_.dst == DType::s8 ? 0x80 : 0;
  for (size_t i = 0; i < data_->want.size(); ++i) {
    if ((dst_bytes_.data()[i] ^ flip) != data_->want[i]) return "wrong at byte " + std::to_string(i);
  }
  return "ok";
}

Status Trial::run() const {
  return prepared_->run(*choice_, src_, dst_, scratch_.data(), {}, op_.wei_var ? data_->wei.data() : nullptr, 0);
}

}  // namespace octile::runtime
