"""The same plugin binary in other ONNX Runtimes: the oldest supported, and those named in $OCTILE_ORT_VERSIONS.

In:  versions on PyPI.  Out: the other tests of this folder, run in a virtual environment of each.
Not here: the newest, which is the one all tests run in.
"""

import os
import pathlib
import subprocess

import onnxruntime as ort
import pytest
from conftest import library_path

HERE = pathlib.Path(__file__).parent
OLDEST = "1.23.2"
OPS = ["ops", "functions", "windows", "movements", "qlinear", "messy", "dynamic"]
SUITES = [f"test_{name}.py" for name in [*OPS, "regions", "refusals", "options", "compiled"]]


@pytest.mark.skipif(ort.__version__ == OLDEST, reason="this is the inner run")
@pytest.mark.parametrize("version", os.environ.get("OCTILE_ORT_VERSIONS", OLDEST).split(","))
def test_version(library, version):
    made = subprocess.run([HERE / "ort_venv.sh", version], capture_output=True, text=True, timeout=600)
    assert made.returncode == 0, made.stderr[-2000:]
    environment = {**os.environ, "OCTILE_PLUGIN": library_path()}
    done = subprocess.run(
        [made.stdout.strip(), "-m", "pytest", "-q", "-p", "no:cacheprovider", *(HERE / suite for suite in SUITES)],
        env=environment, cwd=HERE, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert "passed" in done.stdout
