#!/usr/bin/env bash
# usage: ort_venv.sh VERSION   a virtual environment with this onnxruntime and what the integration tests import
# In:  a version on PyPI.  Out: build/venvs/ort-VERSION; its Python's path on stdout.  Run it as often as you like.
# Not here: running tests (test_versions.py).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=$root/build/venvs/ort-$1
if [[ ! -f $venv/.complete ]]; then
  rm -rf "$venv"
  "${OCTILE_PYTHON:-$root/.venv/bin/python}" -m venv "$venv"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check "onnxruntime==$1" onnx numpy pytest </dev/null >&2
  touch "$venv/.complete"
fi
echo "$venv/bin/python"
