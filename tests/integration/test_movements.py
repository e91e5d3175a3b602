"""Movements of elements, on floats between conversions and on codes: taken, and exact.

In:  one op, a product behind it.  Out: codes near the host's literal answer, the product exact.
Not here: movements behind a product (test_messy.py).
"""

import numpy as np
import pytest
from nets import Net


def indices(*values):
    return np.array(values, np.int64)


# op, inputs behind the first, attributes
MOVES = {
    "Reshape": ("Reshape", [indices(1, 6, -1)], {}),
    "Flatten": ("Flatten", [], dict(axis=2)),
    "Squeeze": ("Squeeze", [indices(0)], {}),
    "Unsqueeze": ("Unsqueeze", [indices(0)], {}),
    "Expand": ("Expand", [indices(2, 8, 1, 8)], {}),
    "Transpose": ("Transpose", [], dict(perm=[0, 3, 1, 2])),
    "Slice": ("Slice", [indices(1, 0), indices(5, -1), indices(1, 3), indices(2, 1)], {}),
    "Slice backwards": ("Slice", [indices(-1), indices(-100), indices(-1), indices(-2)], {}),
    "Gather": ("Gather", [indices(3, 0, -1)], dict(axis=1)),
    "Gather one": ("Gather", [np.int64(2)], dict(axis=1)),
    "Pad": ("Pad", [indices(0, 0, 1, 2, 0, 0, 0, 1)], {}),
    "Pad reflect": ("Pad", [indices(0, 0, 1, 2, 0, 0, 0, 1)], dict(mode="reflect")),
    "Pad edge": ("Pad", [indices(0, 0, 1, 2, 0, 0, 0, 1)], dict(mode="edge")),
    "SpaceToDepth": ("SpaceToDepth", [], dict(blocksize=2)),
    "DepthToSpace": ("DepthToSpace", [], dict(blocksize=2)),
    "DepthToSpace CRD": ("DepthToSpace", [], dict(blocksize=2, mode="CRD")),
}


@pytest.mark.parametrize("how", MOVES)
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_between_conversions(check_near, how, dtype):
    op, others, attributes = MOVES[how]
    net = Net(1)
    x = net.conv(net.code_input([1, 3, 6, 8], dtype), 3, 8)
    net.output(x)
    y = net.between(op, [x, *others], dtype, scale=x.scale, zp=x.zp, **attributes)
    check_near(net, [y], quanta=0)


@pytest.mark.parametrize("op", ["Transpose", "Reshape", "Slice", "Concat", "Split"])
def test_on_codes(check_near, op):
    net = Net(2)
    x = net.conv(net.code_input([1, 3, 6, 8], "uint8"), 3, 8)
    net.output(x)
    others = {"Reshape": [indices(1, 8, 48)], "Slice": [indices(2), indices(6), indices(1)], "Concat": [x.name]}
    attributes = {"Transpose": dict(perm=[0, 2, 3, 1]), "Concat": dict(axis=1), "Split": dict(axis=1)}
    names = [net.constant(i) if isinstance(i, np.ndarray) else i for i in others.get(op, [])]
    made = net.node(op, [x.name, *names], 2 if op == "Split" else 1, **attributes.get(op, {}))
    near = []
    for name in made if op == "Split" else [made]:
        y = type(x)(name, x.dtype, x.scale, x.zp)
        near.append(y)
    check_near(net, near, quanta=0)


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("same", [True, False])
def test_concat(check_near, axis, same):
    """Parts of one scale, and parts that must be quantized again."""
    net = Net(3)
    x = net.code_input([1, 3, 6, 6], "uint8")
    parts = [net.conv(x, 3, 6), net.conv(x, 3, 6, kernel=(1, 1), pads=(0, 0, 0, 0))]
    if same:
        parts[1] = net.between("Identity", [parts[1]], scale=parts[0].scale, zp=parts[0].zp)
    y = net.between("Concat", parts, scale=parts[0].scale, zp=parts[0].zp, axis=axis)
    net.output(net.conv(y, 12 if axis == 1 else 6, 4))
    near = [*(parts[1:] if same else []), y]
    check_near(net, near)


@pytest.mark.parametrize("sizes", [None, (2, 4)])
def test_split(check_near, sizes):
    net = Net(4)
    x = net.code_input([1, 6, 5, 5], "uint8")
    split = [] if sizes is None else [indices(*sizes)]
    halves = net.between("Split", [x, *split], outputs=2, scale=x.scale, zp=x.zp, axis=1)
    for half, channels in zip(halves, sizes or (3, 3), strict=True):
        net.output(net.conv(half, channels, 4))
    check_near(net, halves, quanta=0)


RESIZES = {
    "nearest": dict(mode="nearest"),
    "nearest, floor": dict(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    "nearest, ceil": dict(mode="nearest", nearest_mode="ceil"),
    "linear": dict(mode="linear"),
    "linear, asymmetric": dict(mode="linear", coordinate_transformation_mode="asymmetric"),
    "linear, corners": dict(mode="linear", coordinate_transformation_mode="align_corners"),
    "linear, pytorch": dict(mode="linear", coordinate_transformation_mode="pytorch_half_pixel"),
}


@pytest.mark.parametrize("how", RESIZES)
@pytest.mark.parametrize("by", ["scales", "sizes"])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_resize(check_near, how, by, dtype):
    net = Net(5)
    x = net.code_input([1, 4, 5, 6], dtype)
    factors = [np.array([1, 1, 2, 1.5], np.float32)] if by == "scales" else ["", indices(1, 4, 10, 9)]
    y = net.between("Resize", [x, "", *factors], dtype, scale=x.scale, zp=x.zp, **RESIZES[how])
    net.output(net.conv(y, 4, 4))
    check_near(net, [y])


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_linear_resize_of_codes(check_near, dtype):
    """As a quantizer of operators leaves it. The host cuts the fraction off where we round."""
    net = Net(7)
    x = net.conv(net.code_input([1, 3, 5, 6], dtype), 3, 4)
    net.output(x)
    scales = net.constant(np.array([1, 1, 2, 1.5], np.float32))
    y = type(x)(net.node("Resize", [x.name, "", scales], mode="linear"), x.dtype, x.scale, x.zp)
    check_near(net, [y])


def test_resize_of_opset_10(check_near):
    net = Net(6, opset=10)
    x = net.code_input([1, 4, 5, 6], "uint8")
    y = net.between("Resize", [x, np.array([1, 1, 2, 2], np.float32)], scale=x.scale, zp=x.zp, mode="nearest")
    net.output(net.conv(y, 4, 4, per_channel=False))
    check_near(net, [y], quanta=0)
