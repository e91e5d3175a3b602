"""The quantized ops of com.microsoft: taken beside a product, and within one code of the host's integer kernels.

In:  one op, a product behind it.  Out: codes near the host's, the product exact.
Not here: quantized products (test_ops.py).
"""

import numpy as np
import onnxruntime as ort
import pytest
from nets import Net, Quantized

MICROSOFT = "com.microsoft"


def params(net, q):
    return net.params(q.name, q.scale, q.zp, q.dtype)


def start(dtype, shape=(1, 8, 6, 6), seed=1):
    net = Net(seed)
    return net, net.code_input(list(shape), dtype)


def check(check_near, net, op, inputs, like, scale, zp, channels=8, **attributes):
    y = Quantized(None, like.dtype, scale, zp)
    y.name = net.node(op, inputs(params(net, y)[1:]), domain=MICROSOFT, **attributes)
    net.output(net.conv(y, channels, 4, kernel=(1, 1), pads=(0, 0, 0, 0), form="qlinear"))
    check_near(net, [y])


ZP = {"uint8": 128, "int8": -5}


@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_of_two(check_near, op, dtype):
    net, x = start(dtype)
    other = net.code_input([1, 8, 1, 1] if op == "QLinearMul" else [1, 8, 6, 6], dtype)
    check(check_near, net, op, lambda y: [*params(net, x), *params(net, other), *y], x, x.scale * 1.3, ZP[dtype])


@pytest.mark.parametrize(("op", "attributes"), [("QLinearSigmoid", {}), ("QLinearLeakyRelu", dict(alpha=0.2))])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_of_one(check_near, op, attributes, dtype):
    net, x = start(dtype)
    scale = np.float32(1 / 256) if op == "QLinearSigmoid" else x.scale
    check(check_near, net, op, lambda y: [*params(net, x), *y], x, scale, np.iinfo(dtype).min, **attributes)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_concat(check_near, dtype):
    net, x = start(dtype)
    other = net.code_input([1, 4, 6, 6], dtype)
    check(check_near, net, "QLinearConcat", lambda y: [*y, *params(net, x), *params(net, other)], x, x.scale * 1.1,
          ZP[dtype], channels=12, axis=1)  # fmt: skip


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("last", [0, 1])
def test_pools(check_near, dtype, last):
    net, x = start(dtype)
    check(check_near, net, "QLinearAveragePool", lambda y: [*params(net, x), *y], x, x.scale, x.zp,
          channels=4 if last else 8, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1],
          channels_last=last)  # fmt: skip


@pytest.mark.parametrize("group", [1, 8])
def test_conv_between_channels_last(check_near, group):
    net, x = start("uint8", (1, 6, 7, 8))
    codes, scale, zps, _ = net.weights((8, 8 // group, 3, 3), "int8", True, 0, 0)
    # Seven bits: the host's own sums saturate on CPUs without VNNI.
    weights = [net.constant(codes // 2), net.constant(scale), net.constant(zps)]
    check(check_near, net, "QLinearConv", lambda y: [*params(net, x), *weights, *y], x, x.scale, x.zp, channels=6,
          kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=group, channels_last=1)  # fmt: skip


def plain_net():
    net = Net(3)
    x = net.quantize(net.float_input([1, 3, 12, 10]), "uint8")
    a = net.conv(x, 3, 8)
    b = net.conv(a, 8, 8, groups=8)
    net.output(net.dequantize(net.pool(b)))
    return net


def net_of_everything_between():
    net = Net(4)
    x = net.quantize(net.float_input([1, 3, 12, 10]), "uint8")
    a = net.conv(x, 3, 8)
    b = net.between("Mul", [a, net.between("Sigmoid", [a], scale=1 / 256, zp=0)])
    halves = net.between("Split", [b], outputs=2, axis=1)
    larger = [net.between("Resize", [h, "", np.float32([1, 1, 2, 2])], mode="nearest") for h in halves]
    c = net.conv(net.between("Concat", larger, axis=1), 8, 8)
    gate = net.conv(net.between("GlobalAveragePool", [c]), 8, 8, kernel=(1, 1), pads=(0, 0, 0, 0))
    net.output(net.dequantize(net.conv(net.between("Mul", [c, gate]), 8, 4)))
    return net


@pytest.mark.parametrize("net", [plain_net(), net_of_everything_between()], ids=["plain", "everything"])
def test_a_model_the_host_saved_optimised(open_session, decisions, target, tmp_path, net):
    """Where its convolutions have become com.microsoft's, with channels last, nothing is left to the host, and nothing
    changes its layout."""
    model, saved = net.model().SerializeToString(), tmp_path / "saved.onnx"
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(saved)
    ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    optimised = saved.read_bytes()
    report = decisions(optimised, full=True)
    assert [n["node"] for n in report["nodes"] if not n["taken"]] == []
    assert [(r["stored_floats"], r["layout_changes"]) for r in report["regions"]] == [({}, {})]
    feeds = net.feeds()
    wanted, got = (open_session(m, target, full=True).run(None, feeds)[0] for m in (model, optimised))
    np.testing.assert_array_equal(got, wanted)


def test_max_pool_between_channels_last(check_near):
    net, x = start("uint8", (1, 6, 7, 8))
    y = Quantized(None, x.dtype, x.scale, x.zp)
    y.name = net.node("NhwcMaxPool", [x.name], domain=MICROSOFT, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    net.output(net.conv(y, 3, 4, kernel=(1, 1), pads=(0, 0, 0, 0), form="qlinear"))
    check_near(net, [y])


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("last", [0, 1])
def test_global_pool(check_near, dtype, last):
    net, x = start(dtype)
    check(check_near, net, "QLinearGlobalAveragePool", lambda y: [*params(net, x), *y], x, x.scale, x.zp,
          channels=1 if last else 8, channels_last=last)  # fmt: skip


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("opset", [11, 13])
def test_softmax(check_near, axis, opset):
    net, x = start("uint8")
    check(check_near, net, "QLinearSoftmax", lambda y: [*params(net, x), *y], x, np.float32(1 / 256), 0, axis=axis,
          opset=opset)  # fmt: skip


def test_gemm_with_a_float_answer(open_session, target):
    net = Net(2)
    x = net.code_input([5, 96], "uint8")
    codes, scale, zps, centred = net.weights((96, 12), "int8", True, 1, 0)
    weights = [net.constant(codes), net.constant(scale), net.constant(zps)]
    y = net.node("QGemm", [*params(net, x), *weights, "", "", ""], domain=MICROSOFT)
    net.output(y)
    feeds = net.feeds()
    got = open_session(net.model().SerializeToString(), target, full=True).run(None, feeds)[0]
    wanted = ((feeds[x.name].astype(np.int64) - x.zp) @ centred).astype(np.float32) * (x.scale * scale)
    np.testing.assert_allclose(got, wanted, rtol=1e-6)
