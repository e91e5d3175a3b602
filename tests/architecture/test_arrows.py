#!/usr/bin/env python3
"""The architecture test, tested: a planted fault of every kind is caught, and a clean tree passes.

In:  small trees written to a temporary folder.  Out: unittest's verdict (ctest and pytest both run it).
Not here: the rules (arrows.py), this repository's own sources.
"""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import arrows  # noqa: E402

HEAD = "// What for.\n// In:  x.  Out: y.  Not here: z.\n"


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def broken(self, files):
        for path, text in files.items():
            full = os.path.join(self.folder.name, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
        return list(arrows.check_sources(self.folder.name))

    def assert_caught(self, path, line, word):
        broken = self.broken({path: HEAD + line + "\n"})
        self.assertEqual(len(broken), 1, broken)
        self.assertIn(word, broken[0])

    def assert_clean(self, path, line):
        self.assertEqual(self.broken({path: HEAD + line + "\n"}), [])


class Includes(Tree):
    def test_arrows_that_are_drawn(self):
        self.assert_clean("targets/desc/a.cpp", '#include "workload/base/status.h"')
        self.assert_clean("runtime/loader/a.cpp", '#include "packs/format/manifest.h"\n#include <nlohmann/json.hpp>')
        self.assert_clean("schedules/kernelc/a.cpp", '#include <Halide.h>\n#include "generators/conv/conv.h"')
        self.assert_clean("tuner/build/a.cpp", '#include "schedules/space/space.h"\n#include <thread>')
        self.assert_clean("tests/unit/tuner/a.cpp", '#include "tuner/log/log.h"\n#include "plugin/a.h"')

    def test_arrows_that_are_not(self):
        for path, header in [
            ("workload/spec/a.cpp", "targets/desc/target.h"),
            ("targets/desc/a.cpp", "generators/conv/conv.h"),
            ("generators/conv/a.cpp", "schedules/space/space.h"),
            ("schedules/kernelc/a.cpp", "tuner/log/log.h"),
            ("schedules/space/a.cpp", "generators/conv/conv.h"),
            ("tuner/measure/a.cpp", "runtime/loader/library.h"),
            ("tuner/build/a.cpp", "schedules/kernelc/kernelc.h"),
            ("packs/builder/a.cpp", "tuner/strategy/evolve.h"),
            ("packs/format/a.cpp", "tuner/log/log.h"),
            ("packs/builder/a.cpp", "plugin/c_api/api.h"),
            ("runtime/exec/a.cpp", "packs/builder/builder.h"),
            ("runtime/exec/a.cpp", "tuner/log/log.h"),
            ("plugin/partition/a.cpp", "schedules/space/space.h"),
            ("plugin/partition/a.cpp", "tests/support/random_op.h"),
        ]:
            with self.subTest(path=path, header=header):
                self.assert_caught(path, f'#include "{header}"', "may not include")
                self.folder.cleanup()
                self.folder = tempfile.TemporaryDirectory()

    def test_headers_with_a_home(self):
        for path, header in [
            ("schedules/space/a.cpp", "Halide.h"),
            ("runtime/exec/a.cpp", "HalideRuntime.h"),
            ("tuner/build/a.cpp", "Halide.h"),
            ("workload/spec/a.cpp", "nlohmann/json.hpp"),
            ("generators/conv/a.cpp", "nlohmann/json.hpp"),
            ("workload/spec/a.cpp", "thread"),
            ("plugin/partition/a.cpp", "onnxruntime_c_api.h"),
        ]:
            with self.subTest(path=path, header=header):
                self.assert_caught(path, f"#include <{header}>", "no place here")
                self.folder.cleanup()
                self.folder = tempfile.TemporaryDirectory()

    def test_json_in_a_header(self):
        self.assert_caught("tuner/log/a.h", "#include <nlohmann/json.hpp>", "no JSON")

    def test_unrooted_include(self):
        self.assert_caught("tuner/log/a.cpp", '#include "log.h"', "not rooted")


class Files(Tree):
    def test_opening_comment(self):
        self.assertIn("opens with a comment", self.broken({"tuner/log/a.cpp": "int x;\n"})[0])
        self.assertIn("states In, Out", self.broken({"tuner/log/b.h": "// A thing.\n#pragma once\n"})[-1])

    def test_size(self):
        self.assert_clean("tuner/log/a.cpp", "\n" * 400)
        self.assert_caught("tuner/log/a.cpp", "\n" * 601, "second name")

    def test_machine_paths(self):
        self.assert_caught("tuner/log/a.cpp", 'const char* p = "/home' + '/somebody/x";', "one machine")

    def test_micro_kernels_are_counted(self):
        self.assert_caught("runtime/exec/a.cpp", "#include <immintrin.h>", "intrinsics")

    def test_micro_kernels_need_their_page(self):
        self.assert_caught("runtime/exec/ops/lanes_avx2.h", "#include <immintrin.h>", "page")

    def test_cpuid_is_no_micro_kernel(self):
        self.assert_clean("targets/probe/probe.cpp", '__asm__("cpuid");')


class Links(unittest.TestCase):
    def links(self, *targets):
        rows = [arrows.Target(n, k, [], links, "", place) for n, k, place, links in targets]
        return list(arrows.check_links({row.name: row for row in rows}))

    def test_clean(self):
        self.assertEqual(
            self.links(
                ("base", "STATIC_LIBRARY", "workload", []),
                ("space", "STATIC_LIBRARY", "schedules/space", ["base"]),
                ("conv", "STATIC_LIBRARY", "generators/conv", ["base", "Halide::Halide"]),
                ("kernelc", "EXECUTABLE", "schedules/kernelc", ["conv", "space"]),
                ("tuner", "STATIC_LIBRARY", "tuner", ["space"]),
                ("tests", "EXECUTABLE", "tests/unit/tuner", ["tuner"]),
            ),
            [],
        )

    def test_wrong_direction(self):
        broken = self.links(
            ("loader", "STATIC_LIBRARY", "runtime/loader", ["log"]), ("log", "STATIC_LIBRARY", "tuner/log", [])
        )
        self.assertIn("may not link", broken[0])

    def test_reached_through_another(self):
        broken = self.links(
            ("ep", "MODULE_LIBRARY", "plugin", ["loader"]),
            ("loader", "STATIC_LIBRARY", "runtime", ["pack"]),
            ("pack", "STATIC_LIBRARY", "packs/format", ["conv"]),
            ("conv", "STATIC_LIBRARY", "generators/conv", []),
        )
        self.assertTrue(any("ep" in line and "reaches conv" in line for line in broken), broken)

    def test_second_program_with_halide(self):
        broken = self.links(("prog", "EXECUTABLE", "schedules/kernelc", ["Halide::Halide"]))
        self.assertIn("links Halide", broken[0])
        broken = self.links(("lib", "STATIC_LIBRARY", "schedules/space", ["Halide::Halide"]))
        self.assertIn("links Halide", broken[0])

    def test_halide_in_a_build_without_it(self):
        rows = {"kernelc": arrows.Target("kernelc", "EXECUTABLE", [], ["Halide::Halide"], "", "schedules/kernelc")}
        self.assertEqual(list(arrows.check_links(rows)), [])
        self.assertEqual(len(list(arrows.check_links(rows, compiler=False))), 1)


class Binaries(unittest.TestCase):
    def test_the_c_library_exports_what_its_header_declares(self):
        header = "OCTILE_API const char* f(void);\nOCTILE_API int g(int a,\n  int b);\nint h(void);\n"
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, os.path.dirname(arrows.C_API)))
            with open(os.path.join(folder, arrows.C_API), "w", encoding="utf-8") as file:
                file.write(header)
            for names, broken in [("fg", 0), ("f", 1), ("fgh", 1)]:
                source, library = os.path.join(folder, "a.c"), os.path.join(folder, "a.so")
                with open(source, "w", encoding="utf-8") as file:
                    file.writelines(f"int {name}(void) {{ return 0; }}\n" for name in names)
                arrows.tool("cc", "-shared", "-fPIC", "-o", library, source)
                target = arrows.Target("c", "SHARED_LIBRARY", [], [], library, os.path.dirname(arrows.C_API))
                self.assertEqual(len(list(arrows.check_binaries({"c": target}, folder))), broken, names)

    def test_a_third_exported_symbol(self):
        with tempfile.TemporaryDirectory() as folder:
            for names, broken in [(arrows.EXPORTS, 0), ([*arrows.EXPORTS, "helper"], 1), (arrows.EXPORTS[:1], 1)]:
                source, library = os.path.join(folder, "a.c"), os.path.join(folder, "a.so")
                with open(source, "w", encoding="utf-8") as file:
                    file.writelines(f"int {name}(void) {{ return 0; }}\n" for name in names)
                arrows.tool("cc", "-shared", "-fPIC", "-o", library, source)
                target = arrows.Target("ep", "MODULE_LIBRARY", [], [], library, "plugin")
                self.assertEqual(len(list(arrows.check_binaries({"ep": target}))), broken, names)


if __name__ == "__main__":
    unittest.main()
