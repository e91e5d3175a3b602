// The C API from outside: answers are the oracle's, every misuse is a code and a text, callbacks are really used.
// In:  sample plans.  Out: assertions.
// Not here: what regions compute (tests/unit/region).
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "packs/format/sha256.h"
#include "tests/support/random_graph.h"
#include "tests/unit/c_api/run_in_c.h"
#include "tests/unit/packs/temp_dir.h"
#include "tests/unit/plan_file/samples.h"
#include "workload/graph/interpreter.h"

namespace octile {
namespace {

using runtime::PlanFile;

octile_shape shape_of(const std::vector<int64_t>& dims) {
  octile_shape s{};
  s.rank = dims.size();
  std::copy(dims.begin(), dims.end(), s.dims);
  return s;
}

// Inputs, and what the oracle answers.
struct Case {
  std::vector<HostArray> inputs, answers;
  std::vector<octile_input> in;
  std::vector<octile_output> expected;
};

Case answered(const GraphDesc& graph, std::vector<HostArray> inputs) {
  Case c;
  c.inputs = std::move(inputs);
  Result<std::vector<HostArray>> answers = interpret(graph, c.inputs);
  EXPECT_TRUE(answers.ok()) << answers.status().to_string();
  if (answers.ok()) c.answers = std::move(*answers);
  for (HostArray& a : c.inputs) c.in.push_back({a.bytes.data(), a.bytes.size(), shape_of(a.dims)});
  for (HostArray& a : c.answers) c.expected.push_back({a.bytes.data(), a.bytes.size(), shape_of(a.dims)});
  return c;
}

// With random inputs of these shapes.
Case draw(const GraphDesc& graph, const std::vector<std::vector<int64_t>>& shapes, uint32_t seed) {
  std::vector<HostArray> inputs;
  std::mt19937 random(seed);
  for (size_t i = 0; i < shapes.size(); ++i) {
    HostArray& a = inputs.emplace_back(graph.values[graph.inputs[i]].type, shapes[i]);
    if (a.type == DType::f32) {
      for (int64_t e = 0; e < a.count(); ++e) a.as<float>()[e] = std::normal_distribution<float>()(random);
    } else {
      for (uint8_t& b : a.bytes) b = static_cast<uint8_t>(random());
    }
  }
  return answered(graph, std::move(inputs));
}

struct Runtime {
  explicit Runtime(const octile_options* options = nullptr) {
    EXPECT_EQ(octile_runtime_create(options, &handle), OCTILE_OK) << octile_message();
  }
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime() { octile_runtime_release(handle); }
  octile_runtime* handle = nullptr;
};

octile_plan* load(octile_runtime* runtime, const PlanFile& plan) {
  const std::vector<uint8_t> bytes = *runtime::write_plan(plan);
  octile_plan* out = nullptr;
  EXPECT_EQ(octile_plan_load_memory(runtime, bytes.data(), bytes.size(), &out), OCTILE_OK) << octile_message();
  return out;
}

void check_in_c(octile_runtime* runtime, const PlanFile& plan, const Case& c) {
  const std::vector<uint8_t> bytes = *runtime::write_plan(plan);
  const run_case what{bytes.data(), bytes.size(), c.in.data(), c.in.size(), c.expected.data(), c.expected.size()};
  EXPECT_EQ(run_in_c(runtime, &what), 0) << "line of run_in_c.c; " << octile_message();
}

void check_in_c(octile_runtime* runtime, const PlanFile& plan, const std::vector<std::vector<int64_t>>& shapes,
                uint32_t seed) {
  check_in_c(runtime, plan, draw(plan.graph, shapes, seed));
}

TEST(CApi, AnswersAreTheOraclesFromC) {
  const Runtime runtime;
  check_in_c(runtime.handle, runtime::test::runnable_plan(), {{1, 3, 8, 8}}, 1);
  check_in_c(runtime.handle, runtime::test::runnable_plan(), {{3, 3, 5, 8}}, 2);
}

TEST(CApi, PortableKernelsToo) {
  octile_options options{};
  options.struct_size = sizeof options;
  options.target = "portable";
  const Runtime runtime(&options);
  check_in_c(runtime.handle, runtime::test::runnable_plan(), {{2, 3, 7, 8}}, 3);
}

TEST(CApi, WeightsAreKeptAsFiles) {
  const packs::TempDir dir;
  const std::string folder = dir / "cache";
  std::vector<std::string> said;
  octile_options options{};
  options.struct_size = sizeof options;
  options.weights_cache = folder.c_str();
  options.logger.context = &said;
  options.logger.log = [](void* to, int32_t, const char* text) {
    static_cast<std::vector<std::string>*>(to)->emplace_back(text);
  };
  options.target = "portable";
  for (int round = 0; round < 2; ++round) {
    const Runtime runtime(&options);
    said.clear();
    check_in_c(runtime.handle, runtime::test::runnable_plan(), {{2, 3, 7, 8}}, 3);
    EXPECT_TRUE(said.empty()) << said[0];
    ASSERT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  }
  const std::string file = std::filesystem::directory_iterator(folder)->path().string();
  packs::write_text(file, "damaged");
  const Runtime runtime(&options);
  said.clear();
  check_in_c(runtime.handle, runtime::test::runnable_plan(), {{2, 3, 7, 8}}, 3);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_NE(said[0].find(file + ": is no file of packed weights"), std::string::npos) << said[0];
}

// Which NaN an answer is, is not defined.
bool has_nan(const Case& c) {
  return std::any_of(c.answers.begin(), c.answers.end(), [](const HostArray& a) {
    return a.type == DType::f32 &&
           std::any_of(a.as<float>(), a.as<float>() + a.count(), [](float f) { return f != f; });
  });
}

TEST(CApi, RandomNetworks) {
  const Runtime runtime;
  int ran = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const testing::RandomGraph drawn = testing::draw_graph(seed);
    PlanFile plan;
    plan.graph = drawn.graph;
    plan.inputs.resize(drawn.graph.inputs.size());
    plan.outputs.resize(drawn.graph.outputs.size());
    for (const std::vector<Shape>& shapes : drawn.shapes) {
      const Case c = answered(drawn.graph, testing::draw_arrays(drawn.graph, shapes, seed));
      if (has_nan(c)) continue;
      check_in_c(runtime.handle, plan, c);
      ++ran;
    }
  }
  EXPECT_GT(ran, 60);
}

TEST(CApi, SaysWhatATensorIs) {
  const Runtime runtime;
  octile_plan* plan = load(runtime.handle, runtime::test::runnable_plan());
  octile_tensor_info info{};
  info.struct_size = sizeof info;
  ASSERT_EQ(octile_plan_input(plan, 0, &info), OCTILE_OK);
  EXPECT_STREQ(info.name, "picture");
  EXPECT_EQ(info.type, OCTILE_U8);
  EXPECT_EQ(std::vector<int64_t>(info.dims, info.dims + info.rank), (std::vector<int64_t>{-1, 3, -1, 8}));
  ASSERT_EQ(octile_plan_output(plan, 1, &info), OCTILE_OK);
  EXPECT_STREQ(info.name, "codes");
  EXPECT_EQ(info.rank, -1);
  EXPECT_EQ(info.dims, nullptr);
  EXPECT_EQ(octile_plan_output(plan, 2, &info), OCTILE_INVALID_ARGUMENT);
  info.struct_size = 0;
  EXPECT_EQ(octile_plan_input(plan, 0, &info), OCTILE_INVALID_ARGUMENT);
  octile_plan_release(plan);
}

struct Callbacks {
  std::atomic<int> allocated{0}, released{0}, logged{0}, tasks{0};
  octile_options options{};

  Callbacks() {
    options.struct_size = sizeof options;
    options.target = "portable";
    options.allocator = {this,
                         [](void* c, size_t bytes, size_t alignment) -> void* {
                           ++static_cast<Callbacks*>(c)->allocated;
                           return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
                         },
                         [](void* c, void* memory) {
                           ++static_cast<Callbacks*>(c)->released;
                           std::free(memory);
                         }};
    options.logger = {this, [](void* c, int32_t, const char* text) {
                        EXPECT_GT(std::strlen(text), 0U);
                        ++static_cast<Callbacks*>(c)->logged;
                      }};
    options.threads = {this,
                       [](void* c, void (*task)(void*, size_t), void* argument, size_t count) {
                         static_cast<Callbacks*>(c)->tasks += static_cast<int>(count);
                         for (size_t i = count; i-- > 0;) task(argument, i);
                       },
                       4};
  }
};

TEST(CApi, CallbacksAreUsed) {
  Callbacks calls;
  {
    const Runtime runtime(&calls.options);
    check_in_c(runtime.handle, runtime::test::runnable_plan(), {{16, 3, 2048, 8}}, 4);
  }
  EXPECT_EQ(calls.allocated, 3);  // the arena, and the two outputs of the run without buffers
  EXPECT_EQ(calls.released, 3);
  EXPECT_GT(calls.tasks, 0);
}

TEST(CApi, ARunThatFailsGivesBackItsOutputs) {
  Callbacks calls;
  Runtime runtime(&calls.options);
  octile_plan* plan = load(runtime.handle, runtime::test::runnable_plan());
  Case c = draw(runtime::test::runnable_plan().graph, {{1, 3, 8, 8}}, 5);
  uint8_t small[4];
  std::vector<octile_output> outputs(2);
  outputs[1] = {small, sizeof small, {}};
  EXPECT_EQ(octile_plan_run(plan, c.in.data(), 1, outputs.data(), 2), OCTILE_INVALID_ARGUMENT);
  EXPECT_NE(std::string(octile_message()).find("output codes: the buffer has 4 bytes"), std::string::npos);
  EXPECT_EQ(outputs[1].bytes, c.expected[1].bytes);
  EXPECT_EQ(outputs[0].data, nullptr);
  const auto none = [](void*, size_t, const octile_shape*, size_t) -> void* { return nullptr; };
  EXPECT_EQ(octile_plan_run_with(plan, c.in.data(), 1, none, nullptr), OCTILE_OUT_OF_MEMORY);
  EXPECT_NE(std::string(octile_message()).find("no storage for output"), std::string::npos);
  octile_plan_release(plan);
  octile_runtime_release(std::exchange(runtime.handle, nullptr));
  EXPECT_EQ(calls.allocated, calls.released);
}

TEST(CApi, AnAllocatorWithoutMemoryEndsTheRun) {
  Callbacks calls;
  calls.options.allocator.allocate = [](void*, size_t, size_t) -> void* { return nullptr; };
  const Runtime runtime(&calls.options);
  octile_plan* plan = load(runtime.handle, runtime::test::runnable_plan());
  Case c = draw(runtime::test::runnable_plan().graph, {{1, 3, 8, 8}}, 6);
  std::vector<octile_output> outputs(2);
  EXPECT_EQ(octile_plan_run(plan, c.in.data(), 1, outputs.data(), 2), OCTILE_OUT_OF_MEMORY);
  EXPECT_NE(std::string(octile_message()).find("no memory for"), std::string::npos);
  octile_plan_release(plan);
}

TEST(CApi, MisuseIsACodeAndAText) {
  const Runtime runtime;
  octile_plan* plan = load(runtime.handle, runtime::test::runnable_plan());
  Case c = draw(runtime::test::runnable_plan().graph, {{1, 3, 8, 8}}, 6);
  std::vector<octile_output> outputs(2);
  const auto refused = [&](const octile_input& input, const std::string& text) {
    EXPECT_EQ(octile_plan_run(plan, &input, 1, outputs.data(), 2), OCTILE_INVALID_ARGUMENT);
    EXPECT_NE(std::string(octile_message()).find(text), std::string::npos) << octile_message();
  };
  octile_input wrong = c.in[0];
  wrong.bytes -= 1;
  refused(wrong, "input picture: has 191 bytes");
  wrong = c.in[0];
  wrong.data = nullptr;
  refused(wrong, "data is null");
  wrong = c.in[0];
  wrong.shape.dims[1] = 4;
  refused(wrong, "the plan wants [-1,3,-1,8]");
  wrong.shape.dims[1] = -3;
  refused(wrong, "no shape");
  wrong.shape.rank = 99;
  refused(wrong, "rank 99");
  EXPECT_EQ(octile_plan_run(plan, c.in.data(), 0, outputs.data(), 2), OCTILE_INVALID_ARGUMENT);
  EXPECT_EQ(octile_plan_run(plan, c.in.data(), 1, outputs.data(), 1), OCTILE_INVALID_ARGUMENT);
  EXPECT_EQ(octile_plan_run(nullptr, c.in.data(), 1, outputs.data(), 2), OCTILE_INVALID_ARGUMENT);
  EXPECT_EQ(octile_plan_input_count(nullptr), 0U);
  octile_plan_release(plan);
  octile_plan_release(nullptr);
  octile_output_release(nullptr, nullptr);
}

TEST(CApi, RuntimesRefuseWhatTheyCannotDo) {
  octile_runtime* runtime = nullptr;
  EXPECT_EQ(octile_runtime_create(nullptr, nullptr), OCTILE_INVALID_ARGUMENT);
  octile_options options{};
  EXPECT_EQ(octile_runtime_create(&options, &runtime), OCTILE_INVALID_ARGUMENT);  // struct_size is not set
  options.struct_size = sizeof options;
  options.target = "pdp11";
  EXPECT_NE(octile_runtime_create(&options, &runtime), OCTILE_OK);
  EXPECT_NE(std::string(octile_message()).find("unknown target 'pdp11'"), std::string::npos);
  options.target = nullptr;
  const char* packs[] = {"/no/such.octpack"};
  options.packs = packs;
  options.pack_count = 1;
  EXPECT_NE(octile_runtime_create(&options, &runtime), OCTILE_OK);
  EXPECT_NE(std::string(octile_message()).find("/no/such.octpack"), std::string::npos);
  EXPECT_EQ(runtime, nullptr);
  // A newer caller: more fields than we know.
  struct {
    octile_options known;
    void* unknown;
  } newer{};
  newer.known.struct_size = sizeof newer;
  ASSERT_EQ(octile_runtime_create(&newer.known, &runtime), OCTILE_OK) << octile_message();
  octile_runtime_release(runtime);
  newer.unknown = &newer;
  EXPECT_EQ(octile_runtime_create(&newer.known, &runtime), OCTILE_UNSUPPORTED);
}

TEST(CApi, BrokenPlansAreNamed) {
  const Runtime runtime;
  octile_plan* plan = nullptr;
  EXPECT_EQ(octile_plan_load_file(runtime.handle, "/no/such.octplan", &plan), OCTILE_NOT_FOUND);
  EXPECT_EQ(std::string(octile_message()).find("/no/such.octplan: cannot open: "), 0U) << octile_message();
  std::vector<uint8_t> bytes = *runtime::write_plan(runtime::test::runnable_plan());
  bytes[bytes.size() / 2] ^= 1;
  EXPECT_EQ(octile_plan_load_memory(runtime.handle, bytes.data(), bytes.size(), &plan), OCTILE_CORRUPT);
  EXPECT_EQ(plan, nullptr);
  EXPECT_NE(std::string(octile_message()).find("SHA-256"), std::string::npos);
  EXPECT_EQ(octile_plan_load_memory(nullptr, bytes.data(), bytes.size(), &plan), OCTILE_INVALID_ARGUMENT);
}

// Plans made to mislead, with a right hash: whatever they ask for, a code or an answer comes back.
TEST(CApi, ForgedPlansHurtNobody) {
  Callbacks calls;
  const Runtime runtime(&calls.options);
  const PlanFile good = runtime::test::runnable_plan();
  const std::vector<uint8_t> bytes = *runtime::write_plan(good);
  Case c = draw(good.graph, {{1, 3, 8, 8}}, 7);
  std::mt19937 random(13);
  int ran = 0, refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<uint8_t> forged = bytes;
    for (int n = 0; n < 1 + round % 3; ++n)
      forged[32 + random() % (bytes.size() - 64)] ^= static_cast<uint8_t>(1U << random() % 8);
    const auto digest = packs::sha256(std::span(forged).first(forged.size() - 32));
    std::copy(digest.begin(), digest.end(), forged.end() - 32);
    octile_plan* plan = nullptr;
    if (octile_plan_load_memory(runtime.handle, forged.data(), forged.size(), &plan) != OCTILE_OK) {
      ++refused;
      continue;
    }
    std::vector<octile_output> outputs(octile_plan_output_count(plan));
    ran += octile_plan_run(plan, c.in.data(), 1, outputs.data(), outputs.size()) == OCTILE_OK ? 1 : 0;
    for (octile_output& o : outputs) octile_output_release(plan, &o);
    octile_plan_release(plan);
  }
  EXPECT_GT(ran, 100);  // weights and scales are anybody's choice
  EXPECT_GT(refused, 100);
}

TEST(CApi, OnePlanInManyThreads) {
  const Runtime runtime;
  octile_plan* plan = load(runtime.handle, runtime::test::runnable_plan());
  const GraphDesc graph = runtime::test::runnable_plan().graph;
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t round = 0; round < 10; ++round) {
        const Case c = draw(graph, {{1 + t, 3, 4 + round, 8}}, t * 100 + round);
        std::vector<octile_output> outputs(2);
        ASSERT_EQ(octile_plan_run(plan, c.in.data(), 1, outputs.data(), 2), OCTILE_OK) << octile_message();
        for (size_t i = 0; i < 2; ++i) {
          EXPECT_EQ(std::memcmp(outputs[i].data, c.expected[i].data, outputs[i].bytes), 0);
          octile_output_release(plan, &outputs[i]);
        }
        // Each thread has its own message.
        EXPECT_EQ(octile_plan_run(plan, c.in.data(), t, nullptr, 0), OCTILE_INVALID_ARGUMENT);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  octile_plan_release(plan);
}

TEST(CApi, TheExampleOfTheDocumentation) {
  const auto folder = std::filesystem::temp_directory_path() / ("octile_c_api_" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const std::string path = (folder / "net.octplan").string(), text = (folder / "text").string();
  const std::vector<uint8_t> bytes = *runtime::write_plan(runtime::test::runnable_plan());
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  const std::string command = std::string(OCTILE_EXAMPLE) + " " + path + " > " + text;
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::string line;
  std::ifstream out(text);
  ASSERT_TRUE(std::getline(out, line));
  EXPECT_EQ(line, "answer: 8 4 4 4 (2048 bytes)");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace octile
