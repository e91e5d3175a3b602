"""Products that no quantize follows, as tools write them that quantize only what products read; and scales per channel.

In:  nets of such products with floats between.  Out: floats bit for bit; codes near the host's literal answer.
Not here: products of what is quantized on the spot (test_dynamic.py).
"""

import numpy as np
import pytest
from nets import Net, Quantized


@pytest.mark.parametrize("src", ["uint8", "int8"])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("per_channel", [False, True])
def test_conv(check, src, groups, per_channel):
    net = Net(1)
    x = net.code_input([2, 6, 9, 7], src)
    net.output(net.conv(x, 6, 12, groups=groups, form="float", per_channel=per_channel, strides=(2, 1)))
    check(net)


@pytest.mark.parametrize("bias", ["none", "float", "dequantized"])
def test_conv_1d(check, bias):
    net = Net(2)
    net.output(net.conv(net.code_input([2, 5, 17], "uint8"), 5, 9, kernel=(5,), form="float", bias=bias))
    check(net)


@pytest.mark.parametrize("form", ["matmul", "matmul_add", "gemm"])
@pytest.mark.parametrize("rows", [1, 37])
def test_dense(check, form, rows):
    net = Net(3)
    net.output(net.dense(net.code_input([rows, 70], "int8"), 70, 33, form=form, floats=True))
    check(net)


def test_matmul_of_two_activations(check):
    net = Net(4)
    a, b = net.code_input([2, 3, 7, 16], "uint8"), net.code_input([2, 3, 16, 9], "int8")
    net.output(net.matmul(a, b, 16, form="float"))
    check(net)


def test_a_float_that_is_quantized_and_read(check):
    """Codes for one reader, floats for the other: the host's."""
    net = Net(5)
    f = net.conv(net.code_input([1, 6, 8, 8], "uint8"), 6, 8, form="float")
    net.output(f)
    net.output(net.conv(net.quantize(f, "uint8"), 8, 4))
    check(net)


@pytest.mark.parametrize("src", ["uint8", "int8"])
@pytest.mark.parametrize("swapped", [False, True])
def test_residual_of_floats(check_near, src, swapped):
    """The sum of a product's float and of dequantized codes, quantized into a halo and left as it is."""
    net = Net(6)
    x = net.code_input([2, 8, 9, 10], src)
    x.scale = np.float32(0.02)
    f = net.conv(net.conv(x, 8, 8), 8, 8, form="float")
    operands = [net.real_of(x), f] if swapped else [f, net.real_of(x)]
    y = net.codes_of(net.node("Relu", [net.node("Add", operands)]), "uint8", 0.05, 0)
    net.output(net.conv(y, 8, 5))
    check_near(net, [y])


def function_of(net, f, name):
    if name == "silu":
        return net.node("Mul", [f, net.node("Sigmoid", [f])])
    if name == "gelu":
        return net.node("Gelu", [f])
    number = lambda v: net.constant(np.float32(v))  # noqa: E731
    if name == "gelu by tanh":
        cube = net.node("Mul", [net.node("Pow", [f, number(3)]), number(0.044715)])
        u = net.node("Mul", [net.node("Add", [f, cube]), number(np.sqrt(2 / np.pi))])
        return net.node("Mul", [net.node("Mul", [f, number(0.5)]), net.node("Add", [net.node("Tanh", [u]), number(1)])])
    gate = net.node("Add", [net.node("Erf", [net.node("Div", [f, number(np.sqrt(2))])]), number(1)])
    return net.node("Mul", [net.node("Mul", [f, gate]), number(0.5)])


@pytest.mark.parametrize("function", ["silu", "gelu", "gelu by erf", "gelu by tanh"])
@pytest.mark.parametrize("readers", ["a quantize", "two quantizes", "a movement too", "the model's output too"])
def test_quick_functions(check_near, function, readers):
    """Where nothing but a quantize reads it, its codes are found without the float."""
    net = Net(13, opset=20 if function == "gelu" else 17)
    x = net.code_input([1, 6, 7, 9], "uint8")
    x.scale = np.float32(0.002)
    f = net.conv(x, 6, 20, form="float")
    y = function_of(net, f, function)
    codes = [net.codes_of(y, "uint8", 0.05, 7)]
    net.output(net.conv(codes[0], 20, 5))
    if readers == "two quantizes":
        codes.append(net.codes_of(y, "int8", 0.02, 0))
    elif readers == "a movement too":
        rows = net.node("Transpose", [net.node("Reshape", [y, net.constant(np.array([1, 20, 63]))])], perm=[0, 2, 1])
        codes.append(net.codes_of(rows, "int8", 0.02, 0))
        net.output(net.dense(codes[1], 20, 8))
    elif readers == "the model's output too":
        codes.append(net.codes_of(net.node("Reshape", [y, net.constant(np.array([1, 20, 63]))]), "int8", 0.02, 0))
    check_near(net, codes)


def test_floats_all_the_way(check_near):
    """A trunk of floats: read by a quantize and by the next sum."""
    net = Net(7)
    x = net.code_input([1, 8, 6, 6], "uint8")
    x.scale = np.float32(0.02)
    trunk, codes = net.conv(x, 8, 8, kernel=(1, 1), pads=(0, 0, 0, 0), form="float"), []
    for _ in range(3):
        codes.append(net.codes_of(trunk, "int8", 0.04, 3))
        branch = net.node("Relu", [net.conv(codes[-1], 8, 8, form="float")])
        trunk = net.node("Add", [trunk, branch])
    codes.append(net.codes_of(trunk, "int8", 0.04, 3))
    check_near(net, codes)


@pytest.mark.parametrize("mask", [None, [20], [1, 1, 1, 20], ["N", 1, 1, 20], [20, 20], ["N", 1, 20, 20]])
def test_attention(check_near, mask):
    """Scores as floats: scaled, masked by what comes from outside, softmax, quantized."""
    net = Net(8)
    q, k, v = (net.code_input(["N", 2, *s], "int8") for s in ((20, 16), (16, 20), (20, 16)))
    for x in (q, k, v):
        x.scale = np.float32(0.02)
    scores = net.node("Mul", [net.matmul(q, k, 16, form="float"), net.constant(np.float32(0.25))])
    if mask is not None:
        scores = net.node("Add", [scores, net.float_input(mask)])
    shares = net.codes_of(net.node("Softmax", [scores], axis=-1), "uint8", 1 / 255, 0)
    net.output(net.matmul(shares, v, 20))
    check_near(net, [shares], runs=[dict(N=1), dict(N=3)])


# A scale per channel.


def converted(net, f, scales, zp, dtype, axis=1):
    """(codes, floats) of a quantize and a dequantize with a scale for each channel."""
    params = [net.constant(scales), net.constant(np.full(len(scales), zp, dtype))]
    name = net.node("QuantizeLinear", [f, *params], axis=axis)
    return Quantized(name, np.dtype(dtype), 1.0, zp), net.node("DequantizeLinear", [name, *params], axis=axis)


def depthwise(net, floats, channels, stride=1):
    w = net.rng.integers(-127, 128, (channels, 1, 3, 3)).astype(np.int8)
    params = [net.constant(a) for a in (w, net.random_scale(channels), np.zeros(channels, np.int8))]
    wd = net.node("DequantizeLinear", params, axis=0)
    return net.node("Conv", [floats, wd], group=channels, pads=[1, 1, 1, 1], strides=[stride, stride])


@pytest.mark.parametrize(("clamp", "dtype", "zp"), [
    ("relu", "uint8", 0), (None, "int8", 0), ((0, 6), "uint8", 0), ((0, 0.5), "uint8", 0), ("relu", "int8", -128),
])  # fmt: skip
@pytest.mark.parametrize("stride", [1, 2])
def test_a_scale_per_channel(check_near, clamp, dtype, zp, stride):
    """Of what a depthwise convolution reads, and the product before it writes."""
    net = Net(9)
    x = net.code_input([1, 5, 10, 9], "uint8")
    x.scale = np.float32(0.01)
    f = net.conv(x, 5, 18, kernel=(1, 1), pads=(0, 0, 0, 0), form="float")
    if clamp == "relu":
        f = net.node("Relu", [f])
    elif clamp:
        f = net.node("Clip", [f, *(net.constant(np.float32(c)) for c in clamp)])
    codes, floats = converted(net, f, net.rng.uniform(0.01, 0.03, 18).astype(np.float32), zp, dtype)
    y = net.codes_of(depthwise(net, floats, 18, stride), "uint8", 2.0, 120)
    net.output(net.conv(y, 18, 4))
    check_near(net, [codes, y])


def test_a_scale_per_channel_of_a_sum(check_near):
    net = Net(10)
    a, b = (net.code_input([1, 6, 7, 8], "uint8") for _ in range(2))
    a.scale = b.scale = np.float32(0.02)
    total = net.node("Add", [net.real_of(a), net.real_of(b)])
    codes, floats = converted(net, total, net.rng.uniform(0.02, 0.06, 6).astype(np.float32), 0, "int8")
    y = net.codes_of(depthwise(net, floats, 6), "uint8", 2.0, 120)
    check_near(net, [codes, y])


@pytest.mark.parametrize("shape", [[2, 6, 5, 4], [3, 6]])
def test_conversions_with_a_scale_per_channel(check_near, shape):
    net = Net(11)
    x = net.code_input(shape, "uint8")
    x.scale = np.float32(0.02)
    codes, floats = converted(net, net.real_of(x), net.rng.uniform(0.01, 0.03, 6).astype(np.float32), -5, "int8")
    y = net.codes_of(net.node("Relu", [floats]), "uint8", 0.02, 9)
    check_near(net, [codes, y])


@pytest.mark.parametrize("followed", [True, False])
def test_parts_of_different_scales(check_near, followed):
    """What DenseNet joins, each part with its own scale, and what follows: a function per channel."""
    net = Net(12)
    parts = []
    for i, dtype in enumerate(("uint8", "int8", "uint8")):
        q = net.code_input([1, 4 + i, 6, 5], dtype)
        q.scale = np.float32(0.01 * (i + 1))
        parts.append(net.real_of(net.conv(q, 4 + i, 4 + i)))
    f = net.node("Concat", parts, axis=1)
    if followed:
        numbers = [net.constant(net.rng.uniform(0.5, 1.5, 15).astype(np.float32)) for _ in range(4)]
        f = net.node("Relu", [net.node("BatchNormalization", [f, *numbers])])
    else:
        f = net.node("Relu", [f])
    y = net.codes_of(f, "uint8", 0.05, 7)
    net.output(net.conv(y, 15, 5))
    check_near(net, [y])
