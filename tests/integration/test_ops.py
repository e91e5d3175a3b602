"""Every form of every op the plugin takes, alone: claimed whole and equal to the integer oracle.

In:  nets of one op.  Out: bit equality.  Not here: several ops (test_regions.py), refusals (test_refusals.py).
"""

import itertools

import numpy as np
import onnxruntime as ort
import pytest
from nets import Net
from onnx import helper

TYPES = list(itertools.product(("uint8", "int8"), ("int8", "uint8")))
WEI_ZP = {"int8": 0, "uint8": 128}


@pytest.mark.parametrize("form", ["qdq", "qlinear", "integer"])
@pytest.mark.parametrize(("src", "wei"), TYPES)
@pytest.mark.parametrize("per_channel", [False, True])
def test_conv(check, form, src, wei, per_channel):
    net = Net(1)
    x = net.code_input([2, 5, 9, 7], src)
    net.output(net.conv(x, 5, 11, form=form, wei=wei, per_channel=per_channel, wei_zp=WEI_ZP[wei], strides=(2, 1)))
    check(net)


@pytest.mark.parametrize(("src", "dst"), [("uint8", "int8"), ("int8", "uint8")])
def test_conv_that_changes_the_sign(check, src, dst):
    net = Net(2)
    net.output(net.conv(net.code_input([1, 6, 5, 5], src), 6, 8, dst=dst))
    check(net)


GEOMETRIES = {
    "pointwise": dict(kernel=(1, 1), pads=(0, 0, 0, 0)),
    "asymmetric pads": dict(pads=(0, 1, 2, 3)),
    "dilated": dict(dilations=(2, 3), pads=(2, 3, 2, 3)),
    "strided": dict(kernel=(5, 3), strides=(3, 2), pads=(2, 1, 2, 1)),
    "grouped": dict(groups=3),
    "depthwise": dict(groups=6, oc=6),
    "depthwise strided": dict(groups=6, oc=6, strides=(2, 2)),
    "depthwise twice as wide": dict(groups=6, oc=12),
    "large kernel": dict(kernel=(7, 7), pads=(3, 3, 3, 3)),
}


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("src", ["uint8", "int8"])
@pytest.mark.parametrize("form", ["qdq", "qlinear"])
def test_conv_geometry(check, geometry, src, form):
    net = Net(3)
    settings = {"oc": 9, **GEOMETRIES[geometry]}
    net.output(net.conv(net.code_input([1, 6, 13, 11], src), 6, form=form, **settings))
    check(net)


@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize("form", ["qdq", "qlinear"])
def test_conv_1d(check, groups, form):
    net = Net(4)
    x = net.code_input([2, 6, 19], "uint8")
    net.output(net.conv(x, 6, 6, kernel=(3,), strides=(2,), pads=(1, 2), groups=groups, form=form))
    check(net)


AUTO_PADS = {  # what the mode means for a 3x3 filter with stride 2 on 6 and on 7 pixels: before, after
    "SAME_UPPER": {6: (0, 1), 7: (1, 1)},
    "SAME_LOWER": {6: (1, 0), 7: (1, 1)},
    "VALID": {6: (0, 0), 7: (0, 0)},
}


@pytest.mark.parametrize("mode", AUTO_PADS)
@pytest.mark.parametrize("size", [6, 7])
def test_conv_auto_pad(open_session, target, mode, size):
    net = Net(5)
    x = net.code_input([1, 3, size, size], "uint8")
    before, after = AUTO_PADS[mode][size]
    net.output(net.conv(x, 3, 4, strides=(2, 2), pads=(before, before, after, after), form="qlinear"))
    model = net.model()
    conv = model.graph.node[0]
    kept = [a for a in conv.attribute if a.name != "pads"]
    del conv.attribute[:]
    conv.attribute.extend(kept)
    conv.attribute.append(helper.make_attribute("auto_pad", mode))
    feeds = net.feeds()
    got = open_session(model.SerializeToString(), target, full=True).run(None, feeds)
    np.testing.assert_array_equal(got[0], net.expected(feeds)[0])


@pytest.mark.parametrize("clamp", ["relu", (0.0, 6.0), (-0.5, 1.25), (None, 2.0), (-1.0, None)])
@pytest.mark.parametrize("src", ["uint8", "int8"])
def test_clamps(check, clamp, src):
    net = Net(6)
    x = net.code_input([1, 4, 8, 8], src)
    net.output(net.conv(x, 4, 6, clamp=clamp))
    check(net)


@pytest.mark.parametrize("bias", ["none", "float", "dequantized"])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("level", [ort.GraphOptimizationLevel.ORT_DISABLE_ALL, None])
def test_conv_bias(check, bias, per_channel, level):
    net = Net(7)
    net.output(net.conv(net.code_input([1, 4, 6, 6], "uint8"), 4, 6, bias=bias, per_channel=per_channel))
    check(net, level=level)


DENSE = {
    "matmul": dict(form="matmul"),
    "matmul relu": dict(form="matmul", clamp="relu"),
    "matmul add": dict(form="matmul_add", bias="float"),
    "matmul add dequantized": dict(form="matmul_add", bias="dequantized"),
    "gemm": dict(form="gemm"),
    "gemm float bias": dict(form="gemm", bias="float"),
    "gemm no bias": dict(form="gemm", bias="none"),
    "gemm transB": dict(form="gemm", transposed=True),
    "gemm relu": dict(form="gemm", clamp="relu"),
    "qlinear": dict(form="qlinear"),
    "qgemm": dict(form="qgemm"),
    "qgemm transB": dict(form="qgemm", transposed=True),
    "integer": dict(form="integer"),
}


@pytest.mark.parametrize("how", DENSE)
@pytest.mark.parametrize(("src", "wei"), TYPES)
@pytest.mark.parametrize("per_channel", [False, True])
def test_dense(check, how, src, wei, per_channel):
    net = Net(8)
    net.output(net.dense(net.code_input([7, 37], src), 37, 19, wei=wei, per_channel=per_channel, wei_zp=WEI_ZP[wei],
                         **DENSE[how]))  # fmt: skip
    check(net)


@pytest.mark.parametrize("form", ["matmul", "qlinear", "integer"])
@pytest.mark.parametrize("shape", [[2, 3, 4, 12], [5, 1, 12], [12], [1, 12]])
def test_dense_batched(check, form, shape):
    net = Net(9)
    net.output(net.dense(net.code_input(shape, "uint8"), 12, 10, form=form))
    check(net)


@pytest.mark.parametrize("form", ["qdq", "qlinear"])
@pytest.mark.parametrize("types", [("uint8", "uint8"), ("int8", "int8"), ("uint8", "int8")])
@pytest.mark.parametrize(
    ("a", "b"), [([4, 6], [6, 5]), ([2, 3, 4, 6], [2, 3, 6, 5]), ([2, 4, 6], [6, 5]), ([2, 3, 4, 6], [3, 6, 5])]
)
def test_matmul_of_two_activations(check, form, types, a, b):
    net = Net(10)
    net.output(net.matmul(net.code_input(a, types[0]), net.code_input(b, types[1]), a[-1], form=form))
    check(net)


def test_matmul_of_unknown_extents(check):
    net = Net(11)
    a, b = net.code_input(["B", "M", "K"], "uint8"), net.code_input(["B", "K", "N"], "uint8")
    net.output(net.matmul(a, b, 8))
    check(net, runs=[dict(B=1, M=3, K=8, N=5), dict(B=4, M=1, K=17, N=33)])


@pytest.mark.parametrize("zp", [0, 1, 127, 128, 255])
def test_edges_of_zero_points(check, zp):
    net = Net(12)
    x = net.quantize(net.float_input([1, 3, 6, 6]), "uint8", zp=zp)
    net.output(net.dequantize(net.conv(x, 3, 5, dst_zp=255 - zp)))
    check(net)


@pytest.mark.parametrize("opset", [13, 17, 19, 21])
def test_opsets(check, opset):
    net = Net(13, opset=opset)
    x = net.quantize(net.float_input([2, 4, 6, 6]), "int8")
    net.output(net.dequantize(net.conv(x, 4, 5)))
    check(net)


def test_dynamic_shapes(check):
    net = Net(14)
    x = net.quantize(net.float_input(["N", 3, "H", "W"]), "uint8")
    net.output(net.dequantize(net.conv(x, 3, 8, strides=(2, 2))))
    sizes = [dict(N=1, H=8, W=8), dict(N=3, H=5, W=17), dict(N=0, H=8, W=8), dict(N=1, H=1, W=1)]
    check(net, runs=sizes * 2)


def test_many_shapes_of_one_session(check):
    net = Net(15)
    net.output(net.conv(net.code_input(["N", 3, "H", 5], "int8"), 3, 4))
    check(net, runs=[dict(N=1 + i % 2, H=3 + i) for i in range(40)])
