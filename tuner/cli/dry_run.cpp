// Dry run: see dry_run.h.  In: tasks.  Out: text.  Not here: search.
#include "tuner/cli/dry_run.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace octile::tuner {

std::string dry_run_text(const TaskList& list) {
  std::string text;
  const auto row = [&](const std::string& name, int64_t cut, int64_t left, const std::string& meaning) {
    char line[256];
    std::snprintf(line, sizeof line, "  %-14s %9lld %9lld  ", name.c_str(), static_cast<long long>(cut),
                  static_cast<long long>(left));
    text += line + meaning + "\n";
  };
  for (const Task& t : list.tasks) {
    text += to_line(t.op) + "\n" + std::string(t.target->name) + ", " + layout_half(t.layout) + "\n";
    for (const SpaceParameter& p : t.space.parameters()) {
      text += "  " + p.name + ":";
      for (const std::string& v : p.values) text += " " + v;
      text += "\n";
    }
    const SpaceSize& size = t.space.size();
    text += "  constraint           cuts      left\n";
    int64_t left = size.combinations;
    row("(all)", 0, left, "every combination of the values above");
    for (const SpaceCut& c : size.cuts) {
      left -= c.cut;
      row(c.constraint, c.cut, left, c.meaning);
    }
    text += "  valid: " + std::to_string(size.valid) + ", default: " + to_line(t.space.default_candidate()) + "\n\n";
  }
  for (const Skipped& s : list.skipped) text += "skipped: " + s.op + ": " + s.reason + "\n";
  return text;
}

std::string dry_run_json(const TaskList& list) {
  using Json = nlohmann::ordered_json;
  Json tasks = Json::array();
  for (const Task& t : list.tasks) {
    Json j;
    j["op"] = to_key(t.op);
    j["name"] = t.op.name;
    j["count"] = t.op.count;
    j["target"] = t.target->name;
    j["layout"] = layout_half(t.layout);
    j["parameters"] = Json::object();
    for (const SpaceParameter& p : t.space.parameters()) j["parameters"][p.name] = p.values;
    const SpaceSize& size = t.space.size();
    j["combinations"] = size.combinations;
    j["valid"] = size.valid;
    j["cuts"] = Json::array();
    for (const SpaceCut& c : size.cuts) {
      j["cuts"].push_back(Json{{"constraint", c.constraint}, {"meaning", c.meaning}, {"cut", c.cut}});
    }
    j["default"] = to_line(t.space.default_candidate());
    tasks.push_back(std::move(j));
  }
  Json skipped = Json::array();
  for (const Skipped& s : list.skipped) skipped.push_back(Json{{"op", s.op}, {"reason", s.reason}});
  return Json{{"tasks", std::move(tasks)}, {"skipped", std::move(skipped)}}.dump(2) + "\n";
}

}  // namespace octile::tuner
