// Progress: see progress.h.  In: events.  Out: text.  Not here: decisions.
#include "tuner/cli/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace octile::tuner {
namespace {

using Json = nlohmann::ordered_json;

std::string format(const char* pattern, double a, double b = 0) {
  char text[128];
  std::snprintf(text, sizeof text, pattern, a, b);
  return text;
}

// "1:05" or "1:02:05".
std::string clock_text(double seconds) {
  const long s = std::lround(std::max(0.0, seconds));
  char text[32];
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  } else {
    std::snprintf(text, sizeof text, "%ld:%02ld", s / 60, s % 60);
  }
  return text;
}

std::string_view kind_name(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::trial: return "trial";
    case Event::Kind::final: return "final";
    case Event::Kind::closed: return "closed";
  }
  return "?";
}

// How much faster than the default, for people: 1.12 for a ratio of 0.89.
double speedup(double ratio) { return ratio > 0 ? 1 / ratio : 1; }

class Silent final : public Observer {
 public:
  void on_event(const Event&, const Session&) override {}
};

class JsonLines final : public Observer {
 public:
  void on_event(const Event& e, const Session& s) override {
    Json j;
    j["event"] = kind_name(e.kind);
    j["elapsed_s"] = e.elapsed_s;
    j["budget_s"] = s.options().budget_s;
    j["eta_s"] = e.eta_s;
    j["fraction"] = e.fraction;
    j["trials"] = s.new_trials();
    j["ok"] = s.new_trials() - s.failed_trials();
    j["gain"] = model_gain(s);
    j["task"] = s.tasks()[e.task].label();
    j["best_ratio"] = s.states()[e.task].best_ratio;
    if (e.record != nullptr) {
      j["op"] = e.record->op;
      j["cand"] = e.record->cand;
      j["verdict"] = to_string(e.record->verdict);
      j["reason"] = e.record->reason;
      j["ratio"] = e.record->ratio();
    } else {
      j["note"] = s.states()[e.task].note;
    }
    std::puts(j.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    std::fflush(stdout);
  }
};

// One line redrawn on a terminal; elsewhere a line when a task gets better, fails or ends.
class Bar final : public Observer {
 public:
  explicit Bar(bool terminal) : terminal_(terminal) {}
  ~Bar() override {
    if (terminal_ && drawn_) std::fputs("\r\x1b[K", stderr);
  }
  void on_event(const Event& e, const Session& s) override {
    const TaskState& state = s.states()[e.task];
    std::string news;
    if (e.kind == Event::Kind::closed) {
      news = s.tasks()[e.task].label() + ": done, " + state.note;
    } else if (e.record->verdict != Verdict::ok) {
      news = s.tasks()[e.task].label() + ": " + e.record->cand + " " + std::string(to_string(e.record->verdict)) +
             ": " + e.record->reason;
    } else if (e.kind == Event::Kind::final) {
      news = s.tasks()[e.task].label() + ": chosen " + e.record->cand +
             format(", %.2f x the default", speedup(e.record->ratio()));
    } else if (state.since_better == 0 && !state.contenders.empty()) {
      news = s.tasks()[e.task].label() + ": " + e.record->cand +
             format(", %.2f x the default", speedup(e.record->ratio()));
    }
    if (terminal_) std::fputs("\r\x1b[K", stderr);
    if (!news.empty()) std::fprintf(stderr, "%s\n", news.c_str());
    if (terminal_) draw(e, s);
  }

 private:
  void draw(const Event& e, const Session& s) {
    constexpr int kWidth = 24;
    const long filled = std::lround(e.fraction * kWidth);
    std::string bar(static_cast<size_t>(std::clamp(filled, 0L, long{kWidth})), '#');
    bar.resize(kWidth, '.');
    const auto open = std::ranges::count_if(s.states(), [](const TaskState& t) { return !t.closed; });
    std::fprintf(stderr, "[%s] %3.0f%%  %s, %s left  %d measured, %zd of %zu workloads open, model %.2f x", bar.c_str(),
                 e.fraction * 100, clock_text(e.elapsed_s).c_str(), e.eta_s > 0 ? clock_text(e.eta_s).c_str() : "?",
                 s.new_trials(), static_cast<ssize_t>(open), s.states().size(), model_gain(s));
    std::fflush(stderr);
    drawn_ = true;
  }
  bool terminal_, drawn_ = false;
};

// The ratio a task ends with: of the pair run if there was one, else of the best trial.
double final_ratio(const TaskState& s) { return s.chosen ? s.choice_ratio : s.best_ratio; }

std::string choice_of(const Session& session, size_t i) {
  const TaskState& s = session.states()[i];
  if (s.chosen) return s.choice;
  if (s.trials == 0) return "not measured yet";
  return s.contenders.empty() ? "default" : to_line(s.contenders.front().cand) + " (not yet confirmed)";
}

}  // namespace

std::unique_ptr<Observer> make_observer(ProgressKind kind, bool terminal) {
  switch (kind) {
    case ProgressKind::bar: return std::make_unique<Bar>(terminal);
    case ProgressKind::json: return std::make_unique<JsonLines>();
    case ProgressKind::none: return std::make_unique<Silent>();
  }
  return std::make_unique<Silent>();
}

double model_gain(const Session& session) {
  double before = 0, after = 0;
  for (size_t i = 0; i < session.states().size(); ++i) {
    const TaskState& s = session.states()[i];
    const double us = s.default_us * static_cast<double>(session.tasks()[i].op.count);
    before += us;
    after += us * std::min(1.0, final_ratio(s));
  }
  return after > 0 ? before / after : 1;
}

std::string summary_text(const Session& session, const std::string& log, bool interrupted) {
  std::string text = "    default us  x count   speed-up  trials  workload: choice\n";
  for (size_t i = 0; i < session.tasks().size(); ++i) {
    const TaskState& s = session.states()[i];
    char row[128];
    std::snprintf(row, sizeof row, "  %12.1f %8lld %10.2f %7d  ", s.default_us,
                  static_cast<long long>(session.tasks()[i].op.count), speedup(final_ratio(s)), s.trials);
    text += row + session.tasks()[i].label() + ": " + choice_of(session, i) + "\n";
  }
  text += std::to_string(session.new_trials()) + " candidates measured, " + std::to_string(session.failed_trials()) +
          " of them failed; model " + format("%.2f", model_gain(session)) + " x the default\n";
  text += interrupted ? "interrupted; every finished record is in " + log + ", run the same command to go on\n"
                      : "records are in " + log + "\n";
  return text;
}

std::string summary_json(const Session& session, const std::string& log, bool interrupted) {
  Json j{{"event", "summary"},
         {"log", log},
         {"interrupted", interrupted},
         {"trials", session.new_trials()},
         {"ok", session.new_trials() - session.failed_trials()},
         {"gain", model_gain(session)},
         {"tasks", Json::array()}};
  for (size_t i = 0; i < session.tasks().size(); ++i) {
    const TaskState& s = session.states()[i];
    j["tasks"].push_back(Json{{"task", session.tasks()[i].label()},
                              {"op", to_key(session.tasks()[i].op)},
                              {"count", session.tasks()[i].op.count},
                              {"layout", layout_half(session.tasks()[i].layout)},
                              {"default_us", s.default_us},
                              {"ratio", final_ratio(s)},
                              {"choice", choice_of(session, i)},
                              {"trials", s.trials},
                              {"note", s.note}});
  }
  return j.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace octile::tuner
