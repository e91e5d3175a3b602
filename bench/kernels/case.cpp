// Data, tensors and the comparison of one benchmarked op.
// In/out: see case.h.  Not here: which ops, how long.
#include "bench/kernels/case.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "workload/reference/reference.h"

namespace octile::bench {
namespace {

constexpr int kSlack = 64;

bool is_signed(DType t) { return t == DType::s8; }
bool is_dense(const OpSpec& s) { return s.kind == OpKind::dense; }

// Rows of one output channel each, scaled so that the largest weight becomes 127.
void draw_gaussian(std::mt19937_64& random, int64_t channels, int64_t run, int64_t channel_stride, int64_t run_stride,
                   uint8_t* wei) {
  std::normal_distribution<float> normal(0.0F, 1.0F);
  std::vector<float> row(static_cast<size_t>(run));
  for (int64_t c = 0; c < channels; ++c) {
    float largest = 1e-6F;
    for (float& v : row) largest = std::max(largest, std::fabs(v = normal(random)));
    for (int64_t i = 0; i < run; ++i) {
      const auto q = static_cast<int8_t>(std::lround(row[static_cast<size_t>(i)] / largest * 127.0F));
      wei[c * channel_stride + i * run_stride] = static_cast<uint8_t>(q);
    }
  }
}

}  // namespace

Result<std::unique_ptr<Case>> Case::make(const runtime::KernelLibrary& library, Isa best, const OpSpec& spec,
                                         Weights weights, uint64_t seed) {
  if (spec.macs() == 0 || spec.wei_var || spec.wei_zp || spec.wei != DType::s8) {
    return Status(Code::unsupported,
                  "the benchmark takes convolutions and dense ops with constant s8 weights: " + to_key(spec));
  }
  std::unique_ptr<Case> made(new Case());
  made->spec_ = spec;
  made->draw(weights, seed);
  OCTILE_RETURN_IF_ERROR(made->prepare(library, best));
  return made;
}

void Case::draw(Weights weights, uint64_t seed) {
  std::mt19937_64 random(seed);
  const OpSpec& s = spec_;
  const int64_t channels = s.channels(), run = s.wei_elements() / channels;
  src_.resize(static_cast<size_t>(s.src_elements()));
  for (uint8_t& v : src_) v = static_cast<uint8_t>(random());
  wei_.resize(static_cast<size_t>(s.wei_elements()));
  if (weights == Weights::gaussian) {
    const bool rows = !is_dense(s);  // OIHW: a channel is a row; [k, n]: a column
    draw_gaussian(random, channels, run, rows ? run : 1, rows ? 1 : channels, wei_.data());
  } else {
    for (uint8_t& v : wei_) v = static_cast<uint8_t>(static_cast<int>(random() % 63) - 31);
  }
  OpQuant& q = quant_;
  q.src_scale = 0.02F;
  q.src_zp = !s.src_zp ? 0 : is_signed(s.src) ? -3 : 121;
  q.wei_scale.assign(s.wei_per_oc ? static_cast<size_t>(channels) : 1, 0.01F);
  // Most outputs inside the range: the sum of `run` products has this deviation.
  const double spread = 0.02 * 0.01 * 74.0 * (weights == Weights::small ? 18.0 : 40.0);
  q.dst_scale = static_cast<float>(spread * std::sqrt(static_cast<double>(run)) / 32.0);
  q.dst_zp = !s.dst_zp ? 0 : is_signed(s.dst) ? 5 : 127;
  if (s.bias) {
    q.bias.resize(static_cast<size_t>(channels));
    for (int32_t& b : q.bias) b = static_cast<int32_t>(random() % 2001) - 1000;
  }
  if (s.dst != DType::s32) set_clamp(q, s.dst, s.post, 0.0F, s.post == Post::clip ? 3.0F : 6.0F);
}

void Case::fill_source() {
  const OpSpec& s = spec_;
  runtime::Tensor& t = src_tensor_;
  const uint8_t flip = is_signed(s.src) ? 0x80 : 0;
  std::fill_n(padded_.data(), padded_.size(), static_cast<uint8_t>(quant_.src_zp + (flip != 0 ? 128 : 0)));
  const uint8_t* from = src_.data();
  for (int64_t row = 0; row < t.n * t.h; ++row, from += t.w * t.c) {
    uint8_t* to = t.data + row / t.h * t.stride_n + row % t.h * t.stride_y;
    for (int64_t i = 0; i < t.w * t.c; ++i) to[i] = from[i] ^ flip;
  }
}

Status Case::prepare(const runtime::KernelLibrary& library, Isa best) {
  const OpSpec& s = spec_;
  OCTILE_ASSIGN_OR_RETURN(op_, runtime::PreparedOp::prepare(library, best, s, quant_, wei_.data()));
  runtime::Tensor& t = src_tensor_;
  t.n = s.mb;
  t.h = is_dense(s) ? 1 : s.ih;
  t.w = is_dense(s) ? s.m : s.iw;
  t.c = is_dense(s) ? s.k : s.ic;
  t.pad_t = static_cast<int>(s.pt);
  t.pad_l = static_cast<int>(s.pl);
  t.pad_b = static_cast<int>(s.pb);
  t.pad_r = static_cast<int>(s.pr);
  t.stride_x = t.c;
  t.stride_y = (t.w + t.pad_l + t.pad_r) * t.c;
  t.stride_n = (t.h + t.pad_t + t.pad_b) * t.stride_y;
  t.slack = kSlack;
  padded_ = runtime::AlignedBytes(static_cast<size_t>(t.n * t.stride_n + kSlack));
  dst_ = runtime::AlignedBytes(static_cast<size_t>(s.dst_elements() * size_of(s.dst)));
  if (!padded_.ok() || !dst_.ok()) return {Code::internal, "out of memory"};
  t.data = padded_.data() + t.pad_t * t.stride_y + t.pad_l * t.stride_x;
  fill_source();
  runtime::Tensor& d = dst_tensor_;
  d.data = dst_.data();
  d.n = s.mb;
  d.h = is_dense(s) ? 1 : s.oh();
  d.w = is_dense(s) ? s.m : s.ow();
  d.c = s.channels();
  d.stride_x = d.c * size_of(s.dst);
  d.stride_y = d.w * d.stride_x;
  d.stride_n = d.h * d.stride_y;
  OCTILE_ASSIGN_OR_RETURN(choice_, op_->choose(s, 1, contiguous(t)));
  scratch_ = runtime::AlignedBytes(op_->scratch_bytes(*choice_));
  return scratch_.ok() ? Status() : Status(Code::internal, "out of memory");
}

Status Case::run() const { return op_->run(*choice_, src_tensor_, dst_tensor_, scratch_.data(), runtime::Parallel{}); }

Status Case::check() const {
  OCTILE_RETURN_IF_ERROR(run());
  std::vector<uint8_t> want(static_cast<size_t>(spec_.dst_elements() * size_of(spec_.dst)));
  OCTILE_RETURN_IF_ERROR(reference::run(spec_, quant_, src_.data(), wei_.data(), want.data()));
  const uint8_t flip = is_signed(spec_.dst) ? 0x80 : 0;
  for (size_t i = 0; i < want.size(); ++i) {
    if (static_cast<uint8_t>(dst_.data()[i] ^ flip) != want[i]) {
      return {Code::wrong_answer, to_key(spec_) + ": byte " + std::to_string(i) + " differs from the oracle"};
    }
  }
  return {};
}

std::string Case::kernel() const {
  const std::vector<runtime::Decision> decisions = op_->explain(*choice_);
  const auto most = std::max_element(decisions.begin(), decisions.end(),
                                     [](const auto& a, const auto& b) { return a.panels < b.panels; });
  return most == decisions.end() ? "none" : most->kernel + " (" + most->reason + ")";
}

}  // namespace octile::bench
