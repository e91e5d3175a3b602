"""Dynamic quantization as ONNX Runtime's own quantizer writes it, and as its optimiser saves that: taken, and as near
as float arithmetic lets it be.

In:  float models quantized here.  Out: answers near the host's at its lowest optimisation level.
Not here: constant zero points (test_ops.py).
"""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import cpu_session
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic


def quantized(folder, nodes, inputs, outputs, constants, weight_type, per_channel=False, integers=(), opset=17):
    values = [helper.make_tensor_value_info(n, T.FLOAT, s) for n, s in [*inputs.items(), *outputs.items()]]
    tensors = [numpy_helper.from_array(a.astype(np.float32), n) for n, a in constants.items()]
    tensors += [numpy_helper.from_array(np.array(integers[n], np.int64), n) for n in integers]
    graph = helper.make_graph(nodes, "net", values[: len(inputs)], values[len(inputs) :], tensors)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9), folder / "float.onnx"
    )
    # Seven bits where the weights are signed: the host's own sums saturate on CPUs without VNNI.
    reduced = weight_type == QuantType.QInt8
    quantize_dynamic(folder / "float.onnx", folder / "dynamic.onnx", weight_type=weight_type, per_channel=per_channel,
                     reduce_range=reduced)  # fmt: skip
    return (folder / "dynamic.onnx").read_bytes()


def optimised(model, folder):
    """The model as the host saves it: its products and sums are fused."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3  # that the file is for this machine
    ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return (folder / "optimised.onnx").read_bytes()


def operators(model):
    return {node.op_type for node in onnx.load_from_string(model).graph.node}


def answers(open_session, target, model, feeds, written=None):
    """Ours, of all nodes, and the host's."""
    got = open_session(written or model, target, full=True).run(None, feeds)
    return got, cpu_session(model, ort.GraphOptimizationLevel.ORT_DISABLE_ALL).run(None, feeds)


def check(open_session, target, model, feeds, written=None):
    for actual, expected in zip(*answers(open_session, target, model, feeds, written), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def check_layers(open_session, target, model, feeds, written=None):
    """A last bit of a float may move a code of a later product's source by one."""
    (got,), (wanted,) = answers(open_session, target, model, feeds, written)
    assert np.abs(got - wanted).max() <= 0.02 * np.abs(wanted).max()


def filters(rng, shapes):
    """Weights w0, w1, ... of these shapes and biases b0, b1, ..."""
    weights = {f"w{i}": rng.normal(0, 0.3, shape) for i, shape in enumerate(shapes)}
    return weights | {f"b{i}": rng.normal(0, 1, shape[0]) for i, shape in enumerate(shapes)}


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("weights", [QuantType.QInt8, QuantType.QUInt8])
@pytest.mark.parametrize("shape", [(7, 48), (2, 5, 48)])
def test_products_of_one_tensor(open_session, target, tmp_path, weights, per_channel, shape):
    """Three matrices read the same activation; one of them has a bias."""
    rng = np.random.default_rng(1)
    nodes = [helper.make_node("MatMul", ["x", f"w{i}"], [f"m{i}"], f"matmul{i}") for i in range(3)]
    nodes.append(helper.make_node("Add", ["m2", "bias"], ["y2"], "add"))
    constants = {f"w{i}": rng.normal(0, 0.1, (48, 16 + 8 * i)) for i in range(3)}
    constants["bias"] = rng.normal(0, 1, 32)
    outputs = {"m0": (*shape[:-1], 16), "m1": (*shape[:-1], 24), "y2": (*shape[:-1], 32)}
    model = quantized(tmp_path, nodes, {"x": shape}, outputs, constants, weights, per_channel)
    feeds = {"x": rng.normal(0.3, 1, shape).astype(np.float32)}
    check(open_session, target, model, feeds)
    written = optimised(model, tmp_path)
    assert operators(written) == {"DynamicQuantizeLinear", "MatMulIntegerToFloat"}
    check(open_session, target, model, feeds, written)


@pytest.mark.parametrize("saved", ["as quantized", "optimised"])
def test_normalized_residual(open_session, target, tmp_path, saved):
    """A sum with the activation, normalized: floats, and yet one region with the products before and behind it."""
    rng = np.random.default_rng(4)
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["m0"], "first"),
        helper.make_node("Add", ["m0", "bias"], ["b0"], "bias_add"),
        helper.make_node("Add", ["x", "b0"], ["sum"], "residual"),
        helper.make_node("LayerNormalization", ["sum", "gain", "offset"], ["norm"], "norm", axis=-1),
        helper.make_node("MatMul", ["norm", "w1"], ["y"], "second"),
    ]
    constants = {"w0": rng.normal(0, 0.1, (48, 48)), "w1": rng.normal(0, 0.1, (48, 16)), "bias": rng.normal(0, 1, 48)}
    constants |= {"gain": rng.uniform(0.5, 1.5, 48), "offset": rng.normal(0, 0.3, 48)}
    model = quantized(tmp_path, nodes, {"x": (2, 5, 48)}, {"y": (2, 5, 16)}, constants, QuantType.QInt8)
    written = model if saved == "as quantized" else optimised(model, tmp_path)
    if saved == "optimised":
        assert operators(written) == {"DynamicQuantizeMatMul", "SkipLayerNormalization"}
    feeds = {"x": rng.normal(0, 1, (2, 5, 48)).astype(np.float32)}
    check_layers(open_session, target, model, feeds, written)


@pytest.mark.parametrize(("last", "saved"), [("Div", False), ("Div", True), ("Reciprocal", False)])
def test_rms_normalized_residual(open_session, target, tmp_path, last, saved):
    """The same with the normalization of Llama and T5, which the host has as nodes, or as one where it saved them."""
    rng = np.random.default_rng(5)
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "w0"], ["m0"], "first"),
        node("Add", ["x", "m0"], ["sum"], "residual"),
        node("Pow", ["sum", "two"], ["square"], "square"),
        node("ReduceMean", ["square"], ["mean"], "mean", axes=[-1]),
        node("Add", ["mean", "epsilon"], ["spread"], "spread"),
        node("Sqrt", ["spread"], ["root"], "root"),
        *(
            [node("Div", ["sum", "root"], ["norm"], "norm")]
            if last == "Div"
            else [
                node("Reciprocal", ["root"], ["inverse"], "inverse"),
                node("Mul", ["sum", "inverse"], ["norm"], "norm"),
            ]
        ),
        node("Mul", ["gain", "norm"], ["scaled"], "scale"),
        node("MatMul", ["scaled", "w1"], ["y"], "second"),
    ]
    constants = {"w0": rng.normal(0, 0.1, (48, 48)), "w1": rng.normal(0, 0.1, (48, 16))}
    constants |= {"gain": rng.uniform(0.5, 1.5, 48), "two": np.array(2.0), "epsilon": np.array(1e-6)}
    model = quantized(tmp_path, nodes, {"x": (2, 5, 48)}, {"y": (2, 5, 16)}, constants, QuantType.QInt8)
    written = optimised(model, tmp_path) if saved else model
    if saved:
        assert operators(written) == {"DynamicQuantizeMatMul", "Add", "SimplifiedLayerNormalization"}
    check_layers(open_session, target, model, {"x": rng.normal(0, 1, (2, 5, 48)).astype(np.float32)}, written)


def test_layers_in_floats(open_session, target, tmp_path):
    """Activations, a residual and a gate between convolutions: floats all the way, and yet one region."""
    rng = np.random.default_rng(6)
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["c0"], "first", pads=[1, 1, 1, 1]),
        node("Relu", ["c0"], ["r0"], "relu"),
        node("Conv", ["r0", "w1", "b1"], ["c1"], "depthwise", pads=[1, 1, 1, 1], group=8),
        node("Add", ["c1", "three"], ["t1"], "shift"),
        node("Clip", ["t1", "zero", "six"], ["k1"], "clip"),
        node("Mul", ["c1", "k1"], ["m1"], "swish"),
        node("Div", ["m1", "six"], ["h1"], "scale"),
        node("GlobalAveragePool", ["h1"], ["p1"], "pool"),
        node("Conv", ["p1", "w2", "b2"], ["c2"], "squeeze"),
        node("HardSigmoid", ["c2"], ["g2"], "gate"),
        node("Mul", ["h1", "g2"], ["e1"], "excite"),
        node("Conv", ["e1", "w3", "b3"], ["c3"], "second"),
        node("Add", ["r0", "c3"], ["s3"], "residual"),
        node("Conv", ["s3", "w4", "b4"], ["y"], "last"),
    ]
    constants = filters(rng, [(8, 3, 3, 3), (8, 1, 3, 3), (8, 8, 1, 1), (8, 8, 1, 1), (4, 8, 1, 1)])
    constants |= {"zero": np.array(0.0), "three": np.array(3.0), "six": np.array(6.0)}
    inputs, outputs = {"x": (2, 3, 11, 9)}, {"y": (2, 4, 11, 9)}
    model = quantized(tmp_path, nodes, inputs, outputs, constants, QuantType.QUInt8)
    check_layers(open_session, target, model, {"x": rng.normal(0, 1, inputs["x"]).astype(np.float32)})


@pytest.mark.parametrize("form", ["erf", "Gelu", "tanh", "tanh of a product", "Gelu by tanh"])
def test_gelu_between_products(open_session, target, tmp_path, form):
    """Its floats are read by products alone, which quantize them: they need not be made."""
    rng = np.random.default_rng(9)
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "w0"], ["m0"], "first"),
        node("Add", ["m0", "b0"], ["a0"], "bias"),
        node("Div", ["a0", "root"], ["d0"], "scale"),
        node("Erf", ["d0"], ["e0"], "erf"),
        node("Add", ["e0", "one"], ["o0"], "shift"),
        node("Mul", ["a0", "o0"], ["p0"], "gate"),
        node("Mul", ["p0", "half"], ["g0"], "gelu"),
        node("MatMul", ["g0", "w1"], ["y"], "second"),
    ]
    constants = {"w0": rng.normal(0, 0.2, (48, 96)), "w1": rng.normal(0, 0.1, (96, 16)), "b0": rng.normal(0, 1, 96)}
    constants |= {"root": np.array(np.sqrt(2)), "one": np.array(1.0), "half": np.array(0.5)}
    if form.startswith("Gelu"):
        how = {"approximate": "tanh"} if "tanh" in form else {}
        nodes[2:7] = [node("Gelu", ["a0"], ["g0"], "gelu", **how)]
    elif "tanh" in form:
        cube = [node("Pow", ["a0", "three"], ["c0"], "cube")]
        if "product" in form:
            cube = [node("Mul", ["a0", "a0"], ["s0"], "square"), node("Mul", ["a0", "s0"], ["c0"], "cube")]
        nodes[2:4] = [
            *cube,
            node("Mul", ["share", "c0"], ["t0"], "share"),
            node("Add", ["a0", "t0"], ["u0"], "sum"),
            node("Mul", ["u0", "root"], ["d0"], "scale"),
            node("Tanh", ["d0"], ["e0"], "tanh"),
        ]
        constants |= {"root": np.array(np.sqrt(2 / np.pi)), "three": np.array(3.0), "share": np.array(0.044715)}
    opset = 20 if form.startswith("Gelu") else 17
    model = quantized(tmp_path, nodes, {"x": (2, 5, 48)}, {"y": (2, 5, 16)}, constants, QuantType.QInt8, opset=opset)
    check_layers(open_session, target, model, {"x": rng.normal(0, 1, (2, 5, 48)).astype(np.float32)})


def test_greatest_of_floats(open_session, target, tmp_path):
    """A segmentation's classes: where the greatest of the last convolution's floats is."""
    rng = np.random.default_rng(8)
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["y"], "classes", pads=[1, 1, 1, 1]),
        node("ArgMax", ["y"], ["z"], "greatest", axis=1),
    ]
    shape = {"x": (2, 3, 9, 7)}
    model = quantized(tmp_path, nodes, shape, {"y": (2, 21, 9, 7)}, filters(rng, [(21, 3, 3, 3)]), QuantType.QUInt8)
    model = onnx.load_from_string(model)
    model.graph.output.append(helper.make_tensor_value_info("z", T.INT64, (2, 1, 9, 7)))
    session = open_session(model.SerializeToString(), target, full=True)
    y, z = session.run(None, {"x": rng.normal(0, 1, shape["x"]).astype(np.float32)})
    np.testing.assert_array_equal(z, np.argmax(y, 1, keepdims=True))


def test_pixels_that_move(open_session, target, tmp_path):
    """Split, concat, pools and resize between convolutions, as detectors have them: floats all the way as well."""
    rng = np.random.default_rng(7)
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["c0"], "first", pads=[1, 1, 1, 1]),
        node("Sigmoid", ["c0"], ["g0"], "gate"),
        node("Mul", ["c0", "g0"], ["s0"], "silu"),
        node("Split", ["s0", "halves"], ["a", "b"], "split", axis=1),
        node("Conv", ["b", "w1", "b1"], ["c1"], "inner", pads=[1, 1, 1, 1]),
        node("Add", ["b", "c1"], ["r1"], "residual"),
        node("Concat", ["a", "b", "r1"], ["j1"], "join", axis=1),
        node("MaxPool", ["j1"], ["p1"], "pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("AveragePool", ["p1"], ["q1"], "blur", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
        node("Conv", ["q1", "w2", "b2"], ["c2"], "deep"),
        node("Resize", ["c2", "", "twice"], ["u2"], "up", mode="nearest", coordinate_transformation_mode="asymmetric",
             nearest_mode="floor"),
        node("Resize", ["q1", "", "twice"], ["v2"], "mix", mode="linear"),
        node("Concat", ["u2", "s0", "v2"], ["j2"], "skip", axis=1),
        node("Conv", ["j2", "w3", "b3"], ["y"], "last"),
    ]  # fmt: skip
    constants = filters(rng, [(8, 3, 3, 3), (4, 4, 3, 3), (8, 12, 1, 1), (4, 28, 1, 1)])
    constants["twice"] = np.array([1, 1, 2, 2])
    inputs, outputs = {"x": (2, 3, 12, 10)}, {"y": (2, 4, 12, 10)}
    model = quantized(tmp_path, nodes, inputs, outputs, constants, QuantType.QUInt8, integers={"halves": [4, 4]})
    check_layers(open_session, target, model, {"x": rng.normal(0, 1, inputs["x"]).astype(np.float32)})


@pytest.mark.parametrize("groups", [1, 4])
def test_convolution(open_session, target, tmp_path, groups):
    rng = np.random.default_rng(2)
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], "conv", pads=[1, 1, 1, 1], strides=[2, 2], group=groups)
    constants = {"w": rng.normal(0, 0.1, (8, 4 // groups, 3, 3)), "b": rng.normal(0, 1, 8)}
    model = quantized(tmp_path, [node], {"x": (1, 4, 9, 9)}, {"y": (1, 8, 5, 5)}, constants, QuantType.QUInt8)
    check(open_session, target, model, {"x": rng.normal(0, 1, (1, 4, 9, 9)).astype(np.float32)})


@pytest.mark.parametrize("scales", ["one Mul", "a Mul each", "of another size"])
def test_counted_bias(open_session, target, scales):
    """A bias divided by the scales and added to the sums, as onnx.quantize 0.1.0 wrote it; by others it is left."""
    rng = np.random.default_rng(12)
    node, divisor = helper.make_node, "scales" if scales == "one Mul" else "again"
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], "quantize"),
        node("Mul", ["s", "ws"], ["scales"], "scales"),
        *([node("Mul", ["s", "ws2"], ["again"], "again")] if divisor == "again" else []),
        node("Div", ["b", divisor], ["count"], "count"),
        node("Floor", ["count"], ["whole"], "floor"),
        node("Cast", ["whole"], ["bias"], "bias", to=T.INT32),
        node("Reshape", ["bias", "column"], ["shaped"], "shape"),
        node("ConvInteger", ["q", "w", "z", "wz"], ["acc"], "conv", pads=[1, 1, 1, 1], strides=[2, 1]),
        node("Add", ["acc", "shaped"], ["sum"], "add"),
        node("Cast", ["sum"], ["real"], "real", to=T.FLOAT),
        node("Mul", ["real", "scales"], ["y"], "rescale"),
    ]
    constants = {
        "ws": np.array(0.02, np.float32),
        "ws2": np.array(0.04 if scales == "of another size" else 0.02, np.float32),
        "b": rng.normal(0, 1, 8).astype(np.float32),
        "column": np.array([1, 8, 1, 1], np.int64),
        "w": rng.integers(0, 256, (8, 3, 3, 3)).astype(np.uint8),
        "wz": np.array(120, np.uint8),
    }
    values = [helper.make_tensor_value_info(n, T.FLOAT, s) for n, s in (("x", [2, 3, 11, 9]), ("y", [2, 8, 6, 9]))]
    graph = helper.make_graph(
        nodes, "net", values[:1], values[1:], [numpy_helper.from_array(a, n) for n, a in constants.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8).SerializeToString()
    feeds = {"x": rng.normal(0, 1, (2, 3, 11, 9)).astype(np.float32)}
    if scales == "of another size":
        with pytest.raises(Exception, match="fallback to CPU EP"):
            open_session(model, target, full=True)
    else:
        check(open_session, target, model, feeds)


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_constant_activations(open_session, target, tmp_path, value):
    rng = np.random.default_rng(3)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "matmul")]
    model = quantized(tmp_path, nodes, {"x": ("M", 16)}, {"y": ("M", 8)}, {"w": rng.normal(0, 1, (16, 8))},
                      QuantType.QInt8)  # fmt: skip
    check(open_session, target, model, {"x": np.full((3, 16), value, np.float32)})
