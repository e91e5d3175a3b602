"""Functions of one tensor and of two between dequantizes and a quantize: taken, and within one code of the host.

In:  one op, a product behind it.  Out: codes near the host's literal answer, the product exact.
Not here: windows, movements, the quantized forms (test_qlinear.py).
"""

import numpy as np
import pytest
from nets import Net

ONE = {
    "Relu": {},
    "LeakyRelu": dict(alpha=0.1),
    "Sigmoid": {},
    "HardSigmoid": dict(alpha=0.3),
    "HardSwish": {},
    "Tanh": {},
    "Exp": {},
    "Sqrt": {},
    "Log": {},
    "Erf": {},
    "Neg": {},
    "Abs": {},
    "Reciprocal": {},
    "Softplus": {},
    "Elu": dict(alpha=0.7),
    "Round": {},
    "Floor": {},
    "Ceil": {},
}


def image(net, dtype="uint8"):
    x = net.code_input([1, 6, 5, 7], dtype)
    x.scale = np.float32(0.03)
    return x


def followed(net, y, channels=6):
    net.output(net.conv(y, channels, 4, kernel=(1, 1), pads=(0, 0, 0, 0)))
    return [y]


@pytest.mark.parametrize("op", ONE)
@pytest.mark.parametrize(("src", "dst"), [("uint8", "uint8"), ("int8", "int8"), ("uint8", "int8")])
def test_of_one(check_near, op, src, dst):
    net = Net(1)
    x = image(net, src)
    if op in ("Sqrt", "Log"):  # of positive numbers: what NaN becomes is not the same everywhere
        x.zp = np.iinfo(src).min
    if op == "Log":
        x = net.between("Add", [x, np.float32(0.01)], src, zp=np.iinfo(src).min)
    check_near(net, followed(net, net.between(op, [x], dst, **ONE[op])))


@pytest.mark.parametrize(("opset", "bounds"), [(17, (-1.0, 1.5)), (17, (None, 1.0)), (10, (-0.5, 2.0))])
def test_clip(check_near, opset, bounds):
    net = Net(2, opset=opset)
    x = image(net)
    low, high = bounds
    if opset < 11:
        y = net.between("Clip", [x], min=low, max=high)
    else:
        y = net.between("Clip", [x, "" if low is None else np.float32(low), np.float32(high)])
    check_near(net, followed_per_tensor(net, y) if opset < 13 else followed(net, y))


def followed_per_tensor(net, y):
    """Before opset 13 there is no per-channel quantization in ONNX."""
    net.output(net.conv(y, 6, 4, kernel=(1, 1), pads=(0, 0, 0, 0), per_channel=False))
    return [y]


GELUS = {
    "Gelu": ("com.microsoft", 0),
    "FastGelu": ("com.microsoft", 0),
    "FastGelu with bias": ("com.microsoft", 1),
    "BiasGelu": ("com.microsoft", 1),
    "QuickGelu": ("com.microsoft", 0),
}


@pytest.mark.parametrize("how", GELUS)
def test_gelus(check_near, how):
    domain, biases = GELUS[how]
    net = Net(3)
    x = net.code_input([3, 5, 8], "uint8")
    bias = [net.rng.normal(0, 0.5, 8).astype(np.float32)] * biases
    y = net.between(how.split()[0], [x, *bias], domain=domain)
    net.output(net.dense(y, 8, 4))
    check_near(net, [y])


@pytest.mark.parametrize("tanh", ["none", "tanh"])
def test_gelu_of_onnx(check_near, tanh):
    net = Net(4, opset=20)
    check_near(net, followed(net, net.between("Gelu", [image(net)], approximate=tanh)))


TWO = ["Add", "Sub", "Mul", "Div", "Min", "Max", "PRelu"]


@pytest.mark.parametrize("op", TWO)
@pytest.mark.parametrize("shape", [[1, 6, 5, 7], [1, 6, 1, 1], [6, 1, 1], [1, 1, 5, 7], [1]])
def test_of_two_tensors(check_near, op, shape):
    net = Net(5)
    other = net.code_input(shape, "uint8", zp=0 if op == "Div" else None)
    if op == "Div":
        other = net.between("Add", [other, np.float32(0.5)], zp=0)
    check_near(net, followed(net, net.between(op, [image(net), other])))


@pytest.mark.parametrize("op", [*TWO, "Pow"])
@pytest.mark.parametrize("shape", [(), (6, 1, 1), (1, 6, 5, 7), (7,)])
def test_with_constants(check_near, op, shape):
    net = Net(6)
    constant = net.rng.uniform(0.5, 2, shape).astype(np.float32)
    x = image(net)
    if op == "Pow":
        x.zp = 0
        constant = np.full(shape, 2, np.float32)
    check_near(net, followed(net, net.between(op, [x, constant])))


@pytest.mark.parametrize("per_channel", [False, True])
def test_with_quantized_constants(check_near, per_channel):
    net = Net(7)
    codes = net.constant(net.rng.integers(-127, 128, (6, 1, 1)).astype(np.int8))
    scale = net.random_scale(6 if per_channel else None)
    zp = net.constant(np.zeros_like(scale, np.int8))
    real = net.node("DequantizeLinear", [codes, net.constant(scale), zp], axis=0)
    check_near(net, followed(net, net.between("Mul", [image(net), real])))


@pytest.mark.parametrize("op", ["Sum", "Min", "Max"])
def test_of_many(check_near, op):
    net = Net(8)
    inputs = [image(net), image(net), image(net)]
    check_near(net, followed(net, net.between(op, inputs)))


def hard_swish(net, x, quantized):
    """As exporters write it; `quantized`: codes between all of its ops."""
    step = net.between if quantized else net.real
    clipped = step("Clip", [step("Add", [x, np.float32(3)]), np.float32(0), np.float32(6)])
    return net.between("Div", [step("Mul", [x, clipped]), np.float32(6)])


@pytest.mark.parametrize("quantized", [False, True])
def test_chain(check_near, quantized):
    net = Net(9)
    check_near(net, followed(net, hard_swish(net, image(net), quantized)), quanta=2 if quantized else 1)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_squeeze_and_excite(check_near, dtype):
    net = Net(10)
    x = net.conv(net.code_input(["N", 4, "H", "W"], dtype), 4, 6)
    net.output(x)
    pooled = net.between("GlobalAveragePool", [x], dtype)
    net.output(net.conv(pooled, 6, 6, kernel=(1, 1), pads=(0, 0, 0, 0)))
    gated = net.between("Mul", [x, net.between("HardSigmoid", [pooled], dtype, scale=0.004)], dtype)
    check_near(net, [pooled, *followed(net, gated)], runs=[dict(N=1, H=6, W=7), dict(N=3, H=1, W=9)])
