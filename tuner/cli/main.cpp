// octile-tune: searches the fastest kernels for the workloads of a model and logs every measurement.
// In:  op files, a target, a budget.  Out: the tuning log; progress; a summary.
// Not here: everything that can be tested without a process (session/, cli/options, cli/progress).
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>
#include <regex>

#include "packs/format/pack_file.h"
#include "packs/format/sha256.h"
#include "targets/probe/probe.h"
#include "tuner/build/kernelc_builder.h"
#include "tuner/cli/dry_run.h"
#include "tuner/cli/options.h"
#include "tuner/cli/progress.h"
#include "tuner/measure/process_runner.h"
#include "tuner/session/session.h"
#include "workload/shapes/shapes.h"

namespace octile::tuner {
namespace {

namespace fs = std::filesystem;

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set in a signal handler");

void on_signal(int) { stop_requested.store(true); }

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);  // whoever reads our progress may leave; the search goes on
}

class SystemClock final : public Clock {
 public:
  double seconds() override {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  std::string utc_date() override {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    char text[32];
    (void)std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return text;
  }
};

constexpr const char* kScratchPrefix = "octile-tune-scratch-";

// A scratch folder that goes away with us. A lock on it says that its owner lives: folders of tuners that were killed
// have none, and the next tuner removes them.
class WorkDir {
 public:
  static Result<WorkDir> make(const std::string& wanted) {
    std::error_code error;
    if (!wanted.empty()) fs::create_directories(wanted, error);
    const fs::path parent = wanted.empty() ? fs::temp_directory_path(error) : fs::absolute(wanted, error);
    remove_abandoned(parent);
    std::string path = (parent / kScratchPrefix).string() + "XXXXXX";
    if (path.find_first_of(" \t") != std::string::npos || mkdtemp(path.data()) == nullptr) {
      return Status(Code::io_error, path + ": cannot create a scratch folder; name one without blanks with --work");
    }
    return WorkDir(path, lock(path));
  }
  WorkDir(WorkDir&& other) noexcept : path_(std::exchange(other.path_, "")), lock_(std::exchange(other.lock_, -1)) {}
  WorkDir& operator=(WorkDir&&) = delete;
  ~WorkDir() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
    if (lock_ >= 0) ::close(lock_);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  WorkDir(std::string path, int held) : path_(std::move(path)), lock_(held) {}
  // A descriptor that holds the folder's lock, or -1.
  static int lock(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    ::close(fd);
    return -1;
  }
  static void remove_abandoned(const fs::path& parent) {
    std::error_code ignored;
    std::vector<fs::path> found;
    for (fs::directory_iterator it(parent, ignored), end; it != end; it.increment(ignored)) {
      if (it->path().filename().string().starts_with(kScratchPrefix)) found.push_back(it->path());
    }
    for (const fs::path& path : found) {
      const int fd = lock(path.string());
      if (fd < 0) continue;
      fs::remove_all(path, ignored);
      ::close(fd);
    }
  }
  std::string path_;
  int lock_ = -1;
};

std::string beside_us(const std::string& program) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? program : (self.parent_path() / program).string();
}

Result<std::vector<OpSpec>> load_ops(const Options& o) {
  std::vector<OpSpec> ops;
  std::regex only;
  try {
    only = std::regex(o.only);
  } catch (const std::regex_error&) {
    return Status(Code::invalid_argument, "--only " + o.only + ": not a regular expression");
  }
  for (const std::string& file : o.ops_files) {
    OCTILE_ASSIGN_OR_RETURN(std::vector<OpSpec> some, load_shapes(file));
    for (OpSpec& op : some) {
      if (o.only.empty() || std::regex_search(to_line(op), only)) ops.push_back(std::move(op));
    }
  }
  if (ops.empty()) return Status(Code::invalid_argument, "no workload left; see --ops and --only");
  return ops;
}

// Fills in what depends on the machine and on where we lie.
void complete(Options& o) {
  std::error_code ignored;
  if (o.kernelc.empty()) o.kernelc = beside_us("kernelc");
  if (o.runner.empty()) o.runner = beside_us("octile-runner");
  const std::string pack = beside_us("octile-default.octpack");
  if (o.pack.empty() && fs::exists(pack, ignored)) o.pack = pack;
  if (!o.pack.empty()) o.pack = fs::absolute(o.pack, ignored).string();
  if (o.jobs == 0) o.jobs = std::max(1, cpu_info().logical_cpus);
  o.batch = std::max(o.batch, o.jobs);
}

// What tells one default pack from another: its members for the target. Ratios to different packs are not comparable.
Result<std::string> pack_identity(const std::string& path, const TargetDesc& target) {
  if (path.empty()) return std::string();
  OCTILE_ASSIGN_OR_RETURN(const packs::PackFile pack, packs::open_pack(path));
  std::string members;
  for (const packs::Member& m : pack.manifest().members) {
    if (m.target == target.name) members += m.sha256;
  }
  if (members.empty()) {
    return Status(Code::invalid_argument,
                  path + ": has no kernels for " + std::string(target.name) + "; give another --pack");
  }
  return packs::sha256_hex(members).substr(0, 8);
}

SessionOptions session_options(const Options& o, const std::string& generator) {
  SessionOptions s;
  s.budget_s = o.budget_s;
  s.trials = o.trials;
  s.patience = o.patience;
  s.batch = o.batch;
  s.seed = o.seed;
  s.halide = generator;
  s.commit = OCTILE_COMMIT;
  char host[256] = "unknown";
  (void)gethostname(host, sizeof host - 1);
  s.host = host;
  s.cpu = cpu_info().brand;
  return s;
}

Status tune(const Options& o, const TargetDesc& target, TaskList list) {
  if (!can_run(target.isa)) {
    return {Code::unsupported, "this machine cannot run " + std::string(target.name) +
                                   " kernels, so they cannot be timed (--dry-run still works)"};
  }
  std::map<std::string, int> skipped;
  for (const Skipped& s : list.skipped) ++skipped[s.reason];
  for (const auto& [reason, count] : skipped) std::fprintf(stderr, "skipped %d: %s\n", count, reason.c_str());
  if (list.tasks.empty()) return {};
  OCTILE_ASSIGN_OR_RETURN(const WorkDir work, WorkDir::make(o.work_dir));
  KernelcOptions build;
  build.kernelc = o.kernelc;
  build.work_dir = work.path();
  build.jobs = o.jobs;
  KernelcBuilder builder(build);
  OCTILE_ASSIGN_OR_RETURN(const std::string generator, builder.version());
  ProcessRunnerOptions run;
  run.program = o.runner;
  run.pack = o.pack;
  ProcessRunner runner(run);
  OCTILE_RETURN_IF_ERROR(runner.check());
  SessionOptions options = session_options(o, generator);
  OCTILE_ASSIGN_OR_RETURN(options.default_pack, pack_identity(o.pack, target));
  OCTILE_ASSIGN_OR_RETURN(LogWriter log, LogWriter::open(o.log));
  for (const std::string& issue : log.contents().issues) std::fprintf(stderr, "%s\n", issue.c_str());
  SystemClock clock;
  std::unique_ptr<Observer> observer = make_observer(o.progress, isatty(STDERR_FILENO) != 0);
  Session session(std::move(list.tasks), std::move(options), builder, runner, log, clock, *observer);
  const Status status = session.run(stop_requested);
  observer.reset();  // takes its bar off the screen
  const bool interrupted = stop_requested.load();
  if (o.json || o.progress == ProgressKind::json) {
    std::fputs(summary_json(session, o.log, interrupted).c_str(), stdout);
  } else {
    std::fputs(summary_text(session, o.log, interrupted).c_str(), stdout);
  }
  return status;
}

Status run(Options o) {
  complete(o);
  OCTILE_ASSIGN_OR_RETURN(const TargetDesc* const target, find_target(o.target));
  OCTILE_ASSIGN_OR_RETURN(const std::vector<OpSpec> ops, load_ops(o));
  TaskList list = make_tasks(ops, *target);
  if (o.dry_run) {
    std::fputs((o.json ? dry_run_json(list) : dry_run_text(list)).c_str(), stdout);
    return {};
  }
  return tune(o, *target, std::move(list));
}

}  // namespace
}  // namespace octile::tuner

int main(int argc, char** argv) {
  using namespace octile;         // NOLINT(google-build-using-namespace)
  using namespace octile::tuner;  // NOLINT(google-build-using-namespace)
  Options options;
  if (const std::optional<int> ended = parse_options(argc, argv, options)) return *ended;
  catch_signals();
  const Status status = run(options);
  if (!status.ok()) {
    std::fprintf(stderr, "octile-tune: %s\n", status.to_string().c_str());
    return 1;
  }
  return stop_requested.load() ? 130 : 0;
}
