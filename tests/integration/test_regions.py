"""Several ops at once: what becomes one region, what must not, and that the answers stay the oracle's.

In:  chains, diamonds, siblings, left ops in between.  Out: bit equality, regions as reported by `explain`.
Not here: single ops (test_ops.py).
"""

import numpy as np
import onnx
import pytest
from conftest import cpu_session
from nets import Net


def regions(report):
    return len({n["region"] for n in report["nodes"] if n["taken"]})


@pytest.mark.parametrize("form", ["qdq", "qlinear"])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_chain(check, decisions, form, dtype):
    net = Net(1)
    x = net.quantize(net.float_input(["N", 3, "H", "W"]), dtype)
    x = net.conv(x, 3, 16, strides=(2, 2), form=form)
    x = net.conv(x, 16, 16, groups=16, form=form)
    x = net.conv(x, 16, 24, kernel=(1, 1), form=form)
    net.output(net.dequantize(x))
    check(net, runs=[dict(N=1, H=9, W=11), dict(N=2, H=16, W=4)])
    assert regions(decisions(net.model().SerializeToString())) == 1


def test_outputs_in_the_middle(check, decisions):
    net = Net(2)
    a = net.conv(net.code_input([1, 4, 8, 8], "uint8"), 4, 8)
    b = net.conv(a, 8, 8)
    c = net.conv(a, 8, 4, kernel=(1, 1))
    for value in (c, a, b):
        net.output(value)
    net.output(net.dequantize(a))
    check(net)
    assert regions(decisions(net.model().SerializeToString())) == 1


def test_borders_are_counted(decisions):
    net = Net(16)
    a = net.conv(net.quantize(net.float_input([1, 4, 8, 8]), "uint8"), 4, 8)
    net.output(a)
    net.output(net.dequantize(a))
    (region,) = decisions(net.model().SerializeToString())["regions"]
    assert region["nodes"] == 7
    borders = {k: v for k, v in region.items() if "puts" in k}
    assert borders == {"inputs": 1, "float_inputs": 1, "outputs": 2, "float_outputs": 1}


@pytest.mark.parametrize(("row", "floats"), [(8, 0), (8192, 2)])  # of a long row: what it reads, what it makes
def test_floats_and_layouts_inside_are_counted(decisions, row, floats):
    net = Net(17)
    a = net.conv(net.quantize(net.float_input([1, 4, 32, 32]), "uint8"), 4, 8)
    rows = net.between("Reshape", [net.between("Transpose", [a], perm=[0, 3, 1, 2]), np.array([8192 // row, row])])
    norm = net.between("LayerNormalization", [rows, np.ones(row, np.float32), np.zeros(row, np.float32)])
    net.output(net.dequantize(norm))
    model = net.model().SerializeToString()
    names = {n.op_type: n.name for n in onnx.load_from_string(model).graph.node}
    (region,) = decisions(model)["regions"]
    assert region["stored_floats"] == ({names["LayerNormalization"]: floats} if floats else {})
    assert region["layout_changes"] == {names["Reshape"]: 1}


def test_two_readers_of_one_input(check, decisions):
    net = Net(3)
    x = net.code_input([1, 4, 8, 8], "int8")
    net.output(net.conv(x, 4, 8))
    net.output(net.conv(x, 4, 8, kernel=(1, 1)))
    check(net)
    assert regions(decisions(net.model().SerializeToString())) == 1


def test_independent_parts_are_regions_of_their_own(check, decisions):
    net = Net(4)
    for _ in range(2):
        net.output(net.conv(net.code_input([1, 4, 8, 8], "uint8"), 4, 8))
    check(net)
    assert regions(decisions(net.model().SerializeToString())) == 2


def test_a_left_op_between(check, decisions):
    net = Net(5)
    a = net.conv(net.code_input([1, 4, 8, 8], "uint8"), 4, 8)
    net.output(net.conv(net.left(a), 8, 8))
    check(net, full=False)
    report = decisions(net.model().SerializeToString())
    assert regions(report) == 2
    left = {n["op_type"]: n["reason"] for n in report["nodes"] if not n["taken"]}
    assert left == {"Mod": "op not supported"}


def test_a_path_through_a_left_op_keeps_regions_apart(check, decisions):
    """a -> matmul(a, left(a)) would be one region that its own output leaves and enters again."""
    net = Net(6)
    a = net.dense(net.code_input([8, 8], "uint8"), 8, 8)
    net.output(net.matmul(a, net.left(a), 8))
    check(net, full=False)
    assert regions(decisions(net.model().SerializeToString())) == 2


@pytest.mark.parametrize("left", [False, True])
def test_many_diamonds(check, decisions, left):
    """Pools, or ops that only the host runs: then no path may leave a region and come back."""
    net = Net(7)
    x = net.conv(net.code_input([1, 4, 12, 12], "uint8"), 4, 8)
    for _ in range(4):
        net.output(net.conv(x, 8, 4, kernel=(1, 1)))
        y = net.conv(x, 8, 8)
        x = net.conv(net.left(y) if left else net.pool(y), 8, 8, pads=(1, 1, 1, 1))
    net.output(x)
    check(net, full=not left)
    assert regions(decisions(net.model().SerializeToString())) == (5 if left else 1)


def test_image_and_matrix(check, decisions):
    """A convolution's result as the rows of a product: two layouts in one region."""
    net = Net(8)
    a = net.conv(net.code_input([2, 3, 6, 7], "uint8"), 3, 5)
    b = net.dense(a, 7, 9)
    net.output(b)
    net.output(net.conv(b, 5, 4))
    check(net)
    assert regions(decisions(net.model().SerializeToString())) == 1


def test_one_input_read_as_image_and_matrix(check):
    net = Net(9)
    x = net.code_input([2, 3, 6, 7], "uint8")
    net.output(net.conv(x, 3, 5))
    net.output(net.dense(x, 7, 9))
    check(net)


def test_dense_chain_with_variable_weights(check):
    net = Net(10)
    x = net.quantize(net.float_input(["M", 24]), "int8")
    a, b = net.dense(x, 24, 16), net.dense(x, 24, 8, form="gemm")
    net.output(net.dequantize(net.matmul(net.dense(a, 16, 7), net.code_input([7, 5], "int8"), 7)))
    net.output(net.dequantize(b))
    check(net, runs=[dict(M=1), dict(M=33)])


def test_requantize_between(check):
    """A dequantize read by a quantize of other parameters, between two convolutions."""
    net = Net(11)
    a = net.conv(net.code_input([1, 4, 6, 6], "uint8"), 4, 8)
    net.output(net.conv(net.quantize(net.dequantize(a), "int8", scale=np.float32(a.scale * 1.37)), 8, 4))
    check(net)


def test_weights_outside_the_model_file(open_session, target, tmp_path):
    """External data at odd offsets: pointers into a mapped file have no alignment."""
    net = Net(12)
    x = net.code_input([1, 5, 9, 9], "uint8")
    net.output(net.conv(net.conv(x, 5, 7, form="qlinear", bias="int32"), 7, 3))
    model = net.model()
    offset = 5
    with open(tmp_path / "weights.bin", "wb") as file:
        for tensor in model.graph.initializer:
            raw = onnx.numpy_helper.to_array(tensor).tobytes()
            if len(raw) < 16:
                continue
            file.seek(offset)
            file.write(raw)
            onnx.external_data_helper.set_external_data(tensor, "weights.bin", offset, len(raw))
            tensor.ClearField("raw_data")
            offset += len(raw) + 1 + offset % 2 * 2
        file.write(bytes(4096))
    onnx.save(model, tmp_path / "model.onnx")
    feeds = net.feeds()
    got = open_session(tmp_path / "model.onnx", target, full=True).run(None, feeds)
    np.testing.assert_array_equal(got[0], net.expected(feeds)[0])


def test_unaligned_inputs(check, open_session, target):
    net = Net(13)
    net.output(net.conv(net.code_input([1, 3, 7, 7], "uint8"), 3, 4))
    session = open_session(net.model().SerializeToString(), target, full=True)
    feeds = net.feeds()
    (name, array), *_ = feeds.items()
    for shift in (1, 3, 31):
        buffer = np.zeros(array.size + shift, np.uint8)
        view = buffer[shift:].reshape(array.shape)
        view[...] = array
        np.testing.assert_array_equal(session.run(None, {name: view})[0], net.expected(feeds)[0])


def test_inside_an_if(open_session, target):
    """Both branches hold a convolution; 1.23 must leave them alone, later hosts may give them to us."""
    helper = onnx.helper
    branches, wanted = [], []
    net = Net(14)
    x = net.quantize(net.float_input([1, 3, 6, 6]), "uint8")
    outer_nodes = list(net.nodes)
    feeds = None
    for _ in range(2):
        del net.nodes[:], net.outputs[:]
        net.output(net.dequantize(net.conv(x, 3, 4, form="qlinear")))
        feeds = feeds or net.feeds()
        wanted.append(net.expected(feeds)[0])
        out = helper.make_tensor_value_info(net.outputs[0].name, onnx.TensorProto.FLOAT, [1, 4, 6, 6])
        branches.append(helper.make_graph(list(net.nodes), f"branch{len(branches)}", [], [out]))
    choose = helper.make_tensor_value_info("choose", onnx.TensorProto.BOOL, [])
    node = helper.make_node("If", ["choose"], ["y"], then_branch=branches[0], else_branch=branches[1])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 4, 6, 6])
    graph = helper.make_graph([*outer_nodes, node], "net", [*net.inputs, choose], [y], net.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    session, host = open_session(model, target), cpu_session(model)
    for i, chosen in enumerate([True, False]):
        got = session.run(None, {**feeds, "choose": np.array(chosen)})[0]
        if not np.array_equal(got, wanted[i]):  # left to the host, whose int8 saturates on CPUs without VNNI
            np.testing.assert_array_equal(got, host.run(None, {**feeds, "choose": np.array(chosen)})[0])


def test_inside_a_function_of_the_model(check, open_session, target):
    """Local functions are inlined while the host asks again and again what we can take."""
    helper = onnx.helper
    net = Net(15)
    x = net.conv(net.code_input([1, 3, 6, 6], "uint8"), 3, 4, form="qlinear")
    net.output(net.conv(x, 4, 4))
    model = net.model()
    conv = model.graph.node[0]
    names = [f"i{i}" for i in range(len(conv.input))]
    body = helper.make_node("QLinearConv", names, ["o"])
    body.attribute.extend(conv.attribute)
    opset = helper.make_opsetid("", net.opset)
    model.functions.append(helper.make_function("local", "Wrapped", names, ["o"], [body], [opset]))
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.graph.node[0].CopyFrom(helper.make_node("Wrapped", conv.input, conv.output, domain="local"))
    feeds = net.feeds()
    got = open_session(model.SerializeToString(), target, full=True).run(None, feeds)
    np.testing.assert_array_equal(got[0], net.expected(feeds)[0])
