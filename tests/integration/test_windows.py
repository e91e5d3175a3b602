"""Pools, means, softmax and layer normalization between dequantizes and a quantize: taken, within one code of the host;
where the greatest is.

In:  one op, a product behind it.  Out: codes near the host's literal answer, the product exact.
Not here: their quantized forms (test_qlinear.py).
"""

import numpy as np
import pytest
from nets import Net
from onnx import TensorProto as T

POOLS = {
    "plain": dict(kernel_shape=[2, 2]),
    "strided": dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "asymmetric": dict(kernel_shape=[3, 2], strides=[1, 2], pads=[1, 0, 0, 1]),
    "ceil": dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "same": dict(kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
}


def followed(net, y, per_channel=True):
    net.output(net.conv(y, 6, 4, kernel=(1, 1), pads=(0, 0, 0, 0), per_channel=per_channel))
    return [y]


@pytest.mark.parametrize("how", POOLS)
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_pool(check_near, op, how, dtype):
    net = Net(1)
    x = net.code_input([2, 6, 8, 9], dtype)
    check_near(net, followed(net, net.between(op, [x], dtype, scale=x.scale, zp=x.zp, **POOLS[how])))


def test_average_that_counts_pads(check_near):
    net = Net(2)
    x = net.code_input([1, 6, 7, 7], "uint8")
    pool = dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    check_near(net, followed(net, net.between("AveragePool", [x], **pool)))


def test_dilated_max_pool(check_near):
    net = Net(3)
    x = net.code_input([1, 6, 9, 9], "uint8")
    check_near(net, followed(net, net.between("MaxPool", [x], kernel_shape=[2, 2], dilations=[2, 3])))


def test_pool_1d(check_near):
    net = Net(4)
    y = net.between("MaxPool", [net.code_input([1, 6, 11], "uint8")], kernel_shape=[3], strides=[2])
    net.output(net.conv(y, 6, 4, kernel=(1,), pads=(0, 0)))
    check_near(net, [y])


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_global_pool(check_near, op, dtype):
    net = Net(5)
    x = net.code_input(["N", 6, "H", "W"], dtype)
    check_near(net, followed(net, net.between(op, [x], dtype)), runs=[dict(N=1, H=7, W=5), dict(N=2, H=1, W=33)])


@pytest.mark.parametrize(("axes", "keep"), [([2, 3], 1), ([-1], 1), ([1], 1), ([0, 2], 0)])
@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize("op", ["ReduceMean", "ReduceMax"])
def test_reduced(check_near, op, axes, keep, opset):
    net = Net(6, opset=opset)
    x = net.conv(net.code_input([2, 3, 4, 5], "uint8"), 3, 6)
    net.output(x)
    by_input = [np.array(axes, np.int64)] if opset >= 18 else []
    by_attribute = {} if opset >= 18 else dict(axes=axes)
    check_near(net, [net.between(op, [x, *by_input], keepdims=keep, **by_attribute)])


@pytest.mark.parametrize(("axis", "opset"), [(-1, 17), (1, 17), (2, 13), (1, 12), (3, 12)])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_softmax(check_near, axis, opset, dtype):
    net = Net(7, opset=opset)
    x = net.code_input([2, 6, 4, 5], dtype)
    x.scale = np.float32(0.05)
    y = net.between("Softmax", [x], dtype, scale=1 / 256, zp=np.iinfo(dtype).min, axis=axis)
    check_near(net, followed(net, y, per_channel=opset >= 13))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_layer_norm(check_near, bias, dtype):
    net = Net(8)
    x = net.code_input(["B", 7, 24], dtype)
    parameters = [net.rng.normal(1, 0.2, 24).astype(np.float32) for _ in range(2 if bias else 1)]
    y = net.between("LayerNormalization", [x, *parameters], dtype)
    net.output(net.dense(y, 24, 8))
    check_near(net, [y], runs=[dict(B=1), dict(B=5)])


def deviation(net, x, axis, between, turn, square):
    """A layer normalization as exporters write it before opset 17, without its factor and addend."""
    d = net.node("Sub", [x, net.node("ReduceMean", [x], axes=[axis])])
    if turn:  # of an image; its channels are the last axis behind it
        d = net.node("Transpose", [d], perm=[0, 2, 3, 1])
        axis = -1
    two = net.constant(np.float32(2))
    v = net.node("ReduceMean", [net.node("Pow", [d, two]) if square == "pow" else net.node("Mul", [d, d])], axes=[axis])
    if between in ("both", "squares"):
        v = net.real_of(net.codes_of(v, scale=0.004, zp=0))
    v = net.node("Add", [v, net.constant(np.float32(1e-3))])
    if between in ("both", "sum"):
        v = net.real_of(net.codes_of(v, "int8", scale=0.004, zp=-128))
    return net.node("Div", [d, net.node("Sqrt", [v])])


@pytest.mark.parametrize(("axis", "turn"), [(-1, False), (1, False), (1, True)])
@pytest.mark.parametrize("between", ["both", "squares", "sum", "none"])
@pytest.mark.parametrize(("dtype", "square"), [("uint8", "pow"), ("int8", "mul")])
def test_deviation(check_near, dtype, square, between, axis, turn):
    net = Net(11)
    x = net.conv(net.code_input(["N", 3, 6, 5], dtype), 3, 24)
    y = net.codes_of(deviation(net, net.real_of(x), axis, between, turn, square), dtype, scale=0.02)
    net.output(x)
    check_near(net, [y], runs=[dict(N=1), dict(N=3)])


def quotient(net, numbers, mean, last, between):
    """The numbers over the root of a mean of squares, in the ways exporters write it; `between` lists what is codes."""

    def stage(v, name, scale):
        return net.real_of(net.codes_of(v, scale=scale, zp=0)) if name in between else v

    one = net.constant(np.float32(1))
    v = stage(mean, "squares", 0.004)
    v = stage(net.node("Add", [v, net.constant(np.float32(1e-3))]), "sum", 0.004)
    root = stage(net.node("Sqrt", [v]), "root", 0.01)
    if last == "div":
        return net.node("Div", [numbers, root])
    inverse = net.node("Reciprocal", [root]) if last == "reciprocal" else net.node("Div", [one, root])
    return net.node("Mul", [numbers, stage(inverse, "inverse", 0.05)])


@pytest.mark.parametrize("last", ["div", "reciprocal", "one over"])
@pytest.mark.parametrize("between", [(), ("squares", "sum"), ("sum", "inverse"), ("root",), ("inverse",)])
@pytest.mark.parametrize(("dtype", "square"), [("uint8", "pow"), ("int8", "mul")])
@pytest.mark.parametrize("kind", ["root mean square", "deviation"])
def test_root_mean_square(check_near, kind, dtype, square, between, last):
    """RMSNorm of rows, without its factor; a layer normalization with the same ends."""
    net = Net(14)
    x = net.dense(net.code_input(["N", 7, 24], dtype), 24, 40)
    d = net.real_of(x)
    if kind == "deviation":
        d = net.node("Sub", [d, net.node("ReduceMean", [d], axes=[-1])])
    squares = net.node("Pow", [d, net.constant(np.float32(2))]) if square == "pow" else net.node("Mul", [d, d])
    y = net.codes_of(quotient(net, d, net.node("ReduceMean", [squares], axes=[-1]), last, between), dtype, scale=0.02)
    net.output(x)
    check_near(net, [y], runs=[dict(N=1), dict(N=3)])


@pytest.mark.parametrize("expanded", [False, True])
@pytest.mark.parametrize(("axis", "turn"), [(-1, None), (1, "last"), (1, "each"), (2, "each")])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_length(check_near, dtype, axis, turn, expanded):
    """Turned at last, or the numbers and their lengths each, as optimisers leave it."""
    net = Net(12)
    x = net.conv(net.code_input([2, 3, 6, 5], dtype), 3, 24)
    real = net.real_of(x)
    perm = [0, 2, 3, 1] if axis == 1 else [0, 1, 3, 2]
    length = net.node("ReduceL2", [real], axes=[axis])
    if turn == "each":
        length, real = (net.node("Transpose", [v], perm=perm) for v in (length, real))
    length = net.node("Clip", [length, net.constant(np.float32(1e-12))])
    if expanded:
        shape = [2, 24, 6, 5]
        length = net.node(
            "Expand", [length, net.constant(np.array([shape[i] for i in perm] if turn == "each" else shape))]
        )
    y = net.node("Div", [real, length])
    y = net.node("Transpose", [y], perm=perm) if turn == "last" else y
    net.output(x)
    check_near(net, [net.codes_of(y, dtype, scale=0.01)])


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize(("axis", "keep"), [(1, 0), (1, 1), (-1, 0), (0, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("of", ["floats", "relu", "codes"])
def test_arg_max(check, of, dtype, axis, keep, last):
    """What a product's codes are the greatest of, read as floats or as they are; a relu makes many of them equal."""
    net = Net(9)
    y = net.conv(net.code_input(["N", 3, "H", 9], dtype), 3, 21)
    x = y.name if of == "codes" else net.real_of(y)
    x = net.node("Relu", [x]) if of == "relu" else x
    name = net.node("ArgMax", [x], axis=axis, keepdims=keep, select_last_index=last)

    def greatest(v):
        codes = np.maximum(v[y.name], y.zp) if of == "relu" else v[y.name]
        backwards = np.flip(codes, axis) if last else codes
        at = np.expand_dims(np.argmax(backwards, axis), axis)
        at = codes.shape[axis] - 1 - at if last else at
        return at if keep else np.squeeze(at, axis)

    net.steps.append((name, greatest))
    net.output((name, T.INT64))
    check(net, runs=[dict(N=1, H=8), dict(N=2, H=5)])
