// The cache, the children, the list file; see compile.h.
// In:  request lines.  Out: objects.
// Not here: the grammar of ops and candidates: kernelc judges a line, its answer is passed on with file and line.
#include "packs/builder/compile.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <filesystem>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "packs/builder/tools.h"
#include "packs/format/sha256.h"
#include "targets/desc/target.h"

namespace octile::packs {
namespace {

namespace fs = std::filesystem;

std::string trimmed(std::string_view s) {
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.front())) != 0) s.remove_prefix(1);
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back())) != 0) s.remove_suffix(1);
  return std::string(s);
}

// "error 1 invalid argument: ..." as kernelc reports it; what went wrong, without the line number it counted.
std::string complaint_of(const ToolResult& run) {
  std::istringstream in(run.out);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string word, number, rest;
    if (words >> word >> number && word == "error" && std::getline(words, rest)) return trimmed(rest);
  }
  return "kernelc: " + run.how_it_ended;
}

Result<KernelEntry> read_entry(const std::string& path) {
  OCTILE_ASSIGN_OR_RETURN(const std::string json, read_text_file(path));
  return parse_kernel(json, path);
}

}  // namespace

Status check_line(const std::string& line) {
  if (std::count(line.begin(), line.end(), '|') != 2) {
    return {Code::invalid_argument, "expected 'target | op | candidate', found '" + line + "'"};
  }
  const Result<const TargetDesc*> desc = find_target(trimmed(line.substr(0, line.find('|'))));
  if (!desc.ok()) return desc.status();
  if (generated((*desc)->isa)) return {};
  return {Code::invalid_argument, std::string((*desc)->alias) + " kernels are part of the runtime, not packed"};
}

Result<std::vector<Request>> read_list(const std::string& path) {
  OCTILE_ASSIGN_OR_RETURN(const std::string text, read_text_file(path));
  std::vector<Request> requests;
  std::map<std::string, int> seen;
  std::istringstream in(text);
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    line = trimmed(line);
    if (line.empty() || line[0] == '#') continue;
    const std::string origin = path + ":" + std::to_string(number);
    if (const Status status = check_line(line); !status.ok()) {
      return Status(status.code(), origin + ": " + status.message());
    }
    if (const auto [at, fresh] = seen.emplace(line, number); !fresh) {
      return Status(Code::invalid_argument, origin + ": the same kernel as line " + std::to_string(at->second));
    }
    requests.push_back({line, origin, Source::list, 0});
  }
  if (requests.empty()) return Status(Code::invalid_argument, path + ": lists no kernel");
  return requests;
}

Result<Compiler> Compiler::make(CompileOptions options) {
  Compiler compiler(std::move(options));
  const std::string& kernelc = compiler.options_.kernelc;
  Result<std::vector<uint8_t>> program = read_file(kernelc);
  const ToolResult run = program.ok() ? run_tool({kernelc, "--version"}, 60) : ToolResult{};
  if (!run.ok) {
    const std::string why = program.ok() ? run.how_it_ended : "cannot read it";
    return Status(Code::not_found, kernelc + ": does not run (" + why + "); build kernelc or name it with --kernelc");
  }
  compiler.version_ = trimmed(run.out);
  compiler.identity_ = sha256_hex(*program) + compiler.version_;
  return compiler;
}

Result<std::vector<Compiled>> Compiler::compile(const std::vector<Request>& requests) {
  OCTILE_ASSIGN_OR_RETURN(ScratchDir scratch, ScratchDir::make(options_.cache_dir));
  std::vector<Compiled> results(requests.size());
  std::atomic<size_t> next{0};
  size_t done = 0;
  std::mutex mutex;
  const auto work = [&](size_t worker) {
    for (size_t i = next++; i < requests.size(); i = next++) {
      results[i] = compile_one(requests[i], scratch / std::to_string(worker));
      const std::lock_guard lock(mutex);
      ++done;
      if (options_.progress) options_.progress(done, requests.size(), requests[i].line);
    }
  };
  std::vector<std::thread> helpers;
  const size_t jobs = std::min(static_cast<size_t>(std::max(1, options_.jobs)), requests.size());
  for (size_t i = 1; i < jobs; ++i) helpers.emplace_back(work, i);
  work(0);
  for (std::thread& t : helpers) t.join();
  if (options_.cache_dir.empty()) uncached_.push_back(std::move(scratch));
  return results;
}

Compiled Compiler::compile_one(const Request& request, const std::string& scratch_dir) const {
  const std::string key = sha256_hex(identity_ + "\n" + request.line);
  const std::string kept = (options_.cache_dir.empty() ? scratch_dir + "-kept" : options_.cache_dir) + "/" + key;
  Result<KernelEntry> entry = read_entry(kept + ".json");
  Status status;
  if (!entry.ok()) {
    status = run_kernelc(request, kept, scratch_dir);
    entry = read_entry(kept + ".json");
    if (status.ok()) status = entry.status();
  }
  if (!status.ok()) {
    return {Status(status.code(), request.origin + ": " + status.message() + "\n  in " + request.line), "", {}};
  }
  entry->us = request.us;
  return {{}, kept + ".o", *std::move(entry)};
}

// Leaves <kept>.o and, after it, <kept>.json: who sees the second has both.
Status Compiler::run_kernelc(const Request& request, const std::string& kept, const std::string& scratch_dir) const {
  std::error_code error;
  fs::remove_all(scratch_dir, error);
  fs::create_directories(scratch_dir, error);
  fs::create_directories(fs::path(kept).parent_path(), error);
  const ToolResult run =
      run_tool({options_.kernelc, "--out", scratch_dir, "--request", request.line}, options_.seconds);
  if (!run.ok) return {Code::internal, complaint_of(run)};
  const std::string first = run.out.substr(0, run.out.find('\n'));
  if (!first.starts_with("ok ")) return {Code::internal, "kernelc printed '" + first + "', not 'ok <name>'"};
  const std::string made = scratch_dir + "/" + trimmed(first.substr(3));
  for (const char* extension : {".o", ".json"}) {
    fs::rename(made + extension, kept + extension, error);
    if (error) return {Code::io_error, made + extension + ": " + error.message()};
  }
  return {};
}

}  // namespace octile::packs
