"""Random quantized networks through the plugin: every node, given its own inputs, within one quantum of ONNX Runtime.

In:  a seed, printed with each failure; nets of convolutions, products and what stands between them, calibrated on a
random input and written as QDQ, as QLinear* operators or dynamically quantized (products as the quantizer writes them
or fused).  Out: for each net, (1) the plugin hands out every intermediate value; ORT's CPU operators, each fed exactly
these, agree with the next one; (2) a session that hands out the last value alone, free to fuse, gives the same bits,
where both leave nothing to the host.
Not here: the oracle (tests/conformance/graphs), single operators (test_ops.py).

Weights stay within +-63: on CPUs without VNNI ORT's u8 by s8 kernels saturate above. What ORT itself deviates in is
listed in TOLERATED, by name.
"""

import json

import numpy as np
import onnxruntime as ort
import pytest
from conftest import cpu_session
from onnx import TensorProto as T
from onnx import helper, numpy_helper

NETS, SEED = 60, 1
# Of all nodes, at least; so that something is compared.
TAKEN = {"qdq": 0.9, "qoperator": 0.9, "dynamic": 0.3, "fused": 0.3}
FLOATS = ("dynamic", "fused")  # forms whose tensors are floats
MS = "com.microsoft"
ELEMENT = {"uint8": T.UINT8, "int8": T.INT8}
LEVEL = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # of the judge: operators as written
TOLERATED = {
    # quanta; ORT adds the zero point before it rounds, so ties of odd zero points round the other way
    "QLinearAdd": 1, "QLinearMul": 1,
}  # fmt: skip


class Tensor:
    def __init__(self, name, shape):
        self.name, self.shape = name, shape
        self.dtype = self.scale = self.zp = None  # set by calibrate()


class Op:
    """A float operator: its inputs are tensors of the net, `constants` what follows them."""

    def __init__(self, op, inputs, output, constants=(), **attributes):
        self.op, self.inputs, self.output = op, inputs, output
        self.constants, self.attributes = list(constants), attributes
        self.weights = op in ("Conv", "MatMul", "ConvTranspose") and len(inputs) == 1


class Net:
    """The float net, drawn op by op."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.ops, self.count = [], 0
        self.signed = self.rng.random() < 0.5
        channels = int(self.rng.choice([3, 4, 8, 12, 16, 17]))
        side = int(self.rng.integers(3, 11))
        self.x = Tensor("x", (int(self.rng.integers(1, 3)), channels, side, side))
        self.live = [self.x]
        for _ in range(int(self.rng.integers(3, 9))):
            self.grow()

    def chance(self, p):
        return self.rng.random() < p

    def add(self, op, inputs, shape, constants=(), **attributes):
        self.count += 1
        out = Tensor(f"t{self.count}", tuple(int(s) for s in shape))
        self.ops.append(Op(op, inputs, out, constants, **attributes))
        self.live.append(out)
        return out

    def grow(self):
        x = self.live[-1] if self.chance(0.8) else self.live[self.rng.integers(len(self.live))]
        image = [
            self.conv, self.conv, self.pool, self.residual, self.gate, self.pointwise, self.pointwise, self.scalar,
            self.concat, self.resize, self.slice, self.flatten, self.tokens, self.global_pool, self.pad,
        ]  # fmt: skip
        matrix = [self.dense, self.dense, self.pointwise, self.residual, self.softmax, self.scalar, self.norm]
        kinds = image if len(x.shape) == 4 else matrix
        kinds[self.rng.integers(len(kinds))](x)

    def conv(self, x):
        n, c, h, w = x.shape
        k = int(self.rng.choice([1, 3, 3, 5]))
        stride = int(self.rng.choice([1, 1, 2]))
        depthwise = self.chance(0.3)
        oc = c if depthwise else int(self.rng.integers(1, 20))
        weights = self.rng.normal(0, np.sqrt(2 / (k * k * (1 if depthwise else c))), (oc, 1 if depthwise else c, k, k))
        bias = self.rng.normal(0, 0.2, oc)
        y = self.add("Conv", [x], (n, oc, -(-h // stride), -(-w // stride)), [weights, bias][: 1 + self.chance(0.7)],
                     kernel_shape=[k, k], strides=[stride, stride], group=c if depthwise else 1,
                     pads=[k // 2] * 4)  # fmt: skip
        if self.chance(0.5):
            self.add("Relu", [y], y.shape)

    def dense(self, x):
        k, n = x.shape[-1], int(self.rng.integers(1, 24))
        self.add("MatMul", [x], (*x.shape[:-1], n), [self.rng.normal(0, np.sqrt(2 / k), (k, n))])

    def pool(self, x):
        n, c, h, w = x.shape
        k, stride = int(self.rng.choice([2, 3])), int(self.rng.choice([1, 2]))
        if h < k or w < k:
            return
        pad = 1 if k == 3 and self.chance(0.6) else 0
        out = [(s + 2 * pad - k) // stride + 1 for s in (h, w)]
        op = "MaxPool" if self.chance(0.5) else "AveragePool"
        include = {"count_include_pad": int(self.chance(0.5))} if op == "AveragePool" else {}
        self.add(op, [x], (n, c, *out), kernel_shape=[k, k], strides=[stride, stride], pads=[pad] * 4, **include)

    def partner(self, x):
        fitting = [t for t in self.live if t.shape == x.shape and t is not x]
        return fitting[self.rng.integers(len(fitting))] if fitting else None

    def residual(self, x):
        other = self.partner(x)
        if other is None:
            other = self.add("Sigmoid", [x], x.shape)
        y = self.add(["Add", "Add", "Mul", "Sub"][self.rng.integers(4)], [x, other], x.shape)
        if self.chance(0.3):
            self.add("Relu", [y], y.shape)

    def gate(self, x):
        n, c = x.shape[:2]
        mean = self.add("GlobalAveragePool", [x], (n, c, 1, 1))
        mixed = self.add("Conv", [mean], (n, c, 1, 1), [self.rng.normal(0, 1, (c, c, 1, 1))], kernel_shape=[1, 1])
        gate = self.add("Sigmoid" if self.chance(0.5) else "HardSigmoid", [mixed], (n, c, 1, 1))
        self.add("Mul", [x, gate], x.shape)

    def pointwise(self, x):
        op = ["Sigmoid", "Tanh", "LeakyRelu", "HardSwish", "Relu", "Exp", "Erf", "Softplus", "Elu", "Clip", "Abs"][
            self.rng.integers(11)
        ]
        constants = [np.float32(-0.5), np.float32(1.5)] if op == "Clip" else []
        if op == "Exp":
            x = self.add("Tanh", [x], x.shape)
        self.add(op, [x], x.shape, constants)

    def scalar(self, x):
        """With a constant: one number, or one per channel."""
        shape = () if self.chance(0.5) else (x.shape[1], 1, 1) if len(x.shape) == 4 else (x.shape[-1],)
        constant = self.rng.uniform(0.5, 2.0, shape).astype(np.float32)
        self.add(["Add", "Mul", "Div", "Sub"][self.rng.integers(4)], [x], x.shape, [constant])

    def concat(self, x):
        other = self.partner(x) or self.add("LeakyRelu", [x], x.shape)
        self.add("Concat", [x, other], (x.shape[0], 2 * x.shape[1], *x.shape[2:]), axis=1)

    def resize(self, x):
        n, c, h, w = x.shape
        linear = self.chance(0.5)
        self.add("Resize", [x], (n, c, 2 * h, 2 * w), ["", np.array([1, 1, 2, 2], np.float32)],
                 mode="linear" if linear else "nearest",
                 coordinate_transformation_mode="half_pixel" if linear else "asymmetric",
                 nearest_mode="floor")  # fmt: skip

    def slice(self, x):
        first = int(self.rng.integers(x.shape[1]))
        bounds = [np.array([v], np.int64) for v in (first, x.shape[1], 1)]
        self.add("Slice", [x], (x.shape[0], x.shape[1] - first, *x.shape[2:]), bounds)

    def pad(self, x):
        n, c, h, w = x.shape
        self.add("Pad", [x], (n, c, h + 1, w + 2), [np.array([0, 0, 1, 0, 0, 0, 0, 2], np.int64)])

    def flatten(self, x):
        self.add("Flatten", [x], (x.shape[0], int(np.prod(x.shape[1:]))), axis=1)

    def tokens(self, x):
        n, c, h, w = x.shape
        y = self.add("Reshape", [x], (n, c, h * w), [np.array([0, 0, -1], np.int64)])
        self.add("Transpose", [y], (n, h * w, c), perm=[0, 2, 1])

    def global_pool(self, x):
        self.add("GlobalAveragePool", [x], (*x.shape[:2], 1, 1))

    def softmax(self, x):
        self.add("Softmax", [x], x.shape, axis=-1)

    def norm(self, x):
        d = x.shape[-1]
        self.add("LayerNormalization", [x], x.shape, [self.rng.uniform(0.5, 1.5, d), self.rng.normal(0, 0.3, d)])

    def tensors(self):
        return [self.x] + [op.output for op in self.ops]


class Writer:
    """Writes a net, or its operators one by one with inputs of their own."""

    def __init__(self, form, rng):
        self.form, self.rng = form, rng
        self.nodes, self.constants, self.inputs, self.outputs, self.count = [], [], [], [], 0
        self.weights = {}  # per op: codes and parameters, the same in every model

    def name(self, what):
        self.count += 1
        return f"{what}{self.count}"

    def constant(self, array):
        name = self.name("c")
        self.constants.append(numpy_helper.from_array(np.array(array), name))
        return name

    def emit(self, op, inputs, output=None, domain="", **attributes):
        output = output or self.name("y")
        self.nodes.append(helper.make_node(op, inputs, [output], self.name(op), domain=domain, **attributes))
        return output

    def params(self, t):
        return [self.constant(np.float32(t.scale)), self.constant(np.array(t.zp, t.dtype))]

    def plain(self, op):
        """The constants of an operator that stays float."""
        return ["" if isinstance(c, str) else self.constant(c if c.dtype == np.int64 else np.float32(c))
                for c in op.constants]  # fmt: skip

    def quantized_weights(self, op):
        if op.output.name not in self.weights:
            w = np.asarray(op.constants[0])
            per_channel = self.form not in FLOATS and self.rng.random() < 0.6
            axis = 0 if op.op == "Conv" else 1
            others = tuple(a for a in range(w.ndim) if a != axis) if per_channel else None
            scale = (np.abs(w).max(axis=others, keepdims=per_channel) / 63 + 1e-6).astype(np.float32)
            codes = np.rint(w / scale).astype(np.int8)
            self.weights[op.output.name] = codes, scale.reshape(-1) if per_channel else scale, axis, per_channel
        return self.weights[op.output.name]

    def write(self, op, source):
        """One operator; `source` names the codes (or, of dynamic nets, floats) of each input tensor."""
        if self.form in FLOATS:
            return self.write_dynamic(op, source)
        if self.form == "qoperator" and self.write_qoperator(op, source):
            return None
        x = [self.emit("DequantizeLinear", [source[t.name], *self.params(t)]) for t in op.inputs]
        if op.weights:
            codes, scale, axis, per_channel = self.quantized_weights(op)
            zp = self.constant(np.zeros(scale.shape, np.int8))
            attributes = {"axis": axis} if per_channel else {}
            x.append(self.emit("DequantizeLinear", [self.constant(codes), self.constant(scale), zp], **attributes))
            x += [self.constant(np.float32(b)) for b in op.constants[1:]]
        else:
            x += self.plain(op)
        y = self.emit(op.op, x, **op.attributes)
        self.emit("QuantizeLinear", [y, *self.params(op.output)], op.output.name)
        return None

    def write_qoperator(self, op, source):
        x = [s for t in op.inputs for s in (source[t.name], *self.params(t))]
        y = self.params(op.output)
        same = all(t.dtype == op.output.dtype for t in op.inputs)
        name = op.output.name
        if op.weights and op.op in ("Conv", "MatMul"):
            codes, scale, _, _ = self.quantized_weights(op)
            w = [self.constant(codes), self.constant(scale), self.constant(np.zeros(scale.shape, np.int8))]
            bias = []
            if len(op.constants) > 1:
                bias = [self.constant(np.rint(op.constants[1] / (op.inputs[0].scale * scale)).astype(np.int32))]
            self.emit("QLinearConv" if op.op == "Conv" else "QLinearMatMul", x + w + y + bias, name, **op.attributes)
        elif op.op in ("Add", "Mul") and len(op.inputs) == 2 and same:
            self.emit("QLinear" + op.op, x + y, name, MS)
        elif op.op in ("Sigmoid", "LeakyRelu") and same:
            self.emit("QLinear" + op.op, x + y, name, MS, **op.attributes)
        elif op.op == "Concat":
            self.emit("QLinearConcat", y + x, name, MS, **op.attributes)
        elif op.op == "GlobalAveragePool" and same:
            self.emit("QLinearGlobalAveragePool", x + y, name, MS, channels_last=0)
        elif op.op == "AveragePool" and same:
            self.emit("QLinearAveragePool", x + y, name, MS, **op.attributes)
        elif op.op == "Softmax" and same:
            self.emit("QLinearSoftmax", x + y, name, MS, axis=-1, opset=17)
        else:
            return False
        return True

    def write_dynamic(self, op, source):
        x = [source[t.name] for t in op.inputs]
        if not op.weights:
            self.emit(op.op, x + self.plain(op), op.output.name, **op.attributes)
            return
        codes, scale, _, _ = self.quantized_weights(op)
        if self.form == "fused" and op.op == "MatMul":
            self.write_fused(op, x, [self.constant(codes), self.constant(scale.reshape(()))])
            return
        parts = [self.name(p) for p in ("codes", "scale", "zp")]
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", x, parts, self.name("quantize")))
        operator = {"Conv": "ConvInteger", "MatMul": "MatMulInteger"}[op.op]
        # ConvInteger of u8 by s8 is missing in older ORTs: weights are u8 there.
        unsigned = op.op == "Conv"
        w = self.constant((codes.astype(np.int16) + 128).astype(np.uint8) if unsigned else codes)
        zp = self.constant(np.array(128, np.uint8) if unsigned else np.array(0, np.int8))
        acc = self.emit("Cast", [self.emit(operator, [parts[0], w, parts[2], zp], **op.attributes)], to=T.FLOAT)
        factor = self.emit("Mul", [parts[1], self.constant(scale)])
        bias = op.constants[1:]
        y = self.emit("Mul", [acc, factor], None if bias else op.output.name)
        if bias:
            shape = (-1, 1, 1) if op.op == "Conv" else (-1,)
            self.emit("Add", [y, self.constant(np.float32(bias[0]).reshape(shape))], op.output.name)

    def write_fused(self, op, x, weights):
        """As ONNX Runtime's optimiser writes the product; every second one with its quantize."""
        w, scale = weights
        zp, name = self.constant(np.array(0, np.int8)), op.output.name
        bias = [self.constant(np.linspace(-1, 1, op.output.shape[-1], dtype=np.float32))]
        if int(name[1:]) % 2:
            self.emit("DynamicQuantizeMatMul", [*x, w, scale, zp, *bias], name, MS)
            return
        codes, *source = [self.name(p) for p in ("codes", "scale", "zp")]
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", x, [codes, *source], self.name("quantize")))
        self.emit("MatMulIntegerToFloat", [codes, w, source[0], scale, source[1], zp, *bias], name, MS)

    def element(self, t):
        return T.FLOAT if self.form in FLOATS else ELEMENT[t.dtype]

    def model(self):
        graph = helper.make_graph(self.nodes, "net", self.inputs, self.outputs, self.constants)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(MS, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()

    def start(self):
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []

    def whole(self, net, outputs):
        """The net; of quantized forms its input is quantized first."""
        self.start()
        self.inputs = [helper.make_tensor_value_info("x", T.FLOAT, net.x.shape)]
        source = {op.output.name: op.output.name for op in net.ops}
        source["x"] = "x"
        if self.form not in FLOATS:
            source["x"] = self.emit("QuantizeLinear", ["x", *self.params(net.x)], "x_codes")
        for op in net.ops:
            self.write(op, source)
        self.outputs = [helper.make_tensor_value_info(source[t.name], self.element(t), None) for t in outputs]
        return self.model()

    def apart(self, net):
        """Every operator by itself: it reads in_<tensor>, inputs of the model."""
        self.start()
        source = {}
        for t in net.tensors():
            source[t.name] = f"in_{t.name}"
            self.inputs.append(helper.make_tensor_value_info(source[t.name], self.element(t), t.shape))
        for op in net.ops:
            self.write(op, source)
            self.outputs.append(helper.make_tensor_value_info(op.output.name, self.element(op.output), None))
        return self.model()


def calibrate(net, x):
    """Scales and zero points from the float net's own values."""
    writer = Writer("dynamic", net.rng)
    writer.inputs = [helper.make_tensor_value_info("x", T.FLOAT, net.x.shape)]
    for op in net.ops:
        writer.emit(op.op, [t.name for t in op.inputs] + writer.plain(op), op.output.name, **op.attributes)
    writer.outputs = [helper.make_tensor_value_info(op.output.name, T.FLOAT, None) for op in net.ops]
    values = dict(
        zip([t.name for t in net.tensors()], [x, *cpu_session(writer.model()).run(None, {"x": x})], strict=True)
    )
    for t in net.tensors():
        assert values[t.name].shape == t.shape, (t.name, values[t.name].shape, t.shape)
        t.dtype = "int8" if net.signed else "uint8"
        lo, hi = min(values[t.name].min(), 0), max(values[t.name].max(), 0)
        t.scale = max((hi - lo) / 255, 1e-4)
        t.zp = int(
            np.clip(np.rint(np.iinfo(t.dtype).min - lo / t.scale), *[np.iinfo(t.dtype).min, np.iinfo(t.dtype).max])
        )


def quanta_allowed(op, form):
    if form == "qoperator":
        return 1 + TOLERATED.get("QLinear" + op.op, 0)
    return 1


def disagreement(op, form, got, judged):
    if form in FLOATS:
        tolerance = 1e-4 * (1 + np.abs(judged).max(initial=0))
        apart = np.abs(got - judged).max(initial=0)
        return None if apart <= tolerance else f"{op.op} {op.output.name}: {apart} > {tolerance}"
    apart = np.abs(got.astype(int) - judged.astype(int)).max(initial=0)
    return None if apart <= quanta_allowed(op, form) else f"{op.op} {op.output.name}: {apart} quanta"


@pytest.mark.parametrize("form", list(TAKEN))
def test_random_nets(open_session, target, tmp_path, form):
    wrong, nodes, taken = [], 0, []
    explain = tmp_path / "explain.json"

    def run(model, x):
        session = open_session(model, {**target, "explain": explain})
        taken.append([n["taken"] for n in json.loads(explain.read_text())["nodes"]])
        return session.run(None, {"x": x})

    for i in range(NETS):
        seed = SEED * 1000 + i
        net = Net(seed)
        x = net.rng.normal(0, 1, net.x.shape).astype(np.float32)
        calibrate(net, x)
        writer = Writer(form, net.rng)
        everything = [net.x, *[op.output for op in net.ops]]
        handed_out = everything[1:] if form in FLOATS else everything
        values = run(writer.whole(net, handed_out), x)
        values = ([x] if form in FLOATS else []) + list(values)
        last = run(writer.whole(net, everything[-1:]), x)[0]
        # What is left to the host it computes otherwise where it fuses otherwise.
        ours = all(all(session) for session in taken[-2:])
        if ours and not np.array_equal(last, values[-1], equal_nan=form in FLOATS):
            wrong.append(f"seed {seed}: the last value differs where nothing else is handed out")
        feeds = {f"in_{t.name}": v for t, v in zip(everything, values, strict=True)}
        judge = cpu_session(writer.apart(net), LEVEL)
        feeds = {i.name: feeds[i.name] for i in judge.get_inputs()}
        for op, got, judged in zip(net.ops, values[1:], judge.run(None, feeds), strict=True):
            nodes += 1
            if found := disagreement(op, form, got, judged):
                wrong.append(f"seed {seed}: {found}")
    share, whole = np.mean(sum(taken, [])), sum(map(all, taken))
    print(f"{form}: {nodes} operators, {share:.0%} of the nodes taken, {whole} of {2 * NETS} sessions whole")
    assert not wrong, f"{form}: {len(wrong)} of {nodes} operators:\n" + "\n".join(wrong[:30])
    assert share > TAKEN[form]
