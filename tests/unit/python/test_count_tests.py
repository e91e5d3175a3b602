"""scripts/count_tests.py: every way a test can fail ends in the sum."""

import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).resolve().parents[3] / "scripts" / "count_tests.py"
CTEST = """<testsuite>
<testcase name="unit_a" classname="unit_a" status="run"/>
<testcase name="unit_b" classname="unit_b" status="fail"><failure message=""/></testcase>
<testcase name="script" classname="script" status="run"/></testsuite>"""
GTEST_A = """<testsuites><testsuite name="S"><testcase name="one" classname="S" status="run"/>
<testcase name="two" classname="S" status="run"/></testsuite></testsuites>"""


def count(results, *failed_stages):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(results), *failed_stages], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.strip().splitlines()


def test_programs_count_by_their_cases_and_dead_ones_as_one_failure(tmp_path):
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "ctest.xml").write_text(CTEST)
    (folder / "unit_a.xml").write_text(GTEST_A)
    (folder / "unit_b.xml").write_text("<testsuites><testsuite")  # died while writing
    status, lines = count(tmp_path, "ctest")
    assert status == 1
    assert lines[-1] == "3 passed, 1 failed"
    assert any("unit_b" in line for line in lines)


def test_a_stage_that_fails_without_a_failed_test_counts(tmp_path):
    (tmp_path / "lint.xml").write_text("<testsuite><testcase classname='lint' name='x'/></testsuite>")
    assert count(tmp_path) == (0, ["lint                1 passed       0 failed       0 skipped", "1 passed, 0 failed"])
    status, lines = count(tmp_path, "release")
    assert status == 1 and lines[-1] == "1 passed, 1 failed"


def test_no_result_at_all_is_a_failure(tmp_path):
    status, lines = count(tmp_path)
    assert status == 1 and lines[-1] == "0 passed, 0 failed"
