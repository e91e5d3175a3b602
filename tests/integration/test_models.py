"""ResNet-50 and MobileNetV2, quantized in four forms: every convolution and the final dense taken, answers equal.

In:  the models bench/models writes (made here once, kept in build/models).  Out: bit equality with ONNX Runtime.
Not here: speed (bench/), trained nets.

What "equal" means: the host's own answer where it computes in integers. It runs signed QDQ convolutions in float, so
there the same model is rewritten with QLinearConv and QGemm first, which it always computes in integers. On CPUs
without VNNI its unsigned kernels saturate; there ours must agree with our portable C instead.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np
import onnx
import pytest
from conftest import ROOT, cpu_session
from onnx import helper

MODELS = ROOT / "build" / "models"
FORMS = ("qdq_u8s8", "qdq_s8s8", "qop_u8s8", "qop_s8s8")
SIZES = {"mobilenet_v2": (52, 1), "resnet50": (53, 1)}  # convolutions, final dense


def model_path(name, form):
    path = MODELS / f"{name}.{form}.onnx"
    if not path.exists():
        command = [sys.executable, ROOT / "bench/models/make.py", MODELS, "--names", name, "--forms", form]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    return path


def has_vnni():
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    return "avx512_vnni" in flags or "avx_vnni" in flags


def in_integers(path):
    """The QDQ model with each DQ, DQ, DQ -> Conv | Gemm -> Q written as one QLinearConv or QGemm."""
    model = onnx.load(path)
    graph = model.graph
    producer = {o: n for n in graph.node for o in n.output}
    readers = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    nodes = []
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm"):
            nodes.append(node)
            continue
        (q,) = readers[node.output[0]]
        assert q.op_type == "QuantizeLinear"
        x, w, b = (producer[name] for name in node.input)
        if node.op_type == "Conv":
            inputs = [*x.input, *w.input, *q.input[1:], b.input[0]]
            made = helper.make_node("QLinearConv", inputs, q.output, node.name)
        else:
            inputs = [*x.input, *w.input, b.input[0], *q.input[1:]]
            made = helper.make_node("QGemm", inputs, q.output, node.name, domain="com.microsoft")
        made.attribute.extend(a for a in node.attribute if a.name != "beta")
        nodes.append(made)
        q.op_type = "gone"
    kept = [n for n in nodes if n.op_type != "gone"]
    del graph.node[:]
    graph.node.extend(kept)
    if not any(o.domain == "com.microsoft" for o in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model.SerializeToString()


def taken_ops(report):
    ops = [n["op_type"] for n in report["nodes"] if n["taken"]]
    return sum(op.endswith("Conv") for op in ops), sum(op.endswith("Gemm") for op in ops)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SIZES)
def test_whole_model(name, form, open_session, default_pack, tmp_path):
    path = model_path(name, form)
    explain = tmp_path / "explain.json"
    options = {"explain": explain, "target": "host" if default_pack.is_file() else "portable"}
    session = open_session(path, options, threads=2)
    assert taken_ops(json.loads(explain.read_text())) == SIZES[name]
    x = np.random.default_rng(3).normal(0, 1, (1, 3, 224, 224)).astype(np.float32)
    got = session.run(None, {"x": x})[0]
    if form == "qdq_s8s8":
        wanted = cpu_session(in_integers(path)).run(None, {"x": x})[0]
    elif has_vnni() or form == "qop_s8s8":
        wanted = cpu_session(path).run(None, {"x": x})[0]
    else:
        wanted = open_session(path, {"target": "portable"}, threads=2).run(None, {"x": x})[0]
    np.testing.assert_array_equal(got, wanted)
