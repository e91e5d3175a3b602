"""Sums the test results of one run of scripts/test.sh.

In:  the results folder (JUnit XML of ctest, GoogleTest, pytest, lint) and the names of the stages that failed.
Out: a table, the failed tests' names, the line `N passed, N failed`; exit status 1 when anything failed.
Not here: running tests.

A GoogleTest program counts by its own cases; one that died without writing its XML counts as one failure.
A stage that failed without any failed test in it (a build that broke, say) counts as one failure too.
"""

import contextlib
import pathlib
import sys
import xml.etree.ElementTree as ET


def cases(path):
    """Yields (name, outcome) of every test case in one JUnit file; outcome is passed, failed or skipped."""
    for case in ET.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}".strip(".")
        tags = {child.tag for child in case}
        run = case.get("status", "run").lower()
        if tags & {"failure", "error"} or run == "fail":
            yield name, "failed"
        elif "skipped" in tags or run in ("notrun", "disabled"):
            yield name, "skipped"
        else:
            yield name, "passed"


def stage_cases(folder):
    """The cases of one preset's folder: ctest's list, each GoogleTest program replaced by its own cases."""
    inner = {}
    for path in folder.glob("*.xml"):
        if path.name != "ctest.xml":
            # A program that died while writing leaves no readable file; ctest has recorded its failure.
            with contextlib.suppress(ET.ParseError):
                inner[path.stem] = list(cases(path))
    if not (folder / "ctest.xml").exists():
        return
    for name, outcome in cases(folder / "ctest.xml"):
        program = name.split(".")[-1]
        own = inner.get(program, [])
        if outcome == "failed" and not any(o == "failed" for _, o in own):
            yield name, "failed"
        if own:
            yield from ((f"{program}: {n}", o) for n, o in own)
        elif outcome != "failed":
            yield name, outcome


def collect(results):
    """{stage: [(name, outcome)]} of a results folder."""
    stages = {path.stem: list(cases(path)) for path in sorted(results.glob("*.xml"))}
    for folder in sorted(p for p in results.iterdir() if p.is_dir()):
        stages[folder.name] = list(stage_cases(folder))
    return stages


# Which results a stage of test.sh writes; a failed stage whose results show no failure is itself one.
STAGE_RESULTS = {"ctest": "release", "runtime_only": "runtime-only", "asan": "asan-ubsan"}


def main():
    results, failed_stages = pathlib.Path(sys.argv[1]), sys.argv[2:]
    stages = collect(results)
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for stage, found in stages.items():
        count = {k: sum(o == k for _, o in found) for k in total}
        print(f"{stage:14} " + "  ".join(f"{v:6} {k}" for k, v in count.items()))
        for name, outcome in found:
            if outcome == "failed":
                print(f"  failed: {name}")
        for k, v in count.items():
            total[k] += v
    for stage in failed_stages:
        found = stages.get(STAGE_RESULTS.get(stage, stage), [])
        if not any(o == "failed" for _, o in found):
            print(f"  failed: the stage {stage} (see its output above)")
            total["failed"] += 1
    print(f"{total['passed']} passed, {total['failed']} failed")
    sys.exit(1 if total["failed"] or not total["passed"] else 0)


if __name__ == "__main__":
    main()
