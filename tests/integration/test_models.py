"""ResNet-50 and MobileNetV2, quantized in four forms: all of it taken, in one region; the answers ours and sound.

In:  the models bench/models writes (made here once, kept in build/models).  Out: bit equality with our portable C, and
a distance to the float model no larger than ONNX Runtime's.
Not here: speed (bench/), trained nets.

ONNX Runtime's own answer is not asked bit for bit: some of its integer kernels round after they have added the zero
point, it runs signed QDQ convolutions in float, and on CPUs without VNNI its unsigned ones saturate.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, cpu_session

MODELS = ROOT / "build" / "models"
FORMS = ("qdq_u8s8", "qdq_s8s8", "qop_u8s8", "qop_s8s8")
NAMES = ("mobilenet_v2", "resnet50")


def model_path(name, form):
    path = MODELS / f"{name}.{form}.onnx"
    if not path.exists():
        command = [sys.executable, ROOT / "bench/models/make.py", MODELS, "--names", name, "--forms", form]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_whole_model(name, form, open_session, default_pack, tmp_path):
    path = model_path(name, form)
    explain = tmp_path / "explain.json"
    options = {"explain": explain, "target": "host" if default_pack.is_file() else "portable"}
    session = open_session(path, options, threads=2, full=True)
    report = json.loads(explain.read_text())
    assert len(report["regions"]) == 1
    assert report["nodes_taken"] == report["nodes_total"]
    x = np.random.default_rng(3).normal(0, 1, (1, 3, 224, 224)).astype(np.float32)
    got = session.run(None, {"x": x})[0]
    (region,) = json.loads(explain.read_text())["regions"]
    assert region["stored_floats"] == region["layout_changes"] == {}
    np.testing.assert_array_equal(got, open_session(path, {"target": "portable"}, threads=2).run(None, {"x": x})[0])
    real = cpu_session(MODELS / f"{name}.onnx").run(None, {"x": x})[0]
    host = cpu_session(path).run(None, {"x": x})[0]
    assert np.linalg.norm(got - real) <= 1.05 * np.linalg.norm(host - real)
