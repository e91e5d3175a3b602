"""Graphs as tools leave them: what stands between a product and its quantize, floats that are read twice, and the like.

In:  products with surroundings.  Out: codes near the host's literal answer.
Not here: clean forms (test_ops.py).
"""

import numpy as np
import onnxruntime as ort
import pytest
from conftest import cpu_session
from nets import Net


def real_product(net, x, k, n, bias=None, op="MatMul", shape=None, axis=1, **attributes):
    """The float answer of a product with dequantized weights."""
    codes, scale, zps, _ = net.weights(shape or (k, n), "int8", True, axis, 0)
    scale = (scale / 25 / np.sqrt(k)).astype(np.float32)
    wei = net.node("DequantizeLinear", [net.constant(codes), net.constant(scale), net.constant(zps)], axis=axis)
    return net.real(op, [x, wei, *([] if bias is None else [bias])], **attributes)


@pytest.mark.parametrize("what", ["Reshape", "Transpose", "Relu", "Relu, Reshape", "Reshape, Relu"])
def test_between_product_and_quantize(check_near, what):
    net = Net(1)
    y = real_product(net, net.code_input([4, 96], "uint8"), 96, 12)
    for op in what.split(", "):
        others = [np.array([2, 2, 12], np.int64)] if op == "Reshape" else []
        y = net.real(op, [y, *others])
    check_near(net, [net.codes_of(y)])


@pytest.mark.parametrize("kernel", [3, 5])
def test_floats_behind_a_convolution(check_near, kernel):
    """x * sigmoid(x) of floats that are never quantized: from the accumulators."""
    net = Net(2)
    x = net.code_input([1, 32, 9, 9], "uint8")
    bias = net.rng.normal(0, 1, 6).astype(np.float32)
    f = real_product(net, x, 32 * kernel * kernel, 6, bias, "Conv", (6, 32, kernel, kernel), 0)
    y = net.codes_of(net.real("Mul", [f, net.real("Sigmoid", [f])]))
    net.output(net.conv(y, 6, 4))
    check_near(net, [y])


def test_floats_for_the_model(open_session, target):
    """A last product without a quantize behind it."""
    net = Net(3)
    y = net.between("Relu", [net.code_input([3, 384], "uint8")])
    out = real_product(net, y, 384, 10)
    net.output(out)
    net.output(y)
    feeds = net.feeds()
    model = net.model().SerializeToString()
    got = open_session(model, target, full=True).run(None, feeds)
    wanted = cpu_session(model, ort.GraphOptimizationLevel.ORT_DISABLE_ALL).run(None, feeds)
    np.testing.assert_allclose(got[0], wanted[0], rtol=1e-4, atol=1e-3)


def test_a_dequantize_with_two_readers(check_near):
    net = Net(4)
    x = net.code_input([1, 8, 6, 6], "uint8")
    real = net.real_of(x)
    convolved = real_product(net, real, 72, 8, None, "Conv", (8, 8, 3, 3), 0, pads=[1, 1, 1, 1])
    y = net.codes_of(convolved)
    check_near(net, [y, net.codes_of(net.node("Relu", [real]))])


def test_a_bias_of_another_scale(check_near):
    net = Net(5)
    x = net.code_input([1, 8, 6, 6], "uint8")
    codes = net.constant(net.rng.integers(-90, 90, 6).astype(np.int32))
    bias = net.node("DequantizeLinear", [codes, net.constant(np.float32(0.011)), net.constant(np.int32(0))])
    y = net.codes_of(real_product(net, x, 72, 6, bias, "Conv", (6, 8, 3, 3), 0))
    check_near(net, [y])


def test_attention(check_near):
    """softmax(q k^T) v."""
    net = Net(6)
    q, k, v = (net.code_input(["B", 4, "M", 64], "uint8", zp=120) for _ in range(3))
    scores = net.real("MatMul", [q, net.between("Transpose", [k], scale=k.scale, zp=k.zp, perm=[0, 1, 3, 2])])
    scores = net.codes_of(scores, scale=0.02)
    shares = net.between("Softmax", [scores], scale=1 / 256, zp=0)
    y = net.codes_of(net.real("MatMul", [shares, v]), scale=v.scale)
    check_near(net, [scores, shares, y], quanta=2, runs=[dict(B=1, M=7), dict(B=2, M=32)])


@pytest.mark.parametrize("batches", [1, 3])
def test_batched_constant_weights(check_near, batches):
    net = Net(7)
    x = net.code_input([batches, 5, 64], "uint8")
    check_near(net, [net.codes_of(real_product(net, x, 64, 12, None, "MatMul", (batches, 64, 12), 2))])


@pytest.mark.parametrize(("a", "b"), [(1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("variable", [False, True])
def test_gemm_of_transposed_matrices(check_near, a, b, variable):
    net = Net(8)
    x = net.code_input([64, 5] if a else [5, 64], "uint8", zp=127)
    if variable:
        f = net.real("Gemm", [x, net.code_input([12, 64] if b else [64, 12], "uint8")], transA=a, transB=b)
    else:
        shape, axis = ((12, 64), 0) if b else ((64, 12), 1)
        f = real_product(net, x, 64, 12, None, "Gemm", shape, axis, transA=a, transB=b)
    check_near(net, [net.codes_of(f, scale=0.1)])


OVERLAPPING = dict(strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])


@pytest.mark.parametrize(("settings", "kernel"), [({}, 2), (dict(strides=[2, 2]), 2), (OVERLAPPING, 3)])
@pytest.mark.parametrize("groups", [1, 2])
def test_conv_transpose(check_near, settings, kernel, groups):
    net = Net(9)
    x = net.code_input([1, 8, 6, 7], "uint8")
    codes = net.constant(net.rng.integers(-127, 128, (8, 6 // groups, kernel, kernel)).astype(np.int8))
    wei = net.node("DequantizeLinear", [codes, net.constant(np.float32(0.002)), net.constant(np.int8(0))])
    y = net.codes_of(net.real("ConvTranspose", [x, wei], group=groups, **settings))
    check_near(net, [y])


def test_residual_block(check_near):
    net = Net(10)
    x = net.between("Relu", [net.code_input([1, 8, 7, 7], "uint8")], zp=0)
    a = net.conv(x, 8, 8, clamp="relu")
    net.output(a)
    y = net.between("Relu", [net.real("Add", [a, x])], scale=a.scale, zp=0)
    net.output(net.conv(y, 8, 8))
    check_near(net, [x, y])


def test_batch_normalization(check_near):
    net = Net(11)
    x = net.conv(net.code_input([1, 3, 9, 9], "uint8"), 3, 6)
    net.output(x)
    scale, bias, mean = (net.rng.normal(0, 1, 6).astype(np.float32) for _ in range(3))
    variance = net.rng.uniform(0.5, 2, 6).astype(np.float32)
    y = net.codes_of(net.real("Relu", [net.real("BatchNormalization", [x, scale, bias, mean, variance])]), zp=0)
    net.output(net.conv(y, 6, 4))
    check_near(net, [y])


def test_reshapes_with_a_computed_batch_in_common(check_near):
    """Exporters read the batch once, multiply and divide it, and use it for tensors of other shapes."""
    net = Net(13)
    x = net.dense(net.code_input(["N", 6, 16], "uint8"), 16, 12)
    z = net.dense(x, 12, 8)
    net.output(x)
    net.output(z)
    one = net.constant(np.array([0], np.int64))
    batch = net.node("Gather", [net.node("Shape", [x.name]), net.constant(np.array(0, np.int64))], axis=0)

    def reshaped(q, head, *rest):
        head = net.node("Unsqueeze", [head, one])
        return net.node("Reshape", [q, net.node("Concat", [head, net.constant(np.array(rest))], axis=0)])

    y = reshaped(x.name, batch, 3, 2, -1)
    pairs = reshaped(z.name, net.node("Mul", [batch, net.constant(np.array(2, np.int64))]), 3, -1)
    columns = net.node("Gather", [net.node("Shape", [x.name]), net.constant(np.array([2], np.int64))], axis=0)
    third = net.node("Div", [columns, net.constant(np.array([3], np.int64))])
    part = net.node("Slice", [x.name, one, third, net.constant(np.array([2], np.int64))])
    near = [type(q)(name, q.dtype, q.scale, q.zp) for q, name in ((x, y), (z, pairs), (x, part))]
    check_near(net, near, runs=[dict(N=1), dict(N=3)])


def test_expand_to_a_computed_shape(check_near):
    """Keys that heads share, for a batch of any size."""
    net = Net(15)
    x = net.dense(net.code_input(["N", 6, 16], "uint8"), 16, 12)
    net.output(x)
    batch = net.node("Gather", [net.node("Shape", [x.name]), net.constant(np.array([0], np.int64))], axis=0)
    target = net.node("Concat", [batch, net.constant(np.array([6, 4, 12], np.int64))], axis=0)
    y = net.node("Expand", [net.node("Unsqueeze", [x.name, net.constant(np.array([2], np.int64))]), target])
    near = type(x)(y, x.dtype, x.scale, x.zp)
    check_near(net, [near], quanta=0, runs=[dict(N=1), dict(N=3)])


def test_shapes_behind_a_computed_reshape_are_known(check, decisions):
    """To ONNX Runtime they are not, also when it hands over the second region, which another op keeps apart."""
    net = Net(14)
    x = net.dense(net.code_input(["N", 6, 16], "uint8"), 16, 12)
    net.output(x)
    one, two = (net.constant(np.array([i], np.int64)) for i in (0, 2))

    def extent(name, axis):
        return net.node("Gather", [net.node("Shape", [name]), net.constant(np.array([axis], np.int64))], axis=0)

    def reshaped(q, rest, *extents):
        name = net.node("Reshape", [q.name, net.node("Concat", list(extents), axis=0)])
        net.steps.append((name, lambda v: v[q.name].reshape(-1, *rest)))
        return type(q)(name, q.dtype, q.scale, q.zp)

    y = reshaped(x, (18, 4), extent(x.name, 0), net.constant(np.array([18, -1], np.int64)))
    y = net.dense(y, 4, 8)
    net.output(y)
    y = net.left(y)
    halves = net.node("Div", [extent(y.name, 1), two])
    y = reshaped(y, (9, 16), extent(y.name, 0), halves, net.constant(np.array([-1], np.int64)))
    net.output(net.dense(y, 16, 4))
    check(net, full=False, runs=[dict(N=1), dict(N=4)])
    written = decisions(net.model().SerializeToString())
    assert [n["op_type"] for n in written["nodes"] if not n["taken"]] == ["Mod"]
    assert len(written["regions"]) == 2


@pytest.mark.parametrize("whole", [False, True])
def test_reshape_to_a_computed_shape(check_near, whole):
    """To axes of its own and an open one; to the shape of another tensor."""
    net = Net(12)
    x = net.dense(net.code_input(["A", "B", 16], "uint8"), 16, 12)
    net.output(x)
    shape = net.node("Shape", [x.name])
    if not whole:
        first = net.node("Slice", [shape, *(net.constant(np.array([i], np.int64)) for i in (0, 1, 0))])
        last = net.constant(np.array([-1], np.int64))
        y = net.node("Reshape", [x.name, net.node("Concat", [first, last], axis=0)])
    else:
        y = net.node("Reshape", [net.node("Flatten", [x.name], axis=2), shape])
    y = type(x)(y, x.dtype, x.scale, x.zp)
    check_near(net, [y], runs=[dict(A=1, B=7), dict(A=3, B=2)])
