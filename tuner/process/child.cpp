// Child: see child.h.  In: argv and limits.  Out: ChildResult.  Not here: the meaning of output.
#include "tuner/process/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace octile::tuner {
namespace {

constexpr size_t kOutputLimit = 1 << 20;
constexpr int kStartFailed = 127;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_end(read_end);
    close_end(write_end);
  }
  [[nodiscard]] bool open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read_end = ends[0];
    write_end = ends[1];
    return true;
  }
  // A pair of sockets: writing to one whose reader is gone is an error, not a signal.
  [[nodiscard]] bool open_quiet() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
    read_end = ends[0];
    write_end = ends[1];
    return true;
  }
  static void close_end(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
};

// Between fork and exec only calls that are safe in a copy of a threaded process are allowed.
[[noreturn]] void become(char* const* argv, const Pipe& in, const Pipe& out, const Pipe& err, const ChildLimits& limits,
                         pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kStartFailed);  // the parent died before prctl
  dup2(in.read_end, STDIN_FILENO);
  dup2(out.write_end, STDOUT_FILENO);
  dup2(err.write_end, STDERR_FILENO);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (limits.memory_bytes > 0) {
    const auto bytes = static_cast<rlim_t>(limits.memory_bytes);
    const rlimit memory{bytes, bytes};
    setrlimit(RLIMIT_AS, &memory);
  }
  struct sigaction defaults {};
  defaults.sa_handler = SIG_DFL;
  sigaction(SIGPIPE, &defaults, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvp(argv[0], argv);
  const char* text = std::strerror(errno);
  (void)!write(STDERR_FILENO, text, std::strlen(text));
  _exit(kStartFailed);
}

// Reads what is there; false when the other side closed.
bool drain(int fd, std::string& text) {
  std::array<char, 1 << 14> buffer;
  const ssize_t got = read(fd, buffer.data(), buffer.size());
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  const size_t room = kOutputLimit - std::min(kOutputLimit, text.size());
  text.append(buffer.data(), std::min(static_cast<size_t>(got), room));
  return got > 0;
}

// Writes what the child takes; false when there is nothing left to say or nobody listens.
bool feed(int fd, const std::string& text, size_t& offset) {
  const ssize_t put = send(fd, text.data() + offset, text.size() - offset, MSG_NOSIGNAL);
  if (put < 0) return errno == EINTR || errno == EAGAIN;
  offset += static_cast<size_t>(put);
  return offset < text.size();
}

class Conversation {
 public:
  Conversation(Pipe& in, Pipe& out, Pipe& err, const std::string& stdin_text)
      : in_(in), out_(out), err_(err), text_(stdin_text) {
    fcntl(in_.write_end, F_SETFL, O_NONBLOCK);
    if (text_.empty()) Pipe::close_end(in_.write_end);
  }
  // Moves bytes for at most `milliseconds`; false when both outputs are closed.
  bool step(int milliseconds, ChildResult& result) {
    std::array<pollfd, 3> fds = {pollfd{out_.read_end, POLLIN, 0}, pollfd{err_.read_end, POLLIN, 0},
                                 pollfd{in_.write_end, POLLOUT, 0}};  // poll skips negative descriptors
    if (poll(fds.data(), fds.size(), milliseconds) <= 0) return true;
    if (fds[0].revents != 0 && !drain(out_.read_end, result.out)) Pipe::close_end(out_.read_end);
    if (fds[1].revents != 0 && !drain(err_.read_end, result.err)) Pipe::close_end(err_.read_end);
    if (fds[2].revents != 0 && !feed(in_.write_end, text_, offset_)) Pipe::close_end(in_.write_end);
    return out_.read_end >= 0 || err_.read_end >= 0;
  }

 private:
  Pipe &in_, &out_, &err_;
  const std::string& text_;
  size_t offset_ = 0;
};

// Waits for the child while moving bytes; kills its group at a limit.
void attend(pid_t pid, Conversation& conversation, const ChildLimits& limits, const std::atomic<bool>* stop,
            ChildResult& result) {
  const double deadline = now() + limits.seconds;
  bool open = true, killed = false;
  for (;;) {
    if (open) {
      open = conversation.step(50, result);
    } else {
      poll(nullptr, 0, 2);
    }
    int status = 0;
    const pid_t done = waitpid(pid, &status, WNOHANG);
    if (done == pid) {
      kill(-pid, SIGKILL);  // helpers it left behind hold the pipes open
      while (open && conversation.step(50, result)) {
      }
      if (killed) return;
      result.end = WIFEXITED(status) ? ChildResult::End::exited : ChildResult::End::signalled;
      result.code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
      return;
    }
    if (killed) continue;
    const bool stopped = stop != nullptr && stop->load();
    if (stopped || now() > deadline) {
      result.end = stopped ? ChildResult::End::stopped : ChildResult::End::timed_out;
      killed = true;
      kill(-pid, SIGKILL);
      kill(pid, SIGKILL);  // in case it has not reached setpgid yet
    }
  }
}

}  // namespace

std::string ChildResult::describe(const ChildLimits& limits) const {
  std::string text;
  switch (end) {
    case End::exited: text = "exit code " + std::to_string(code); break;
    case End::signalled: text = "signal " + std::to_string(code) + " (" + strsignal(code) + ")"; break;
    case End::timed_out: {
      char seconds[32];
      std::snprintf(seconds, sizeof seconds, "%g", limits.seconds);
      text = std::string("no end after ") + seconds + " s";
      break;
    }
    case End::stopped: text = "stopped"; break;
    case End::not_started: text = std::string("could not start: ") + std::strerror(code); break;
  }
  const size_t last = err.find_last_not_of(" \n\r\t");
  if (last == std::string::npos) return text;
  const size_t newline = err.rfind('\n', last);
  const size_t begin = newline == std::string::npos ? 0 : newline + 1;
  return text + ": " + err.substr(begin, std::min<size_t>(last + 1 - begin, 400));
}

ChildResult run_child(const std::vector<std::string>& argv, const std::string& stdin_text, const ChildLimits& limits,
                      const std::atomic<bool>* stop) {
  ChildResult result;
  Pipe in, out, err;
  if (argv.empty() || !in.open_quiet() || !out.open() || !err.open()) {
    result.code = argv.empty() ? EINVAL : errno;
    return result;
  }
  std::vector<char*> raw;
  for (const std::string& a : argv) raw.push_back(const_cast<char*>(a.c_str()));
  raw.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    result.code = errno;
    return result;
  }
  if (pid == 0) become(raw.data(), in, out, err, limits, parent);
  setpgid(pid, pid);
  Pipe::close_end(in.read_end);
  Pipe::close_end(out.write_end);
  Pipe::close_end(err.write_end);
  Conversation conversation(in, out, err, stdin_text);
  attend(pid, conversation, limits, stop, result);
  return result;
}

}  // namespace octile::tuner
