// From a request to an object file; see codegen.h.
// Halide offers no -mcpu for Cascade or Ice Lake: it emits VNNI only with AMD's zen4 feature set. So Halide writes LLVM
// IR, the cpu attributes it stamps on every function are removed, and clang compiles the IR for the exact cpu of the
// target: one way to machine code for every target. docs/decisions/ has the measurements.
#include "schedules/kernelc/codegen.h"

#include <Halide.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <vector>

#include "generators/depthwise/depthwise.h"
#include "generators/dot/dot.h"
#include "generators/pointwise/pointwise.h"
#include "packs/format/pack_abi.h"
#include "schedules/depthwise/schedule.h"
#include "schedules/dot/schedule.h"
#include "schedules/kernelc/lower_markers.h"
#include "schedules/kernelc/stand_ins.h"
#include "schedules/pointwise/schedule.h"
#include "targets/desc/layout.h"

namespace octile::kernelc {
namespace {

static_assert(sizeof(octile_buffer) == sizeof(halide_buffer_t));
static_assert(offsetof(octile_buffer, host) == offsetof(halide_buffer_t, host));
static_assert(offsetof(octile_buffer, dimensions) == offsetof(halide_buffer_t, dimensions));
static_assert(offsetof(octile_buffer, dim) == offsetof(halide_buffer_t, dim));
static_assert(sizeof(octile_dim) == sizeof(halide_dimension_t));

struct Codegen {
  std::string halide;  // Halide target features
  std::string cpu;     // clang -mcpu
  int lanes;           // int32 lanes of the vectors we schedule
  bool ahead = false;  // whether the next tile's weights are fetched early: where measured (docs/schedules.md)
};

const Codegen& codegen_of(Isa isa) {
  static const std::string kBare = "-no_runtime-no_asserts-no_bounds_query";
  static const std::string kZen4 =
      "x86-64-linux-avx-avx2-avx512-avx512_skylake-avx512_cannonlake-avx512_zen4-f16c-fma-sse41" + kBare;
  static const std::map<Isa, Codegen> table{
      {Isa::x86_64_v2, {"x86-64-linux-sse41" + kBare, "x86_64_v2", 4}},
      {Isa::avx2, {"x86-64-linux-avx-avx2-f16c-fma-sse41" + kBare, "haswell", 8, true}},
      {Isa::avxvnni, {kZen4, "haswell+avxvnni", 8, true}},
      {Isa::avx512vnni, {kZen4, "cascadelake", 16, true}},
  };
  return table.at(isa);
}

int ceil_div(int64_t a, int64_t b) { return static_cast<int>((a + b - 1) / b); }

// What a kernel specialised to `op` may take as constants; strides of rows and images stay free, since halos differ.
generators::DotFacts facts_of(const OpSpec& op, int word) {
  generators::DotFacts f;
  if (op.kind == OpKind::dense) {
    f.words = ceil_div(op.k, word);
    f.sx = f.sy = 1;
    f.src_x = op.k % word == 0 ? static_cast<int>(op.k) : 0;
    f.dst_x = static_cast<int>(op.n);
    return f;
  }
  const int64_t run = op.dw == 1 ? op.kw * (op.ic / op.g) : op.ic / op.g;
  const bool whole = op.dw == 1 && op.g == 1;  // a row of taps is contiguous
  f.words = ceil_div(whole ? run : op.ic / op.g, word);
  f.sx = whole ? 1 : static_cast<int>(op.kw);
  f.sy = static_cast<int>(op.kh);
  f.src_x = static_cast<int>(op.sw * op.ic);
  f.src_sx = static_cast<int>(op.dw * op.ic);
  f.dst_x = static_cast<int>(op.oc);
  return f;
}

Result<std::pair<Halide::Func, std::vector<Halide::Argument>>> scheduled(const Request& r) {
  const int lanes = codegen_of(r.target->isa).lanes;
  const LayoutDesc* const layout = find_layout(r.cand.layout);
  const bool reduction = r.family == "dot" || r.family == "dotz", depthwise = r.family == "depthwise";
  // Single taps are the portable kernels' own.
  if ((reduction || depthwise) && (layout == nullptr || layout->depthwise != depthwise || layout->quantum == 1)) {
    return Status(Code::invalid_argument, "no " + r.family + " kernel is generated for layout " + r.cand.layout);
  }
  if (reduction) {
    generators::DotConfig c;
    c.lanes = layout->lanes;
    c.word = layout->quantum;
    c.group = r.cand.group;
    c.step = r.cand.uk;
    c.weight_zero_points = r.family == "dotz";
    c.dst_s32 = r.dst == DType::s32;
    if (r.op) c.facts = facts_of(*r.op, c.word);
    // A single pixel reads its weights as fast as they come.
    if (codegen_of(r.target->isa).ahead && r.cand.tx * r.cand.ty > 1) c.ahead = std::max(r.cand.tn / c.lanes, 1);
    // Half a panel of 16 is worth registers of 8: the last of 24 channels.
    const bool half = c.lanes == 16 && r.cand.tn == 8 && !r.cand.tail;
    if (!half && (r.cand.tn % lanes != 0 || r.cand.tn % c.lanes != 0)) {
      return Status(Code::invalid_argument,
                    "tile n must be a multiple of the panel and of the vector, or half a panel");
    }
    auto s = generators::make_dot(c);
    schedules::schedule_dot(s, r.cand, half ? 8 : lanes);
    return std::pair{s.out, s.args};
  }
  if (depthwise) {
    generators::DepthwiseConfig c;
    c.taps = layout->quantum;
    c.kx = r.cand.kx;
    c.ky = r.cand.ky;
    c.stride = r.cand.st;
    if ((c.kx == 0) != (c.stride == 0)) {
      return Status(Code::invalid_argument, "depthwise kernels fix filter and stride together, or neither");
    }
    c.lane_order = r.cand.lane_unpack;
    c.dst_s32 = r.dst == DType::s32;
    if (c.lane_order && (c.kx == 0 || r.cand.tail || (r.cand.tn != 32 && r.cand.tn != 64))) {
      return Status(Code::invalid_argument, "unpack=lane wants a fixed filter, 32 or 64 channels, no tail");
    }
    if (c.lane_order && c.taps == 4) c.phases = r.cand.tx;
    // All words of a larger filter at once are more than registers hold: the compiler would make them first, and keep
    // them in memory.
    c.row_loop = c.lane_order && c.taps == 4 && c.ky > 3;
    auto s = generators::make_depthwise(c);
    schedules::schedule_depthwise(s, r.cand, lanes);
    return std::pair{s.out, s.args};
  }
  using generators::Pointwise;
  static const std::map<std::string, Pointwise> pointwise{
      {"quantize", Pointwise::quantize}, {"dequantize", Pointwise::dequantize}, {"requantize", Pointwise::requantize}};
  if (const auto at = pointwise.find(r.family); at != pointwise.end()) {
    auto s = generators::make_pointwise(at->second, r.src == DType::s32 ? Halide::Int(32) : Halide::UInt(8));
    schedules::schedule_pointwise(s, r.cand);
    return std::pair{s.out, s.args};
  }
  return Status(Code::unsupported, "no generator for family " + r.family);
}

// Removes what Halide stamped on the functions, so that clang's -mcpu decides, and what stood in for instructions. Asks
// for a realigned stack: else vectors are spilled to wherever the caller's stack happens to end, half of them across
// two cache lines. What is fetched ahead goes to the second cache (prefetcht1), where Halide would have it read once.
Status retarget(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) return {Code::io_error, path + ": cannot read the IR Halide wrote"};
  static const std::regex attributes(R"re("(target-cpu|tune-cpu|target-features)"="[^"]*")re");
  static const std::regex once(R"re((@llvm\.prefetch[^\n]*), i32 0, i32 0, i32 1\))re");
  static const std::regex sets(R"re((\nattributes #\d+ = \{))re");
  std::string ir = std::regex_replace(text.str(), attributes, "");
  ir = std::regex_replace(ir, once, "$1, i32 0, i32 2, i32 1)");
  ir = std::regex_replace(ir, sets, "$1 \"stackrealign\"");
  std::ofstream out(path);
  out << stand_ins::replace(ir);
  out.close();
  return out ? Status() : Status(Code::io_error, path + ": cannot write (disk full?)");
}

Status run_clang(const std::vector<std::string>& args) {
  std::vector<char*> argv;
  for (const auto& a : args) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) return {Code::io_error, std::string("cannot start clang: ") + std::strerror(errno)};
  if (child == 0) {
    execv(argv[0], argv.data());
    _exit(127);
  }
  int state = 0;
  while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return {};
  return {Code::crashed, args[0] + " failed on " + args.back() +
                             (WEXITSTATUS(state) == 127 ? ": not found; run scripts/setup.sh" : "")};
}

}  // namespace

Status build_kernel(const Request& r, const CodegenOptions& options) {
  if (!generated(r.target->isa)) {
    return {Code::invalid_argument, std::string(r.target->alias) + " kernels are part of the runtime"};
  }
  const Codegen& cg = codegen_of(r.target->isa);
  const std::string base = options.out_dir + "/" + r.name;
  auto lowering = make_marker_lowering(r.target->isa);
  try {
    auto pipeline = scheduled(r);
    if (!pipeline.ok()) return pipeline.status();
    auto& [func, args] = *pipeline;
    func.add_custom_lowering_pass(lowering.get(), [] {});
    std::map<Halide::OutputFileType, std::string> outputs{{Halide::OutputFileType::llvm_assembly, base + ".ll"}};
    if (options.emit_stmt) outputs[Halide::OutputFileType::stmt] = base + ".stmt";
    func.compile_to(outputs, args, r.name, Halide::Target(cg.halide));
  } catch (const Halide::Error& e) {
    return {Code::unsupported, r.name + ": Halide refused the schedule: " + e.what()};
  } catch (const std::exception& e) {
    return {Code::unsupported, r.name + ": Halide refused the schedule: " + e.what()};
  }
  OCTILE_RETURN_IF_ERROR(retarget(base + ".ll"));
  const std::vector<std::string> clang{
      OCTILE_ZIG, "cc", "-w", "-O2", "-fno-sanitize=all",
      // It merges vectors wider than registers, which then lose their minima and maxima when split.
      "-mllvm", "-disable-vector-combine", "-ffunction-sections", "-fdata-sections", "-target", "x86_64-linux-gnu.2.28",
      "-mcpu=" + cg.cpu};
  const auto with = [&](std::initializer_list<std::string> more) {
    auto all = clang;
    all.insert(all.end(), more);
    return all;
  };
  OCTILE_RETURN_IF_ERROR(run_clang(with({"-c", "-o", base + ".o", base + ".ll"})));
  if (options.emit_asm) OCTILE_RETURN_IF_ERROR(run_clang(with({"-S", "-o", base + ".s", base + ".ll"})));
  if (!options.keep_ir) unlink((base + ".ll").c_str());
  std::ofstream json(base + ".json");
  json << entry_json(r) << "\n";
  json.close();
  return json ? Status() : Status(Code::io_error, base + ".json: cannot write (disk full?)");
}

std::string generator_version() {
  return "halide " + std::to_string(HALIDE_VERSION_MAJOR) + "." + std::to_string(HALIDE_VERSION_MINOR) + "." +
         std::to_string(HALIDE_VERSION_PATCH) + " clang " OCTILE_CLANG_VERSION;
}

}  // namespace octile::kernelc
