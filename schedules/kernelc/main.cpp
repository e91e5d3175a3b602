// kernelc: the only program that links Halide. Turns request lines into objects.
// In:  request lines (request.h) from --batch FILE, or one from the command line.  Out: <name>.o and <name>.json (the
//      KernelEntry) per kernel in --out; one line per kernel on stdout: "ok <name>" or "error <line number> <reason>".
// Not here: linking, packs, search, timing.
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>

#include "schedules/kernelc/codegen.h"

namespace {

constexpr const char* kHelp =
    R"(usage: kernelc --out DIR (--batch FILE | --request 'TARGET | OP | CANDIDATE') [--emit ll,asm,stmt]
       kernelc --version

Builds int8 kernels. Each request line is  target | op | candidate ; lines starting with # are comments.
examples:
  kernelc --out k --request 'avx512vnni | any:dot dst=u8 | layout=k4n16 tile=x7y1n64 uk=2' --emit asm
  kernelc --out k --batch packs/logs/default.list
Exit status: 0 all built, 1 some failed (see the "error" lines), 2 bad usage.
)";

struct Arguments {
  octile::kernelc::CodegenOptions codegen;
  std::string batch, request;
  bool ok = true, version = false, help = false;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  bool out = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 < argc) return argv[++i];
      a.ok = false;
      return "";
    };
    if (arg == "--out")
      a.codegen.out_dir = value(), out = true;
    else if (arg == "--batch")
      a.batch = value();
    else if (arg == "--request")
      a.request = value();
    else if (arg == "--version")
      a.version = true;
    else if (arg == "--help" || arg == "-h")
      a.help = true;
    else if (arg == "--emit") {
      const std::string kinds = value();
      a.codegen.keep_ir = kinds.find("ll") != std::string::npos;
      a.codegen.emit_asm = kinds.find("asm") != std::string::npos;
      a.codegen.emit_stmt = kinds.find("stmt") != std::string::npos;
    } else
      a.ok = false;
  }
  if (!a.version && !a.help) a.ok = a.ok && out && (a.batch.empty() != a.request.empty());
  return a;
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
  const Arguments a = parse(argc, argv);
  if (a.help || !a.ok) {
    (a.help ? std::cout : std::cerr) << kHelp;
    return a.help ? 0 : 2;
  }
  if (a.version) {
    std::cout << octile::kernelc::generator_version() << "\n";
    return 0;
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
