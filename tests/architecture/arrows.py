#!/usr/bin/env python3
"""The rules of the house, checked: who may include, link and export what; how long a file is; how it opens.

In:  the repository's root; the targets of a build (targets.tsv, written by the CMakeLists.txt beside this file).
Out: one line per broken rule, exit status 1 if there is any.
Not here: style (clang-format, clang-tidy), behaviour.  Standard library only, so that it runs before anything is built.
"""

import argparse
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field

# A place is a folder prefix; the longest that matches a path decides. What it may include or link, itself always.
ALLOWED = {
    "workload": [],
    "targets": ["workload"],
    "generators": ["workload", "targets", "packs/format/pack_abi.h"],
    "schedules": ["workload", "targets", "generators", "packs/format/pack_abi.h"],
    "schedules/space": ["workload", "targets"],
    "tuner": ["workload", "targets", "schedules/space", "packs/format"],
    "packs": ["workload", "targets", "schedules/space", "tuner/log", "tuner/build", "tuner/process"],
    "packs/format": ["workload", "targets"],
    "runtime": ["workload", "targets", "packs/format"],
    "plugin": ["workload", "targets", "runtime", "packs/format"],
}
ANYTHING = ("bench", "tests", "python", "examples")  # may use every room; no room may use them
# What may not even be reached through others when a target is linked.
NEVER_LINKED = {
    "workload": ["generators", "schedules", "tuner", "packs", "runtime", "plugin"],
    "targets": ["generators", "schedules", "tuner", "packs", "runtime", "plugin"],
    "schedules/space": ["generators", "schedules/kernelc", "tuner", "runtime", "plugin"],
    "tuner": ["generators", "schedules/kernelc", "runtime", "plugin"],
    "packs": ["generators", "schedules/kernelc", "tuner/strategy", "runtime", "plugin"],
    "runtime": ["generators", "schedules", "tuner", "packs/builder", "plugin"],
    "plugin": ["generators", "schedules", "tuner", "packs/builder"],
}
# System headers with a home: (pattern, where it may be included, why).
HEADERS = [
    (
        r"Halide(Runtime|Buffer)?\.h|llvm/.*",
        ["generators", "schedules"],
        ["schedules/space"],
        "the compiler stays there",
    ),
    (
        r"nlohmann/.*",
        ["tuner", "packs", "runtime", "plugin", "schedules", "targets"],
        ["packs/format/pack_abi.h"],
        "JSON lives at file edges",
    ),
    (r"onnxruntime.*", ["plugin/onnxruntime"], [], "a host's SDK stays in its folder"),
    (
        r"thread|mutex|condition_variable|future",
        ["tuner", "runtime", "plugin", "packs", "targets"],
        [],
        "these rooms are pure functions",
    ),
]
VECTOR_CODE = re.compile(
    r"#\s*include\s*<\w*(immintrin|intrin|arm_neon)\.h>|\b__asm__\b|\basm\s*(volatile)?\s*\(|"
    r"\bdefine_extern\b"
)
# Files that may hold intrinsics or assembly although they are no micro-kernels, each with its reason.
VECTOR_CODE_ALLOWED = {
    "targets/probe/probe.cpp": "CPUID",
    "packs/format/sha256_blocks.cpp": "SHA-256, which files are checked with; no kernel",
    "bench/kernels/peak.cpp": "the machine's peak, the yardstick; no product code",
}
# Extern micro-kernels, each with the decision page that shows Halide's best and the gap.
EXTERN_MICRO_KERNELS = {
    "runtime/exec/ops/lanes_avx2.h": "docs/decisions/0007-ops-in-cpp.md",
    "runtime/exec/ops/lanes_avx512.h": "docs/decisions/0007-ops-in-cpp.md",
    "runtime/exec/tile_dot.h": "docs/decisions/0014-tiles.md",
    "runtime/exec/tiles.cpp": "docs/decisions/0014-tiles.md",
}
EXPORTS = ["CreateEpFactories", "ReleaseEpFactory"]
C_API = "plugin/c_api/octile.h"  # declares what the C library exports
HALIDE_PROGRAMS = ["kernelc"]
HALIDE_TESTS = ("tests/unit/generators", "tests/unit/schedules", "tests/golden", "tests/conformance")

LINES_MAX, LINES_WARN = 600, 500
CODE = (".h", ".hpp", ".c", ".cc", ".cpp", ".S", ".py", ".sh", ".ld", ".cmake")
SKIPPED = {".git", ".venv", "__pycache__"}
ROOMS = sorted({p.split("/")[0] for p in ALLOWED})


@dataclass
class Target:
    name: str
    type: str
    sources: list
    links: list
    file: str
    place: str = field(default="")  # common folder of its sources, relative to the root


def place_of(path):
    """The longest known place that holds `path`, or its first folder."""
    best = path.split("/")[0]
    for place in ALLOWED:
        if (path == place or path.startswith(place + "/")) and len(place) > len(best.rstrip("/")):
            best = place
    return best


def within(path, places):
    return any(path == p or path.startswith(p + "/") for p in places)


def may_use(user, used):
    """May the file or folder `user` include or link `used`? Both relative to the root."""
    place = place_of(user)
    if place in ANYTHING:
        return True
    own = place if place in ALLOWED else None
    if own is None:
        return False
    return within(used, [own] + ALLOWED[own])


def source_files(root):
    for folder, folders, names in os.walk(root):
        skipped = SKIPPED | ({"build", "dist"} if folder == root else set())
        folders[:] = sorted(f for f in folders if f not in skipped and not f.endswith(".egg-info"))
        for name in sorted(names):
            if name.endswith(CODE) or name == "CMakeLists.txt":
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    yield os.path.relpath(path, root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def check_includes(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not found:
            continue
        bracket, header = found.groups()
        where = f"{path}:{number}"
        if bracket == '"':
            if header.split("/")[0] not in ROOMS + list(ANYTHING):
                if place_of(path) not in ANYTHING:
                    yield f'{where}: "{header}" is not rooted at the repository'
            elif not may_use(path, header):
                yield f"{where}: {place_of(path)} may not include {header}"
        if place_of(path) in ANYTHING:
            continue
        for pattern, homes, but_not, why in HEADERS:
            if re.fullmatch(pattern, header) and (not within(path, homes) or within(path, but_not)):
                yield f"{where}: {header} has no place here: {why}"
        if header.startswith("nlohmann/") and path.endswith((".h", ".hpp")):
            yield f"{where}: no JSON type in a header"


def check_opening(path, text):
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#!")]
    if not lines:
        if not path.endswith("__init__.py"):
            yield f"{path}: empty file"
        return
    hash_comments = path.endswith((".py", ".sh", ".cmake", "CMakeLists.txt"))
    opening = ("#", '"""', 'r"""') if hash_comments else ("//", "/*", "#") if path.endswith(".ld") else ("//", "/*")
    if not lines[0].lstrip().startswith(opening):
        yield f"{path}:1: a file opens with a comment: what for, in and out, what not"
    elif path.endswith((".h", ".hpp")) and place_of(path) in ALLOWED:
        head = "\n".join(lines[:15])
        if not re.search(r"\bIn(/out)?:", head) or not re.search(r"\bNot here:|\bnot here\b", head):
            yield f"{path}:1: the opening comment states In, Out and Not here"


def check_size(path, text):
    lines = text.count("\n")
    if lines > LINES_MAX:
        yield f"{path}: {lines} lines, more than {LINES_MAX}: it wants a second name"
    elif lines > LINES_WARN:
        print(f"warning: {path}: {lines} lines, more than {LINES_WARN}")


def check_machine_paths(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"(?<![\w.}])/(home|root|work|Users)/\w", line):
            yield f"{path}:{number}: a path of one machine"


def extern_micro_kernels(root, paths):
    return [
        p
        for p in paths
        if place_of(p) in ALLOWED
        and p not in VECTOR_CODE_ALLOWED
        and (p.endswith(".S") or (p.endswith((".h", ".c", ".cc", ".cpp")) and VECTOR_CODE.search(read(root, p))))
    ]


def check_sources(root):
    paths = list(source_files(root))
    for path in paths:
        text = read(root, path)
        if path.endswith((".h", ".hpp", ".c", ".cc", ".cpp")):
            yield from check_includes(path, text)
        yield from check_opening(path, text)
        yield from check_size(path, text)
        yield from check_machine_paths(path, text)
    found = extern_micro_kernels(root, paths)
    for path in found:
        if path not in EXTERN_MICRO_KERNELS:
            yield f"{path}: intrinsics, assembly or define_extern without a decision page ({len(found)} such files)"
        elif not os.path.exists(os.path.join(root, EXTERN_MICRO_KERNELS[path])):
            yield f"{path}: its decision page {EXTERN_MICRO_KERNELS[path]} is missing"


def read_targets(path, root):
    targets = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, kind, folder, sources, links, binary = line.rstrip("\n").split("\t")
            sources = [os.path.relpath(s, root) for s in sources.split(";") if s]
            own = [s for s in sources if not s.startswith("build/") and s.endswith((".c", ".cc", ".cpp"))]
            place = (
                os.path.commonpath([os.path.dirname(s) or "." for s in own]) if own else os.path.relpath(folder, root)
            )
            targets[name] = Target(name, kind, sources, [n for n in links.split(";") if n], binary, place)
    return targets


def closure(targets, name):
    """Every name linked by `name`, directly or through others."""
    seen, todo = set(), [name]
    while todo:
        target = targets.get(todo.pop())
        for link in target.links if target else []:
            if link not in seen:
                seen.add(link)
                todo.append(link)
    return seen


def check_links(targets, compiler=True):
    for target in targets.values():
        if not compiler and any(link.startswith("Halide") for link in target.links):
            yield f"target {target.name} links Halide in a build without the compiler"
        place = place_of(target.place)
        if target.name == "octile_flags" or (place not in ALLOWED and place not in ANYTHING):
            continue
        for link in target.links:
            if link in targets and link != "octile_flags" and not may_use(target.place, targets[link].place):
                yield f"target {target.name} ({target.place}) may not link {link} ({targets[link].place})"
        reached = closure(targets, target.name)
        for link in sorted(reached):
            if link in targets and within(targets[link].place, NEVER_LINKED.get(place, [])):
                yield f"target {target.name} ({target.place}) reaches {link} ({targets[link].place})"
        if any(link.startswith("Halide") for link in reached):
            is_program = target.type in ("EXECUTABLE", "SHARED_LIBRARY", "MODULE_LIBRARY")
            if is_program and target.name not in HALIDE_PROGRAMS and not within(target.place, HALIDE_TESTS):
                yield f"target {target.name} ({target.place}) links Halide; only {', '.join(HALIDE_PROGRAMS)} may"
            if not is_program and not (
                within(target.place, ["generators", "schedules", *HALIDE_TESTS]) and place != "schedules/space"
            ):
                yield f"target {target.name} ({target.place}) links Halide"


def tool(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def c_exports(header):
    """The functions a C header declares for export."""
    return sorted(re.findall(r"^OCTILE_API [^(;]*?\*?(\w+)\(", header, re.MULTILINE))


def check_binaries(targets, root="."):
    """What was really built: needed libraries of every program, exported symbols of the plugin and of the C library."""
    for target in targets.values():
        if target.type not in ("EXECUTABLE", "SHARED_LIBRARY", "MODULE_LIBRARY") or not os.path.exists(target.file):
            continue
        if target.name not in HALIDE_PROGRAMS and not within(target.place, HALIDE_TESTS):
            for needed in re.findall(r"NEEDED.*\[(.*)\]", tool("readelf", "-d", target.file)):
                if re.match(r"libHalide|libLLVM", needed):
                    yield f"{target.file}: needs {needed}"
        if place_of(target.place) == "plugin" and target.type != "EXECUTABLE":
            symbols = tool("nm", "-D", "--defined-only", "--format=posix", target.file).splitlines()
            exported = sorted(line.split()[0].split("@")[0] for line in symbols if line.split()[1] != "A")
            wanted = c_exports(read(root, C_API)) if target.place == os.path.dirname(C_API) else EXPORTS
            if exported != wanted:
                yield f"{target.file}: exports {', '.join(exported) or 'nothing'} instead of {', '.join(wanted)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True)
    parser.add_argument("--targets", help="targets.tsv of a build; without it only the sources are checked")
    parser.add_argument("--no-compiler", action="store_true", help="the build is one without Halide")
    args = parser.parse_args()
    root = os.path.abspath(args.root)
    broken = list(check_sources(root))
    if args.targets:
        targets = read_targets(args.targets, root)
        broken += list(check_links(targets, not args.no_compiler)) + list(check_binaries(targets, root))
        print(f"{len(targets)} targets")
    for line in broken:
        print(line)
    print(f"{len(list(source_files(root)))} files, {len(broken)} broken rules")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
