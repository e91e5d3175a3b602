#!/usr/bin/env python3
"""What the compiler really emitted: the dot instruction of every kernel in a pack, and hot loops without spills.

In:  a pack.  Out: one line per kernel that breaks an expectation, exit status 1 if there is any.
Not here: whether an instruction is allowed at all (the pack builder's gate), whether answers are right (conformance).
Standard library and objdump only.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter

# Vector moves to or from the stack in one pass of a hot loop. acc16 keeps accumulators, 16-bit sums and products in 16
# registers at once, and a depthwise loop holds all taps of a tile, its weights in a stage on the stack: there the bound
# only keeps that from growing.
MAX_STACK_MOVES = 2
MAX_STACK_SHARE = 0.27  # of the loop's instructions, for those kernels

# What kind of kernel; (instruction, register) that must occur; instructions and registers that must not.
DOT, DOT_PAIRS = "vpdpbusd", "vpdpwssd"
EXPECTED = [
    ({"target": "x86-64/avx512vnni", "layout": "k4n16", "tile_n": 8}, [(DOT, "ymm")], ["vpmaddubsw"]),
    ({"target": "x86-64/avx512vnni", "layout": "k4n16"}, [(DOT, "zmm")], ["vpmaddubsw"]),
    ({"target": "x86-64/avx512vnni", "layout": "k2n16w", "tile_n": 8}, [(DOT_PAIRS, "ymm")], [DOT]),
    ({"target": "x86-64/avx512vnni", "layout": "k2n16w"}, [(DOT_PAIRS, "zmm")], [DOT]),
    ({"target": "x86-64/avxvnni", "layout": "k4n16"}, [(DOT, "ymm")], ["vpmaddubsw", "zmm"]),
    ({"target": "x86-64/avx2", "layout": "k4n8"}, [("vpmaddubsw", "ymm"), ("vpmaddwd", "ymm")], [DOT, "zmm"]),
    ({"target": "x86-64/avx2", "layout": "k2n8w"}, [("vpmaddwd", "ymm")], [DOT, "vpmaddubsw", "zmm"]),
    ({"target": "x86-64/v2", "layout": "k2n8w"}, [("pmaddwd", "xmm")], ["vpmaddwd", "ymm", "zmm"]),
    ({"target": "x86-64/avx512vnni", "layout": "t4c", "tile_n": 32}, [(DOT, "ymm")], []),
    ({"target": "x86-64/avx512vnni", "layout": "t4c"}, [(DOT, "zmm")], []),
    ({"target": "x86-64/avx512vnni", "layout": "t2cw"}, [(DOT_PAIRS, "zmm")], [DOT]),
    ({"target": "x86-64/avxvnni", "layout": "t4c"}, [(DOT, "ymm")], ["zmm"]),
    ({"target": "x86-64/avxvnni", "layout": "t2cw"}, [(DOT_PAIRS, "ymm")], [DOT, "zmm"]),
    ({"target": "x86-64/avx2", "layout": "t2cw"}, [("vpmaddwd", "ymm")], ["zmm"]),
    ({"target": "x86-64/v2", "layout": "t2cw"}, [("pmaddwd", "xmm")], ["vpmaddwd", "ymm", "zmm"]),
]
DOT_ROWS = 7  # a pack without kernels of these is not the default pack
HOT = (DOT, DOT_PAIRS, "vpmaddubsw", "vpmaddwd", "pmaddwd")
# A loop of a dot kernel with fewer of them is one over tiles or segments, for reductions too short for one inside.
LEAST_HOT_SHARE = 0.2
# Ice Lake's kernels run on Cascade Lake too: nothing of VBMI, VBMI2, IFMA, BITALG, BF16, FP16, VP2INTERSECT.
BEYOND_VNNI = re.compile(
    r"vperm[bi]$|vpermi2b|vpermt2b|vpmultishiftqb|vpcompress[bw]|vpexpand[bw]|vpsh[lr]d|vpmadd52|vpopcnt|"
    r"vpshufbitqmb|vcvtne|vdpbf16ps|vp2intersect|vgf2p8|v\w+[sp]h$"
)


def read_pack(path):
    """The manifest, and per member its bytes."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:8] != b"OCTPACK1":
        raise ValueError(f"{path}: not a pack")
    size = int.from_bytes(data[8:16], "little")
    manifest = json.loads(data[48 : 48 + size])
    members = {m["id"]: data[m["offset"] : m["offset"] + m["size"]] for m in manifest["members"]}
    return manifest, members


def disassemble(member):
    """Per symbol a list of (address, mnemonic, operands)."""
    with tempfile.NamedTemporaryFile(suffix=".so") as file:
        file.write(member)
        file.flush()
        text = subprocess.run(
            ["objdump", "-d", "-w", "--no-show-raw-insn", file.name], check=True, capture_output=True, text=True
        ).stdout
    return parse(text)


def parse(text):
    kernels, current = {}, None
    for line in text.splitlines():
        if symbol := re.match(r"[0-9a-f]+ <(.+)>:$", line):
            current = kernels.setdefault(symbol[1], [])
        elif (code := re.match(r"\s*([0-9a-f]+):\s+(?:\{\w+\} )?(\S+)\s*(.*)", line)) and current is not None:
            current.append((int(code[1], 16), code[2], code[3]))
    return kernels


def innermost_loops(code):
    """Runs of instructions between a backward jump's target and the jump that hold no other such run."""
    spans = []
    for address, mnemonic, operands in code:
        target = re.match(r"([0-9a-f]+) <", operands)
        if mnemonic.startswith("j") and target and int(target[1], 16) <= address:
            spans.append((int(target[1], 16), address))
    inner = [s for s in spans if not any(o != s and s[0] <= o[0] and o[1] <= s[1] for o in spans)]
    return [[line for line in code if first <= line[0] <= last] for first, last in sorted(set(inner))]


def is_stack_move(mnemonic, operands):
    return bool(re.match(r"v?mov", mnemonic) and re.search(r"\(%r[sb]p", operands) and re.search(r"%[xyz]mm", operands))


def is_hot(loop, dots):
    share = sum(m in HOT for _, m, _ in loop) / len(loop)
    return share >= LEAST_HOT_SHARE if dots else share > 0


def agrees(want, have):
    return all(have.get(key) == value for key, value in want.items())


def judge(entry, code):
    """What is wrong with one kernel's code."""
    mnemonics = Counter(m for _, m, _ in code)
    if entry["target"] == "x86-64/avx512vnni":
        for mnemonic in sorted(m for m in mnemonics if BEYOND_VNNI.match(m)):
            yield f"{mnemonic} is beyond AVX-512 VNNI"
    expectation = next((e for e in EXPECTED if agrees(e[0], entry)), None)
    if expectation is None:
        return
    _, required, forbidden = expectation
    for mnemonic, register in required:
        if not any(m == mnemonic and register in operands for _, m, operands in code):
            yield f"no {mnemonic} on {register}"
    for word in forbidden:
        if any(word == m or "%" + word in operands for _, m, operands in code):
            yield f"{word} where {' and '.join(m for m, _ in required)} should do"
    dots = entry["family"] in ("dot", "dotz")
    hot = [loop for loop in innermost_loops(code) if is_hot(loop, dots)]
    if dots and not hot:
        yield "no loop holds the dot instruction"
    ahead = dots and entry["target"] in ("x86-64/avx2", "x86-64/avxvnni") and entry["tile_x"] * entry["tile_y"] > 1
    for loop in hot:
        if ahead and not any(m == "prefetcht1" for _, m, _ in loop):
            yield f"no weights asked for ahead in the loop of {len(loop)} at {loop[0][0]:#x}"
        moves = sum(is_stack_move(m, operands) for _, m, operands in loop)
        crowded = entry["acc16_group"] or entry["family"] == "depthwise"
        allowed = MAX_STACK_SHARE * len(loop) if crowded else MAX_STACK_MOVES
        if moves > allowed:
            yield f"{moves} vector moves to or from the stack in the loop of {len(loop)} at {loop[0][0]:#x}"


def check(manifest, members):
    for want, required, _ in EXPECTED[:DOT_ROWS]:
        if not any(agrees(want, entry) for entry in manifest["kernels"]):
            yield f"no kernel shows {required[0][0]}: {want}"
    code = {id: disassemble(member) for id, member in members.items()}
    for entry in manifest["kernels"]:
        lines = code[entry["member"]].get(entry["name"])
        if not lines:
            yield f"{entry['name']}: not in member {entry['member']}"
            continue
        for broken in judge(entry, lines):
            yield f"{entry['name']}: {broken}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack")
    manifest, members = read_pack(parser.parse_args().pack)
    broken = list(check(manifest, members))
    for line in broken:
        print(line)
    counts = Counter((e["target"], e["layout"]) for e in manifest["kernels"])
    for (target, layout), count in sorted(counts.items()):
        print(f"{target} {layout or 'elementwise'}: {count} kernels")
    print(f"{len(broken)} broken expectations")
    return 1 if broken or not manifest["kernels"] else 0


if __name__ == "__main__":
    sys.exit(main())
