#!/usr/bin/env bash
# The main job, from a bare machine: real OCR models quantized, tuned for this CPU, packed, and run inside ONNX Runtime.
# In:  nothing, or --budget 10m (tuning time), --threads N.  Out: the text read by both providers and a table.
# Not here: the steps after the build (demo.py), tests (test.sh).
#
# The first run takes most of its time building and tuning; later ones reuse build/demo. Ctrl-C during the tuning keeps
# what was measured and goes on with it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
say() { printf '\n==== %s (%s)\n' "$*" "$(date +%T)"; }

say "setting up"
scripts/setup.sh --demo
say "building"
mkdir -p build
.venv/bin/cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
.venv/bin/cmake --build --preset release -j "$(nproc)" --target octile_product </dev/null
say "packaging"
scripts/package.sh
say "the demonstration"
exec .venv/bin/python scripts/demo.py "$@"
