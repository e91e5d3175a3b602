#!/usr/bin/env bash
# The whole check of the project, from a fresh clone on a bare machine to one line: `N passed, N failed`.
# In:  nothing (OCTILE_STAGES="lint ctest …" picks stages; JOBS sets the build's width).  Out: that line, non-zero on failure.
# Not here: benchmarks (bench/), the OCR demonstration (demo.sh).
#
# A stage that fails does not stop the later ones; each stage leaves JUnit XML in build/results and its log beside it.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
exec </dev/null
jobs=${JOBS:-$(nproc)}
results=$root/build/results
stages=(${OCTILE_STAGES:-lint release ctest pytest runtime_only asan})

say() { printf '\n==== %s (%s)\n' "$*" "$(date +%T)"; }
cmake() { "$root/.venv/bin/cmake" "$@"; }
ctest() { "$root/.venv/bin/ctest" "$@"; }

# Builds a preset whole, or only the targets named after it.
build() {
  local preset=$1
  shift
  cmake --preset "$preset" >"$results/configure-$preset.log" 2>&1 || { cat "$results/configure-$preset.log"; return 1; }
  cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"}
}

# Runs ctest of one preset; every GoogleTest program also writes its own cases into the same folder.
run_ctest() {
  local preset=$1
  shift
  mkdir -p "$results/$preset"
  GTEST_OUTPUT="xml:$results/$preset/" ctest --preset "$preset" -j "$jobs" --output-junit "$results/$preset/ctest.xml" "$@"
}

stage_lint() { scripts/lint.sh --junit "$results/lint.xml"; }
stage_release() { build release && scripts/package.sh; }
stage_ctest() { run_ctest release; }
stage_pytest() {
  .venv/bin/python -m pytest -q python bench tests --junitxml "$results/pytest.xml" -o junit_family=xunit1
}
stage_runtime_only() { build runtime-only && run_ctest runtime-only; }
stage_asan() { build asan-ubsan unit-tests && run_ctest asan-ubsan -L unit; }

main() {
  local stage failed_stages=()
  rm -rf "$results" && mkdir -p "$results"
  say setup
  scripts/setup.sh || { echo "0 passed, 1 failed"; exit 1; }
  for stage in "${stages[@]}"; do
    say "$stage"
    "stage_$stage" || failed_stages+=("$stage")
  done
  say summary
  .venv/bin/python scripts/count_tests.py "$results" "${failed_stages[@]}"
}

main
