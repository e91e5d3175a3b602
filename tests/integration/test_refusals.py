"""What the plugin leaves to the host, each with its reason, and that the model still runs.

In:  nets the plugin must not take.  Out: the reason reported, answers equal to the host's own provider.
Not here: what it takes (test_ops.py).
"""

import numpy as np
import onnx
import pytest
from nets import Net
from onnx import TensorProto as T
from onnx import helper


def set_attribute(model, op, name, value):
    node = next(n for n in model.graph.node if n.op_type == op)
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def test_3d_conv(decisions):
    net = Net(2)
    x = net.code_input([1, 3, 4, 4, 4], "uint8")
    weights = net.constant(net.rng.integers(-9, 9, (4, 3, 1, 1, 1)).astype(np.int8))
    inputs = net.params(x.name, x.scale, x.zp, np.uint8) + net.params(weights, 0.1, 0, np.int8)
    y = net.node("QLinearConv", inputs + net.params("", 0.2, 3, np.uint8)[1:])
    net.outputs.append(helper.make_tensor_value_info(y, T.UINT8, None))
    node = decisions(net.model().SerializeToString())["nodes"][0]
    assert (node["taken"], node["reason"]) == (False, "only 1-D and 2-D convolutions")


def test_a_gemm_with_a_factor(decisions):
    net = Net(3)
    net.output(net.dense(net.code_input([8, 8], "uint8"), 8, 8, form="gemm", bias="none"))
    model = net.model()
    set_attribute(model, "Gemm", "alpha", 0.5)
    gemm = next(n for n in decisions(model.SerializeToString())["nodes"] if n["op_type"] == "Gemm")
    assert (gemm["taken"], gemm["reason"]) == (False, "attribute value not supported")


def test_zero_point_of_the_moment(decisions):
    """Dynamic quantization: the zero point is computed in each run."""
    net = Net(4)
    x = net.float_input([2, 8])
    q, _, zp = net.node("DynamicQuantizeLinear", [x], outputs=3)
    weights = net.constant(net.rng.integers(-9, 9, (8, 4)).astype(np.int8))
    y = net.node("MatMulInteger", [q, weights, zp])
    net.outputs.append(helper.make_tensor_value_info(y, T.INT32, None))
    report = decisions(net.model().SerializeToString())
    node = next(n for n in report["nodes"] if n["op_type"] == "MatMulInteger")
    assert (node["taken"], node["reason"]) == (False, "scale or zero point is not constant")


@pytest.mark.parametrize("element", [T.INT16, T.UINT16, T.INT4])
def test_other_widths(decisions, element):
    """16-bit activations and 4-bit weights."""
    net = Net(5, opset=21)
    x = net.float_input([4, 8])
    narrow = element == T.INT4
    src, wei = (T.UINT8, T.INT4) if narrow else (element, T.INT8)

    def scalar(kind):
        return helper.make_tensor(net.name("z"), kind, [], [0])

    zs, zw = scalar(src), scalar(wei)
    w = helper.make_tensor(net.name("w"), wei, [8, 4], [1] * 32)
    net.constants += [zs, zw, w]
    s = net.constant(np.float32(0.1))
    q = net.node("QuantizeLinear", [x, s, zs.name])
    y = net.node(
        "MatMul",
        [net.node("DequantizeLinear", [q, s, zs.name]), net.node("DequantizeLinear", [w.name, s, zw.name])],
    )
    net.output(net.node("DequantizeLinear", [net.node("QuantizeLinear", [y, s, zs.name]), s, zs.name]))
    report = decisions(net.model().SerializeToString())
    node = next(n for n in report["nodes"] if n["op_type"] == "MatMul")
    assert (node["taken"], node["reason"]) == (False, "element type not supported")


def test_blocked_weights(decisions):
    net = Net(6, opset=21)
    x = net.code_input([4, 8], "uint8")
    w = net.constant(net.rng.integers(-9, 9, (8, 4)).astype(np.int8))
    scales = net.constant(np.full((2, 4), 0.1, np.float32))
    y = net.node("MatMul", [net.dequantize(x), net.node("DequantizeLinear", [w, scales], axis=0, block_size=4)])
    net.output(net.node("DequantizeLinear", [net.node("QuantizeLinear", net.params(y, 0.1, 0, np.uint8)),
                                             *net.params("", 0.1, 0, np.uint8)[1:]]))  # fmt: skip
    report = decisions(net.model().SerializeToString())
    node = next(n for n in report["nodes"] if n["op_type"] == "MatMul")
    assert (node["taken"], node["reason"]) == (False, "blocked quantization")


def test_an_op_the_host_fuses_keeps_its_dequantize(decisions):
    """Taking the dequantize in front of a quantized op of the host would turn its integer op into a float one."""
    net = Net(7)
    a = net.conv(net.code_input([1, 4, 6, 6], "uint8"), 4, 4)
    net.output(net.conv(net.between("Tile", [a, np.array([1, 1, 2, 1], np.int64)]), 4, 4))
    report = decisions(net.model().SerializeToString())
    tile = [n for n in report["nodes"] if n["op_type"] == "Tile"]
    assert [n["reason"] for n in tile] == ["op not supported"]
    reasons = {n["reason"] for n in report["nodes"] if not n["taken"] and n["op_type"] == "DequantizeLinear"}
    assert reasons <= {"the host fuses it with its neighbour"}


def test_float_ops_around_a_region(decisions):
    """Floats enter a region through a quantize, and leave it as functions of codes."""
    net = Net(9)
    before = net.real("Exp", [net.float_input([1, 4, 6, 6])])
    a = net.conv(net.quantize(before, "uint8"), 4, 4)
    function = net.real("HardSwish", [a])
    rows = net.real("Softmax", [a])
    net.output(net.node("CumSum", [function, net.constant(np.int64(1))]))
    net.output(net.node("CumSum", [rows, net.constant(np.int64(1))]))
    left = {n["op_type"]: n["reason"] for n in decisions(net.model().SerializeToString())["nodes"] if not n["taken"]}
    assert left["Exp"] == "it reads floats that the host makes"
    assert left["Softmax"] == "it makes floats that only the host reads"
    assert "HardSwish" not in left


def test_a_model_without_anything_for_us(open_session, target):
    x = helper.make_tensor_value_info("x", T.FLOAT, ["N"])
    y = helper.make_tensor_value_info("y", T.FLOAT, ["N"])
    graph = helper.make_graph([helper.make_node("Exp", ["x"], ["y"])], "net", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    value = np.arange(3, dtype=np.float32)
    np.testing.assert_allclose(
        open_session(model.SerializeToString(), target).run(None, {"x": value})[0], np.exp(value), rtol=1e-6
    )


def test_broken_model_leaves_the_process_alive(open_session, target):
    data = onnx.ModelProto().SerializeToString() + b"\x08garbage"
    with pytest.raises(Exception, match="ONNXRuntimeError|protobuf|INVALID"):
        open_session(data, target)
    net = Net(8)
    net.output(net.conv(net.code_input([1, 3, 4, 4], "uint8"), 3, 4))
    assert open_session(net.model().SerializeToString(), target, full=True)
