// Status and Result: how every room reports what went wrong without throwing.
// In:  a code, one fixed-vocabulary reason, a context sentence.  Out: a value the caller must look at.
// Not here: logging, printing, aborting on user input.  OCTILE_CHECK is for our own broken invariants only.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace octile {

enum class Code {
  ok,
  invalid_argument,
  not_found,
  unsupported,
  corrupt,
  io_error,
  timeout,
  crashed,
  wrong_answer,
  out_of_memory,
  internal
};

[[nodiscard]] constexpr std::string_view to_string(Code c) {
  switch (c) {
    case Code::ok: return "ok";
    case Code::invalid_argument: return "invalid argument";
    case Code::not_found: return "not found";
    case Code::unsupported: return "unsupported";
    case Code::corrupt: return "corrupt";
    case Code::io_error: return "i/o error";
    case Code::timeout: return "timeout";
    case Code::crashed: return "crashed";
    case Code::wrong_answer: return "wrong answer";
    case Code::out_of_memory: return "out of memory";
    case Code::internal: return "internal error";
  }
  return "?";
}

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}
  [[nodiscard]] bool ok() const { return code_ == Code::ok; }
  [[nodiscard]] Code code() const { return code_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  // "corrupt: pack.octpack: truncated manifest"; "ok" when there is no error.
  [[nodiscard]] std::string to_string() const {
    return ok() ? std::string("ok") : std::string(octile::to_string(code_)) + ": " + message_;
  }

 private:
  Code code_ = Code::ok;
  std::string message_;
};

// A T or the Status that explains its absence.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {}  // NOLINT(google-explicit-constructor)
  [[nodiscard]] bool ok() const { return value_.has_value(); }
  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] T& value() & { return *value_; }
  [[nodiscard]] const T& value() const& { return *value_; }
  [[nodiscard]] T&& value() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return std::move(*value_); }

 private:
  std::optional<T> value_;
  Status status_{};
};

}  // namespace octile

#define OCTILE_CONCAT_(a, b) a##b
#define OCTILE_CONCAT(a, b) OCTILE_CONCAT_(a, b)
// Returns the Status of `expr` from the enclosing function when it is an error.
#define OCTILE_RETURN_IF_ERROR(expr)                                                           \
  do {                                                                                         \
    if (::octile::Status octile_status_ = (expr); !octile_status_.ok()) return octile_status_; \
  } while (0)
// Declares `decl` from the Result `expr`, or returns its Status.
#define OCTILE_ASSIGN_OR_RETURN(decl, expr)                                                                   \
  auto OCTILE_CONCAT(octile_result_, __LINE__) = (expr);                                                      \
  if (!OCTILE_CONCAT(octile_result_, __LINE__).ok()) return OCTILE_CONCAT(octile_result_, __LINE__).status(); \
  decl = std::move(*OCTILE_CONCAT(octile_result_, __LINE__))
// For invariants of our own code; never for anything a user, a file or a host can cause.
#define OCTILE_CHECK(cond)                                                                        \
  do {                                                                                            \
    if (!(cond)) {                                                                                \
      std::fprintf(stderr, "octile: broken invariant at %s:%d: %s\n", __FILE__, __LINE__, #cond); \
      std::abort();                                                                               \
    }                                                                                             \
  } while (0)
