// The provider without a host: options, packs that are missing, exceptions at the border, hosts that are too old.
// In:  made-up entries and a made-up function table.  Out: options, warnings, statuses.
// Not here: a real ONNX Runtime (tests/integration).
#include <gtest/gtest.h>

#include <array>
#include <stdexcept>

#include "plugin/kernels/kernels.h"
#include "plugin/onnxruntime/ep_context.h"
#include "plugin/onnxruntime/options.h"
#include "plugin/onnxruntime/ort_abi.h"
#include "targets/probe/probe.h"

namespace octile::ort {

extern "C" OrtStatus* CreateEpFactories(const char*, const OrtApiBase*, const OrtLogger*, OrtEpFactory**, size_t,
                                        size_t*) noexcept;
extern "C" OrtStatus* ReleaseEpFactory(OrtEpFactory*) noexcept;

namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

Options parse(const Entries& entries) {
  Entries full;
  for (const auto& [key, value] : entries) full.emplace_back(std::string(kOptionPrefix) + key, value);
  full.emplace_back("session.something", "else");
  return read_options(full);
}

TEST(Options, Defaults) {
  const Options o = parse({});
  EXPECT_TRUE(o.packs.empty() && o.warnings.empty() && o.explain.empty() && o.log_workloads.empty());
  EXPECT_EQ(o.best, host_isa());
  EXPECT_GE(o.threads, 1);
  EXPECT_TRUE(o.when_slower == WhenSlower::keep_exact && o.measure_ms == 0 && !o.judge_for);
}

TEST(Options, AllGiven) {
  const Options o = parse({{"pack", "a.octpack:/b c.octpack:"},
                           {"target", "portable"},
                           {"threads", "3"},
                           {"explain", "e.json"},
                           {"log_workloads", "w.txt"},
                           {"when_slower", "leave"},
                           {"measure", "20"},
                           {"judge_for", "avx512vnni"}});
  EXPECT_EQ(o.packs, (std::vector<std::string>{"a.octpack", "/b c.octpack"}));
  EXPECT_TRUE(o.target_given && o.best == Isa::portable);
  EXPECT_EQ(o.threads, 3);
  EXPECT_EQ(o.explain + o.log_workloads, "e.jsonw.txt");
  EXPECT_TRUE(o.when_slower == WhenSlower::leave && o.measure_ms == 20 && o.judge_for == Isa::avx512vnni);
  EXPECT_TRUE(o.warnings.empty());
}

TEST(Options, WrongOnesWarnAndFallBack) {
  for (const auto& [key, value] : Entries{{"threads", ""},
                                          {"threads", "-1"},
                                          {"threads", "2x"},
                                          {"threads", "1e3"},
                                          {"target", ""},
                                          {"target", "avx9000"},
                                          {"when_slower", "never"},
                                          {"measure", "-1"},
                                          {"judge_for", "portable"},
                                          {"packs", "x"}}) {
    const Options o = parse({{key, value}});
    ASSERT_EQ(o.warnings.size(), 1U) << key << "=" << value;
    EXPECT_NE(o.warnings[0].find(key), std::string::npos);
    EXPECT_EQ(o.best, host_isa());
    EXPECT_GE(o.threads, 1);
  }
}

TEST(Options, ShapesToBeReadyFor) {
  const Options o = parse({{"ready", "x=1x3x8x8,mask=0;x=2x3x8x8;a=b=7"}});
  const std::vector<NamedShapes> wanted{{{"x", {1, 3, 8, 8}}, {"mask", {0}}}, {{"x", {2, 3, 8, 8}}}, {{"a=b", {7}}}};
  EXPECT_EQ(o.ready, wanted);
  EXPECT_TRUE(o.warnings.empty());
  for (const char* bad :
       {"", "x", "x=", "=1", "x=1x", "x=-1", "x=1;", "x=1,,y=2", "x=1 x 2", "x=99999999999999999999"}) {
    const Options b = parse({{"ready", bad}});
    EXPECT_TRUE(b.ready.empty() && b.warnings.size() == 1) << bad;
  }
}

TEST(Options, CompiledModelsAreTheHostsWords) {
  const Entries entries{{"ep.context_enable", "1"}, {"ep.context_embed_mode", "1"}, {"ep.context_file_path", "a.onnx"}};
  const Options o = read_options(entries);
  EXPECT_TRUE(o.context.enable && o.context.embed && o.context.file_path == "a.onnx" && o.warnings.empty());
  EXPECT_FALSE(parse({}).context.enable);
}

TEST(Context, JudgesWhatItRecorded) {
  EXPECT_EQ(judge(compatibility()), kOptimal);
  EXPECT_EQ(judge("octile 9.0.0, plan 1"), kOptimal);
  for (const char* other : {"octile 0.1.0, plan 2", "octile 0.1.0, plan 1x", "octile 0.1.0, plan "}) {
    EXPECT_EQ(judge(other), kUnsupported) << other;
  }
  for (const char* foreign : {"", "qnn 1, plan 1", "octile 0.1.0"})
    EXPECT_EQ(judge(foreign), kNotApplicable) << foreign;
}

TEST(Kernels, NoPackIsAWarningAndNothingIsTaken) {
  plugin::KernelCache cache;
  const plugin::Kernels k = cache.open(parse({{"pack", "/no/such.octpack"}}));
  ASSERT_NE(k.library, nullptr);
  EXPECT_FALSE(k.usable);
  ASSERT_EQ(k.warnings.size(), 2U);
  EXPECT_NE(k.warnings[0].find("/no/such.octpack"), std::string::npos);
  EXPECT_NE(k.warnings[1].find("reinstall"), std::string::npos);
}

TEST(Kernels, PortableOnRequestNeedsNoPackAndIsShared) {
  plugin::KernelCache cache;
  const plugin::Kernels a = cache.open(parse({{"target", "portable"}})),
                        b = cache.open(parse({{"target", "portable"}}));
  EXPECT_TRUE(a.usable && a.warnings.empty());
  EXPECT_EQ(a.library, b.library);
}

// A host that has no table but the slots a status needs.
struct Message {
  int code;
  std::string text;
};
OrtStatus* create_status(int code, const char* text) { return reinterpret_cast<OrtStatus*>(new Message{code, text}); }
const char* status_text(const OrtStatus* s) { return reinterpret_cast<const Message*>(s)->text.c_str(); }
void release_status(OrtStatus* s) { delete reinterpret_cast<Message*>(s); }
const void* no_ep_api() { return nullptr; }
OrtStatus* always_fails(OrtValue*, void**) { return create_status(1, "out of luck"); }

std::array<void (*)(), 390> fake_table() {
  std::array<void (*)(), 390> table{};
  table[CreateStatus.index] = reinterpret_cast<void (*)()>(create_status);
  table[GetErrorMessage.index] = reinterpret_cast<void (*)()>(status_text);
  table[ReleaseStatus.index] = reinterpret_cast<void (*)()>(release_status);
  table[GetEpApi.index] = reinterpret_cast<void (*)()>(no_ep_api);
  table[GetTensorMutableData.index] = reinterpret_cast<void (*)()>(always_fails);
  return table;
}
const auto kTable = fake_table();

// Code and text of a host status, which is released.
std::pair<int, std::string> taken(OrtStatus* status) {
  if (status == nullptr) return {0, ""};
  const auto out = std::pair(reinterpret_cast<Message*>(status)->code, reinterpret_cast<Message*>(status)->text);
  release_status(status);
  return out;
}

TEST(Border, StatusesCrossBothWays) {
  const Host host(kTable.data(), "1.23.2");
  EXPECT_EQ(host.minor_version(), 23);
  void* data = nullptr;
  const Status st = host(GetTensorMutableData, static_cast<OrtValue*>(nullptr), &data);
  EXPECT_EQ(st.to_string(), "internal error: ONNX Runtime: out of luck");
  EXPECT_EQ(taken(host.give(Status())).first, 0);
  EXPECT_EQ(taken(host.give(Status(Code::not_found, "x"))).first, kNotFound);
}

TEST(Border, NoExceptionLeaves) {
  const Host host(kTable.data(), "1.31.1");
  EXPECT_EQ(taken(fence(host, []() -> Status { throw std::runtime_error("boom"); })).second, "boom");
  EXPECT_EQ(taken(fence(host, []() -> Status { throw std::bad_alloc(); })).first, kEpFail);
  EXPECT_EQ(taken(fence(host, []() -> Status { throw 7; })).first, kEpFail);
  EXPECT_EQ(fence(host, [] { return Status(); }), nullptr);
}

TEST(Border, AHostTooOldGetsAnAnswer) {
  const OrtApiBase base{[](uint32_t version) -> const void* { return version == 1 ? kTable.data() : nullptr; },
                        [] { return "1.22.1"; }};
  OrtEpFactory* factory = nullptr;
  size_t count = 0;
  const auto [code, text] = taken(CreateEpFactories("octile", &base, nullptr, &factory, 1, &count));
  EXPECT_EQ(code, kFail);
  EXPECT_NE(text.find("1.23"), std::string::npos);
}

TEST(Border, TheFactoryNamesItself) {
  const OrtApiBase base{[](uint32_t) -> const void* { return kTable.data(); }, [] { return "1.32.0"; }};
  OrtEpFactory* factory = nullptr;
  size_t count = 0;
  EXPECT_NE(taken(CreateEpFactories("octile", &base, nullptr, &factory, 0, &count)).first, 0);
  ASSERT_EQ(CreateEpFactories("octile", &base, nullptr, &factory, 4, &count), nullptr);
  ASSERT_EQ(count, 1U);
  EXPECT_STREQ(factory->GetName(factory), "OctileExecutionProvider");
  EXPECT_EQ(factory->version, 23U);
  size_t devices = 9;
  EXPECT_EQ(factory->GetSupportedDevices(factory, nullptr, 0, nullptr, 8, &devices), nullptr);
  EXPECT_EQ(devices, 0U);
  OrtDataTransfer* transfer = reinterpret_cast<OrtDataTransfer*>(factory);
  EXPECT_EQ(factory->CreateDataTransfer(factory, &transfer), nullptr);
  EXPECT_EQ(transfer, nullptr);
  EXPECT_EQ(ReleaseEpFactory(factory), nullptr);
}

}  // namespace
}  // namespace octile::ort
