#!/usr/bin/env python3
"""The golden test, tested on disassembly written by hand: right code passes, each fault is seen.

In:  nothing.  Out: unittest's verdict (ctest and pytest both run it).  Not here: real packs.
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import golden  # noqa: E402

VNNI = {"target": "x86-64/avx512vnni", "layout": "k4n16", "family": "dot", "acc16_group": 0}
ACC16 = {"target": "x86-64/avx2", "layout": "k4n8", "family": "dot", "acc16_group": 2, "tile_x": 1, "tile_y": 1}
WIDE = {"target": "x86-64/v2", "layout": "k2n8w", "family": "dot", "acc16_group": 0}


def kernel(*lines):
    text = "0000000000001000 <k>:\n"
    text += "".join(f"    {0x1000 + 8 * i:x}:\t{line}\n" for i, line in enumerate(lines))
    return golden.parse(text)["k"]


def loop(*lines):
    return kernel("push %rbp", *lines, "jne 1008 <k+0x8>", "ret")


class Judge(unittest.TestCase):
    def broken(self, entry, code):
        return list(golden.judge(entry, code))

    def test_right_code(self):
        self.assertEqual(self.broken(VNNI, loop("vpdpbusd (%rax),%zmm1,%zmm2")), [])
        self.assertEqual(self.broken(VNNI, loop("{evex} vpdpbusd (%rax),%zmm1,%zmm2")), [])
        self.assertEqual(self.broken(ACC16, loop("vpmaddubsw %ymm0,%ymm1,%ymm2", "vpmaddwd %ymm2,%ymm3,%ymm4")), [])
        self.assertEqual(self.broken(WIDE, loop("pmaddwd %xmm0,%xmm1")), [])

    def test_missing_dot(self):
        self.assertIn("no vpdpbusd on zmm", self.broken(VNNI, loop("vpmulld %zmm0,%zmm1,%zmm2"))[0])
        self.assertIn("no vpdpbusd on zmm", self.broken(VNNI, loop("vpdpbusd %ymm0,%ymm1,%ymm2"))[0])
        self.assertIn("no vpmaddwd", self.broken(ACC16, loop("vpmaddubsw %ymm0,%ymm1,%ymm2"))[0])

    def test_weights_ahead(self):
        pixels = {**ACC16, "tile_x": 4}
        dots = ["vpmaddubsw %ymm0,%ymm1,%ymm2", "vpmaddwd %ymm2,%ymm3,%ymm4"]
        self.assertIn("no weights asked for ahead", self.broken(pixels, loop(*dots))[0])
        self.assertEqual(self.broken(pixels, loop("prefetcht1 (%rax)", *dots)), [])

    def test_dot_outside_of_any_loop(self):
        self.assertIn("no loop", self.broken(VNNI, kernel("vpdpbusd %zmm0,%zmm1,%zmm2", "ret"))[0])

    def test_forbidden(self):
        self.assertTrue(self.broken(WIDE, loop("pmaddwd %xmm0,%xmm1", "vpaddd %ymm0,%ymm1,%ymm1")))
        self.assertTrue(self.broken(VNNI, loop("vpdpbusd %zmm0,%zmm1,%zmm2", "vpermb %zmm0,%zmm1,%zmm2")))
        self.assertTrue(self.broken(VNNI, loop("vpdpbusd %zmm0,%zmm1,%zmm2", "vcvtneps2bf16 %zmm0,%ymm1")))

    def test_spills(self):
        spill = "vmovdqu64 %zmm3,0x40(%rsp)"
        dot = "vpdpbusd %zmm0,%zmm1,%zmm2"
        self.assertEqual(self.broken(VNNI, loop(dot, spill, spill)), [])
        self.assertIn("3 vector moves", self.broken(VNNI, loop(dot, spill, spill, spill))[0])
        # Outside the loop, or of general registers, they do not count.
        self.assertEqual(self.broken(VNNI, kernel(spill, spill, spill, dot, "jne 1018 <k+0x18>")), [])
        self.assertEqual(self.broken(VNNI, loop(dot, *["mov %rax,0x8(%rsp)"] * 3)), [])
        # Nor do those of a loop over tiles or segments, which holds the dot instruction beside much else.
        tiles = loop(dot, *[spill] * 3, *["vmulps %zmm0,%zmm1,%zmm2"] * 9)
        self.assertIn("no loop", self.broken(VNNI, tiles)[0])

    def test_only_the_innermost_loop_counts(self):
        spill = "vmovups 0x40(%rsp),%zmm3"
        code = kernel(spill, spill, spill, "vpdpbusd %zmm0,%zmm1,%zmm2", "jne 1018 <k+0x18>", "jne 1000 <k>")
        self.assertEqual(self.broken(VNNI, code), [])


if __name__ == "__main__":
    unittest.main()
