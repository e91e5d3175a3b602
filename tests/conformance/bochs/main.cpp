// A pack's kernels on Bochs' emulated Ice Lake: random ops recorded here, replayed there, compared byte by byte.
// In:  a pack, a target, a number of ops, a seed.  Out: `bad=<n> calls=<n> ops=<n>`; status 0 when all is right.
// Not here: the emulator (tests/support/bochs), native runs (tests/conformance).
//
// The runtime runs each op with recorders in place of the pack's kernels, so it cuts, packs and calls as it always
// does; what the recorders answer is compared with the oracle, so what they expect of the real kernels is right. Every
// second op is drawn for one kernel alone, which no better one can then replace; a kernel that was never called fails.
#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "packs/format/pack_file.h"
#include "runtime/exec/prepared_op.h"
#include "tests/conformance/check.h"
#include "tests/support/bochs/bochs.h"
#include "tests/support/bochs/recorder.h"
#include "tests/support/draw.h"
#include "tests/support/rng.h"

namespace octile::testing {
namespace {

constexpr int64_t kMacs = 200'000;        // of one op: the emulator takes a few million instructions a second
constexpr int64_t kMaxBytes = 120'000;    // of one op's tensors: they travel to the guest
constexpr int64_t kOpsAlone = 3;          // for each kernel
constexpr int kDraws = 100'000;           // for one op; most draws do not suit a given kernel
constexpr size_t kMaxBlob = 400U << 20U;  // what the guest has room for

struct Arguments {
  std::string pack, target, guest = OCTILE_BOCHS_GUEST;
  int64_t ops = 2000;
  uint64_t seed = 1;
  int timeout_seconds = 240;
};

// One target's kernels, as recorders in libraries that hold the portable kernels besides.
struct Subject {
  packs::Member member;
  std::vector<packs::KernelEntry> entries;
  Isa isa = Isa::portable;
  std::unique_ptr<runtime::KernelLibrary> all;
  std::vector<std::unique_ptr<runtime::KernelLibrary>> one;  // per entry
};

Result<Subject> recorders_of(const packs::Manifest& manifest, const std::string& target_name, Recorder& recorder) {
  OCTILE_ASSIGN_OR_RETURN(const TargetDesc* const desc, find_target(target_name));
  Subject subject;
  subject.isa = desc->isa;
  subject.all = std::make_unique<runtime::KernelLibrary>();
  subject.all->assume_whole_vectors(false);  // the same calls on every host, Winograd's among them
  for (const packs::Member& member : manifest.members) {
    if (member.target == desc->name) subject.member = member;
  }
  std::vector<void*> functions;
  for (const packs::KernelEntry& entry : manifest.kernels) {
    if (entry.member != subject.member.id || entry.op != "*") continue;
    functions.push_back(recorder.function_for(entry));
    if (functions.back() == nullptr) return Status(Code::internal, entry.name + ": unknown family, or no slot is left");
    subject.entries.push_back(entry);
    OCTILE_RETURN_IF_ERROR(subject.all->add_kernel(entry, functions.back()));
  }
  for (size_t i = 0; i < functions.size(); ++i) {
    subject.one.push_back(std::make_unique<runtime::KernelLibrary>());
    subject.one.back()->assume_whole_vectors(false);
    OCTILE_RETURN_IF_ERROR(subject.one.back()->add_kernel(subject.entries[i], functions[i]));
    if (subject.entries[i].family != "dotz") continue;
    // The runtime thinks of dotz only for targets that have dot.
    for (size_t k = 0; k < functions.size(); ++k) {
      if (subject.entries[k].family != "dot") continue;
      OCTILE_RETURN_IF_ERROR(subject.one.back()->add_kernel(subject.entries[k], functions[k]));
    }
  }
  if (subject.entries.empty()) return Status(Code::not_found, "the pack has no kernels for " + target_name);
  return subject;
}

bool small(const OpSpec& spec) {
  return spec.macs() <= kMacs &&
         spec.src_elements() * size_of(spec.src) + spec.wei_elements() + spec.dst_elements() * 4 <= kMaxBytes;
}

// Might the runtime call this kernel for this op, were it the only one? May say yes wrongly, seldom no.
bool plausible(const packs::KernelEntry& entry, const OpSpec& spec) {
  const bool weighted = spec.kind == OpKind::conv2d || spec.kind == OpKind::dense;
  if (entry.family == "depthwise") {
    if (entry.sw == 4) return spec.depthwise() && 4 * spec.oc == entry.tile_n;  // see joined_for()
    const auto fixed = [](int have, int64_t want) { return have == 0 || have == want; };
    return spec.depthwise() && fixed(entry.kh, spec.kh) && fixed(entry.kw, spec.kw) && fixed(entry.sh, spec.sh) &&
           fixed(entry.sw, spec.sw) && spec.ow() >= entry.tile_x && spec.oh() >= entry.tile_y &&
           (entry.tail_n || spec.oc >= entry.tile_n);
  }
  if (entry.family == "dot" || entry.family == "dotz") {
    const int64_t pixels = spec.kind == OpKind::dense ? spec.m : spec.oh() * spec.ow();
    return weighted && !spec.depthwise() && (spec.dst == DType::s32) == (entry.dst == "s32") &&
           (entry.family == "dot" || spec.wei_zp) && pixels >= int64_t{entry.tile_x} * entry.tile_y &&
           (entry.tail_n || spec.channels() / spec.g >= entry.tile_n);
  }
  return entry.family == to_string(spec.kind) || (entry.family == "transpose" && weighted);
}

struct Drawn {
  OpSpec spec;
  uint64_t seed = 0;
};

// A filter for Winograd, the only one who calls such a kernel: a row of as many tiles of 4x4 outputs as the kernel
// takes at a time.
OpSpec filter_for(const packs::KernelEntry& entry, uint64_t seed) {
  OpSpec spec = *parse_op("conv2d mb1g1ic24ih1iw1oc24kh3kw3pt1pl1pb1pr1 src=u8:zp wei=s8 dst=s32");
  spec.iw = 4 * int64_t{entry.tile_x} - static_cast<int64_t>(seed % 4);
  spec.oc = std::max<int64_t>(entry.tile_n, spec.oc);
  if (seed / 4 % 2 == 0) spec.src = DType::s8;
  return spec;
}

// Pixels of few channels, of which a kernel of stride 4 takes four together.
OpSpec joined_for(const packs::KernelEntry& entry, uint64_t seed) {
  OpSpec spec = *parse_op("conv2d mb1g1ic1ih5iw8oc1kh3kw3pt1pl1pb1pr1 src=u8:zp wei=s8:per_oc dst=u8:zp");
  spec.g = spec.ic = spec.oc = entry.tile_n / 4;
  spec.iw = 4 * static_cast<int64_t>(1 + seed % 4);
  spec.sh = static_cast<int64_t>(1 + seed / 4 % 2);
  return spec;
}

// The op of one seed; for one kernel alone every second op is made as wide as the kernel's tile, or a little wider.
OpSpec draw_for(const packs::KernelEntry* entry, uint64_t seed) {
  if (entry != nullptr && entry->layout == "k2n16w") return filter_for(*entry, seed);
  if (entry != nullptr && entry->sw == 4) return joined_for(*entry, seed);
  OpSpec spec = draw_spec(seed, kMacs);
  if (entry == nullptr || seed % 2 == 0) return spec;
  return widened(spec, entry->tile_n + static_cast<int64_t>(seed / 2 % 3) * (1 + entry->tile_n / 8), kMacs);
}

// Runs one op through the recorders and compares with the oracle.
Status record(const runtime::KernelLibrary& library, Isa isa, const OpSpec& spec, const Operands& operands,
              const std::vector<uint8_t>& want) {
  std::vector<uint8_t> got(operands.dst_bytes);
  OCTILE_RETURN_IF_ERROR(
      runtime::run_op(library, isa, spec, operands.quant, operands.src.data(), operands.wei.data(), got.data()));
  if (got != want) return {Code::wrong_answer, "the runtime with recorders differs from the oracle"};
  return {};
}

constexpr size_t kAnyKernel = SIZE_MAX;

// Draws until an op reaches the recorder, or one kernel's recorder: other ops prove nothing here.
Result<Drawn> record_one(const Subject& subject, size_t kernel, Recorder& recorder, uint64_t& draw, Tally& tally) {
  const bool any = kernel == kAnyKernel;
  const packs::KernelEntry* const entry = any ? nullptr : &subject.entries[kernel];
  const runtime::KernelLibrary& library = any ? *subject.all : *subject.one[kernel];
  const auto calls = [&] { return any ? static_cast<int64_t>(recorder.calls()) : recorder.calls_of(kernel); };
  for (int tries = 0; tries < kDraws; ++tries) {
    const uint64_t seed = mix(draw++);
    const OpSpec spec = draw_for(entry, seed);
    if (!small(spec) || (entry != nullptr && !plausible(*entry, spec))) continue;
    const Operands operands = draw_operands(spec, seed);
    if (!validate(spec, operands.quant).ok()) continue;  // scales beyond what an op may have never reach a kernel
    const int64_t before = calls();
    const std::vector<uint8_t> want = expected(spec, operands);
    const Status status = record(library, subject.isa, spec, operands, want);
    if (!status.ok()) {
      return Status(status.code(), status.message() + "\n  " + to_key(spec) + " seed " + std::to_string(seed));
    }
    if (calls() == before) continue;
    tally.add(spec, seed, operands.quant, want);
    return Drawn{spec, seed};
  }
  return Status(Code::not_found, "the runtime called " + (any ? "no kernel" : entry->name + " never") + " in " +
                                     std::to_string(kDraws) + " draws");
}

// `ops` random ones through all kernels, then some for each kernel alone.
Status record_all(const Subject& subject, Recorder& recorder, const Arguments& args, std::vector<Drawn>& ops,
                  Tally& tally) {
  uint64_t draw = args.seed;
  const int64_t alone = kOpsAlone * static_cast<int64_t>(subject.one.size());
  for (int64_t op = 0; op < args.ops + alone; ++op) {
    recorder.begin_operation(static_cast<uint32_t>(op));
    const size_t kernel = op < args.ops ? kAnyKernel : static_cast<size_t>((op - args.ops) / kOpsAlone);
    OCTILE_ASSIGN_OR_RETURN(const Drawn drawn, record_one(subject, kernel, recorder, draw, tally));
    ops.push_back(drawn);
    if (recorder.bytes() > kMaxBlob) return {Code::internal, "the recorded calls outgrow the guest's memory"};
  }
  return {};
}

// The failing call's operation as a line that can be drawn again.
std::string repro(const std::string& text, const std::vector<Drawn>& ops) {
  const size_t at = text.find(" op=");
  size_t op = 0;
  if (at == std::string::npos) return "";
  std::from_chars(text.data() + at + 4, text.data() + text.size(), op);
  if (op >= ops.size()) return "";
  return "op " + to_key(ops[op].spec) + " seed " + std::to_string(ops[op].seed) + "\n";
}

Status run(const Arguments& args) {
  OCTILE_ASSIGN_OR_RETURN(packs::PackFile pack, packs::open_pack(args.pack));
  Recorder recorder;
  OCTILE_ASSIGN_OR_RETURN(const Subject subject, recorders_of(pack.manifest(), args.target, recorder));
  OCTILE_ASSIGN_OR_RETURN(const auto bytes, pack.member(subject.member.id));
  std::vector<Drawn> ops;
  Tally tally;
  OCTILE_RETURN_IF_ERROR(record_all(subject, recorder, args, ops, tally));
  std::fputs(tally.text().c_str(), stdout);
  const std::vector<uint8_t> blob = recorder.blob();
  std::printf("%s: %zu kernels, %zu ops, %zu calls, %zu MiB, seed %llu\n", args.target.c_str(), subject.entries.size(),
              ops.size(), recorder.calls(), blob.size() >> 20U, static_cast<unsigned long long>(args.seed));
  std::fflush(stdout);
  const auto result = replay_on_bochs(args.guest, {bytes.begin(), bytes.end()}, blob, args.timeout_seconds);
  if (!result.ok()) {
    return {result.status().code(), result.status().message() + repro(result.status().message(), ops)};
  }
  std::printf("bad=%lld calls=%lld ops=%zu\n", static_cast<long long>(result->bad),
              static_cast<long long>(result->calls), ops.size());
  if (result->calls != static_cast<int64_t>(recorder.calls())) return {Code::internal, "the guest lost calls"};
  if (result->bad != 0) return {Code::wrong_answer, result->text + repro(result->text, ops)};
  return {};
}

void declare(CLI::App& app, Arguments& args) {
  app.footer("example: octile-bochs --pack default.octpack --target avx512vnni --ops 2000");
  app.add_option("--pack", args.pack, "the pack whose kernels run")->required();
  app.add_option("--target", args.target, "which of its targets")->required();
  app.add_option("--ops", args.ops, "how many random ops")->capture_default_str();
  app.add_option("--seed", args.seed, "of the first")->capture_default_str();
  app.add_option("--timeout", args.timeout_seconds, "seconds the emulator may take")->capture_default_str();
}

}  // namespace
}  // namespace octile::testing

int main(int argc, char** argv) {
  octile::testing::Arguments args;
  CLI::App app("Runs a pack's kernels on an emulated Ice Lake.", "octile-bochs");
  octile::testing::declare(app, args);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const octile::Status status = octile::testing::run(args);
  if (!status.ok()) std::fprintf(stderr, "octile-bochs: %s\n", status.to_string().c_str());
  return status.ok() ? 0 : 1;
}
