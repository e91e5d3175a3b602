// A kernelc without a compiler: a shell script that assembles what the candidate says, or fails the way it is told.
// In:  request lines whose candidate holds name=..., and body=INSTRUCTION (with _ for a space) or a way to fail.
// Out: a program that speaks kernelc's command line.
// Not here: Halide.
#pragma once

#include <filesystem>
#include <string>

#include "packs/builder/tools.h"
#include "tests/unit/packs/temp_dir.h"

namespace octile::packs {

// Assembles AT&T text to an object.
inline std::string assemble(const TempDir& dir, const std::string& name, const std::string& text) {
  write_text(dir / (name + ".s"), text + "\n");
  const ToolResult run = run_tool({"as", dir / (name + ".s"), "-o", dir / (name + ".o")}, 60);
  return run.ok ? dir / (name + ".o") : "as: " + run.err;
}

inline std::string function(const std::string& name, const std::string& body) {
  return ".section .text." + name + ",\"ax\"\n.globl " + name + "\n.type " + name + ",@function\n" + name + ":\n" +
         body + "\nret\n.size " + name + ", .-" + name + "\n";
}

// Each run that compiles appends its line to `<dir>/runs`.
inline std::string make_fake_kernelc(const TempDir& dir) {
  const std::string path = dir / "kernelc";
  write_text(path, R"(#!/bin/sh
[ "$1" = --version ] && { echo "fake 1"; exit 0; }
out=$2; line=$4
echo "$line" >> ")" + dir.path() +
                       R"(/runs"
case "$line" in
  *crash*) kill -SEGV $$;;
  *hang*) sleep 60;;
  *liar*) echo hello; exit 0;;
  *empty*) echo "ok nothing"; exit 0;;
  *fail*) echo "error 1 invalid argument: banana is no tile"; exit 1;;
esac
name=$(echo "$line" | sed 's/.*name=\([a-zA-Z0-9_]*\).*/\1/')
body=$(echo "$line" | sed -n 's/.*body=\([^ ]*\).*/\1/p' | tr _ ' ')
op=$(echo "$line" | cut -d'|' -f2 | sed 's/^ *//; s/ *$//'); case "$op" in any:*) op='*';; esac
target=x86-64/$(echo "$line" | cut -d'|' -f1 | tr -d ' ' | sed 's,^x86-64[-/],,')
{ echo ".section .text.$name,\"ax\""; echo ".globl $name, ${name}_metadata"; echo ".type $name,@function"; echo "$name:"
  echo "$body"; echo "xor %eax,%eax"; echo ret; echo ".size $name, .-$name"
  echo ".section .text.meta,\"ax\""; echo "${name}_metadata: call outside"; } > "$out/$name.s"
as "$out/$name.s" -o "$out/$name.o" || exit 3
cat > "$out/$name.json" <<END
{"name":"$name","family":"dot","op":"$op","target":"$target","layout":"k4n16","cand":"x","src":"u8","dst":"u8",
"tile_x":1,"tile_y":1,"tile_n":16,"tail_n":false,"acc16_group":0,"kh":0,"kw":0,"sh":0,"sw":0}
END
echo "ok $name"
)");
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

}  // namespace octile::packs
