"""The benchmark models are what the shape files say, and their weights use the whole range."""

import bench_path  # noqa: F401
import geometry
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import quantize
import zoo
from onnx import numpy_helper

BUILT = [name for name, entry in zoo.MODELS.items() if entry.build is not None]


@pytest.mark.parametrize("name", BUILT)
def test_a_model_has_the_layers_of_its_shape_file(name):
    assert geometry.differences(name, zoo.MODELS[name].build(0)) == []


def test_every_entry_names_a_shape_file_and_known_forms():
    for entry in zoo.MODELS.values():
        assert (geometry.SHAPES / f"{entry.shapes}.txt").is_file()
        assert set(entry.forms) <= set(quantize.FORMS)


def test_the_same_seed_gives_the_same_model_and_another_seed_another():
    first, again, other = (zoo.MODELS["mobilenet_v3"].build(seed).SerializeToString() for seed in (3, 3, 4))
    assert first == again and first != other


@pytest.mark.parametrize("name", zoo.FAMILIES)
def test_networks_of_other_families_answer_in_the_shapes_they_declare(name):
    entry = zoo.FAMILIES[name]
    session = ort.InferenceSession(entry.build(0).SerializeToString(), providers=["CPUExecutionProvider"])
    answers = session.run(None, {"x": np.random.default_rng(1).normal(0, 1, entry.input).astype(np.float32)})
    for answer, declared in zip(answers, session.get_outputs(), strict=True):
        assert list(answer.shape) == declared.shape and np.isfinite(answer).all()


def initializers(model):
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


@pytest.mark.parametrize("form", ["qdq_u8s8", "qdq_s8s8", "qop_u8s8", "qop_s8s8"])
def test_quantized_weights_reach_127_in_every_channel(form, tmp_path):
    base, path = tmp_path / "base.onnx", tmp_path / "int8.onnx"
    model = zoo.MODELS["mobilenet_v1"].build(0)
    del model.graph.node[6:]  # three convolutions are enough
    last = model.graph.node[-1].output[0]
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].name = last
    onnx.save(model, base)
    sample = {"x": np.random.default_rng(1).normal(0, 1, (1, 3, 224, 224)).astype(np.float32)}
    quantize.quantize(base, path, [sample], form)
    weights = {k: v for k, v in initializers(onnx.load(path)).items() if v.dtype == np.int8 and v.ndim == 4}
    assert len(weights) == 3
    for wei in weights.values():
        assert (np.abs(wei.astype(int)).max(axis=(1, 2, 3)) == 127).all()


def test_dynamic_quantization_leaves_the_scales_to_run_time(tmp_path):
    base, path = tmp_path / "base.onnx", tmp_path / "int8.onnx"
    onnx.save(zoo.MODELS["bert_layer"].build(0), base)
    quantize.quantize(base, path, [], "dynamic_u8s8")
    ops = [node.op_type for node in onnx.load(path).graph.node]
    assert ops.count("MatMulInteger") >= 6 and "DynamicQuantizeLinear" in ops
