// kernelc: the only program that links Halide. Turns request lines into objects.
// In:  request lines (request.h) from --batch FILE, or one from the command line.  Out: <name>.o and <name>.json (the
//      KernelEntry) per kernel in --out; one line per kernel on stdout: "ok <name>" or "error <line number> <reason>".
// Not here: linking, packs, search, timing.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <system_error>
#include <vector>

#include "schedules/kernelc/codegen.h"

namespace {

constexpr const char* kFooter = R"(examples:
  kernelc --out k --request 'avx512vnni | any:dot dst=u8 | layout=k4n16 tile=x7y1n64 uk=2' --emit asm
  kernelc --out k --batch packs/logs/default.list
Exit status: 0 all built, 1 some failed (see the "error" lines), 2 bad usage.)";

struct Arguments {
  octile::kernelc::CodegenOptions codegen;
  std::string batch, request;
};

void declare(CLI::App& app, Arguments& a) {
  app.footer(kFooter);
  app.set_version_flag("--version", [] { return octile::kernelc::generator_version(); });
  app.add_option("--out", a.codegen.out_dir, "folder for <name>.o and <name>.json")->required();
  CLI::App* what = app.add_option_group("requests", "exactly one of")->require_option(1);
  what->add_option("--batch", a.batch, "one request a line; lines starting with # are comments");
  what->add_option("--request", a.request, "'TARGET | OP | CANDIDATE'");
  app.add_option_function<std::vector<std::string>>(
         "--emit",
         [&a](const std::vector<std::string>& kinds) {
           for (const std::string& kind : kinds) {
             (kind == "ll" ? a.codegen.keep_ir : kind == "asm" ? a.codegen.emit_asm : a.codegen.emit_stmt) = true;
           }
         },
         "write these as well: ll,asm,stmt")
      ->delimiter(',')
      ->check(CLI::IsMember({"ll", "asm", "stmt"}).description(""));
}

// Builds one line; prints its verdict; false when it failed.
bool build_line(const std::string& line, int number, const octile::kernelc::CodegenOptions& options) {
  auto request = octile::kernelc::parse_request(line);
  const octile::Status status = request.ok() ? octile::kernelc::build_kernel(*request, options) : request.status();
  if (status.ok()) {
    std::cout << "ok " << request->name << std::endl;
  } else {
    std::cout << "error " << number << " " << status.to_string() << std::endl;
  }
  return status.ok();
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app("Builds int8 kernels. A request line is  target | op | candidate", "kernelc");
  declare(app, a);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  std::error_code failed;
  std::filesystem::create_directories(a.codegen.out_dir, failed);
  if (failed) {
    std::cerr << "kernelc: " << a.codegen.out_dir << ": cannot make this folder: " << failed.message() << "\n";
    return 2;
  }
  if (!a.request.empty()) return build_line(a.request, 1, a.codegen) ? 0 : 1;
  std::ifstream in(a.batch);
  if (!in) {
    std::cerr << "kernelc: " << a.batch << ": cannot open\n";
    return 2;
  }
  bool all = true;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    all = build_line(line, number, a.codegen) && all;
  }
  return all ? 0 : 1;
}
