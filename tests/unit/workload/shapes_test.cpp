// The shape files: every line is canonical, no line repeats, the networks do the work they are known to do.
// In:  workload/shapes/*.txt.  Out: assertions.
// Not here: running the ops.
#include "workload/shapes/shapes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

namespace octile {
namespace {

std::map<std::string, std::string> shape_files() {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(OCTILE_SHAPES_DIR)) {
    if (entry.path().extension() == ".txt") files[entry.path().stem()] = entry.path();
  }
  return files;
}

TEST(Shapes, EveryLineRoundTrips) {
  EXPECT_GE(shape_files().size(), 10U);
  for (const auto& [net, path] : shape_files()) {
    const Result<std::vector<OpSpec>> specs = load_shapes(path);
    ASSERT_TRUE(specs.ok()) << specs.status().to_string();
    EXPECT_GE(specs->size(), 5U) << path;
    std::ifstream file(path);
    std::string line;
    std::set<std::string> keys;
    for (const OpSpec& spec : *specs) {
      while (std::getline(file, line) && (line.empty() || line[0] == '#')) {
      }
      EXPECT_EQ(to_line(spec), line);
      EXPECT_EQ(spec.name.rfind(net + ":", 0), 0U) << line;
      EXPECT_TRUE(keys.insert(to_key(spec)).second) << "twice in " << path << ": " << line;
    }
  }
}

TEST(Shapes, MultiplyAddsOfTheNetworks) {
  const std::map<std::string, double> known_mmac = {
      {"resnet_50", 4089}, {"mobilenet_v1", 569}, {"mobilenet_v2", 301}, {"mobilenet_v3", 217}, {"bert_base", 11175}};
  const auto files = shape_files();
  for (const auto& [net, mmac] : known_mmac) {
    ASSERT_TRUE(files.count(net)) << net;
    double total = 0;
    const Result<std::vector<OpSpec>> specs = load_shapes(files.at(net));
    ASSERT_TRUE(specs.ok());
    for (const OpSpec& spec : *specs) {
      total += static_cast<double>(spec.macs()) * static_cast<double>(spec.count) * 1e-6;
    }
    EXPECT_NEAR(total, mmac, mmac * 0.01) << net;
  }
}

TEST(Shapes, ErrorsNameFileAndLine) {
  const std::string path = ::testing::TempDir() + "/octile_broken_shapes.txt";
  std::ofstream(path) << "# comment\n\ndense m2k3n4\nconv2d ic0\n";
  const Result<std::vector<OpSpec>> specs = load_shapes(path);
  ASSERT_FALSE(specs.ok());
  EXPECT_NE(specs.status().message().find(path + ":4: "), std::string::npos) << specs.status().message();
  EXPECT_EQ(load_shapes(path + ".missing").status().code(), Code::io_error);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace octile
