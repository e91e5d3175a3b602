"""Small quantized models with their exact answers: a builder that writes ONNX and remembers the integer arithmetic.

In:  calls that add ops.  Out: model() for ONNX Runtime, expected(feeds) from int64 numpy.
Not here: ONNX Runtime, the plugin.  The arithmetic is written out again here, so that it can disagree with ours.
"""

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

ELEMENT = {np.dtype(np.uint8): T.UINT8, np.dtype(np.int8): T.INT8, np.dtype(np.float32): T.FLOAT}


class Quantized:
    """A value of 8-bit codes."""

    def __init__(self, name, dtype, scale, zp):
        self.name, self.dtype, self.scale, self.zp = name, np.dtype(dtype), np.float32(scale), int(zp)


def bounds(dtype):
    info = np.iinfo(dtype)
    return info.min, info.max


def quantize(values, scale, zp, dtype):
    lo, hi = bounds(dtype)
    codes = np.rint(np.clip(values.astype(np.float32) / np.float32(scale), lo - zp, hi - zp)) + zp
    return codes.astype(dtype)


def requantize(acc, multiplier, q, low=None, high=None):
    """Mode f32-rne: float32 product, clamp, half to even, zero point."""
    lo, hi = bounds(q.dtype)
    lo = lo if low is None else max(lo, int(np.rint(np.float32(low) / q.scale)) + q.zp)
    hi = hi if high is None else min(hi, int(np.rint(np.float32(high) / q.scale)) + q.zp)
    scaled = acc.astype(np.int32).astype(np.float32) * multiplier.astype(np.float32)
    return (np.rint(np.clip(scaled, lo - q.zp, hi - q.zp)) + q.zp).astype(q.dtype)


def convolve(x, w, strides, pads, dilations, groups):
    """int64 convolution of zero-point-free NC(H)W codes; pads are [top, left, bottom, right]."""
    if x.ndim == 3:
        squeeze = convolve(
            x[:, :, None], w[:, :, None], (1, *strides), (0, pads[0], 0, pads[1]), (1, *dilations), groups
        )
        return squeeze[:, :, 0]
    n, ci = x.shape[:2]
    co, cg, kh, kw = w.shape
    x = np.pad(x.astype(np.int64), ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    oh = (x.shape[2] - dilations[0] * (kh - 1) - 1) // strides[0] + 1
    ow = (x.shape[3] - dilations[1] * (kw - 1) - 1) // strides[1] + 1
    x = x.reshape(n, groups, cg, *x.shape[2:])
    w = w.astype(np.int64).reshape(groups, co // groups, cg, kh, kw)
    out = np.zeros((n, groups, co // groups, oh, ow), np.int64)
    for i in range(kh):
        for j in range(kw):
            y0, x0 = i * dilations[0], j * dilations[1]
            crop = x[..., y0 : y0 + strides[0] * (oh - 1) + 1 : strides[0], :]
            crop = crop[..., x0 : x0 + strides[1] * (ow - 1) + 1 : strides[1]]
            out += np.einsum("ngchw,goc->ngohw", crop, w[..., i, j])
    return out.reshape(n, co, oh, ow)


class Net:
    def __init__(self, seed, opset=17):
        self.rng = np.random.default_rng(seed)
        self.opset = opset
        self.nodes, self.constants, self.inputs, self.outputs, self.steps = [], [], [], [], []
        self.counter = 0
        self.domains = set()

    # Parts.
    def name(self, what):
        self.counter += 1
        return f"{what}{self.counter}"

    def constant(self, array, what="c"):
        name = self.name(what)
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op, inputs, outputs=1, domain="", **attributes):
        names = [self.name("t") for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, self.name(op), domain=domain, **attributes))
        if domain:
            self.domains.add(domain)
        return names[0] if outputs == 1 else names

    def random_scale(self, size=None):
        return np.float32(self.rng.uniform(0.005, 0.05, size))

    def random_zp(self, dtype):
        lo, hi = bounds(dtype)
        return int(self.rng.integers(lo, hi + 1))

    # Inputs and outputs.
    def float_input(self, shape):
        name = self.name("x")
        self.inputs.append(helper.make_tensor_value_info(name, T.FLOAT, shape))
        return name

    def code_input(self, shape, dtype, zp=None):
        name = self.name("x")
        dtype = np.dtype(dtype)
        self.inputs.append(helper.make_tensor_value_info(name, ELEMENT[dtype], shape))
        return Quantized(name, dtype, self.random_scale(), self.random_zp(dtype) if zp is None else zp)

    def output(self, value):
        if isinstance(value, Quantized):
            self.outputs.append(helper.make_tensor_value_info(value.name, ELEMENT[value.dtype], None))
        else:
            name, element = value if isinstance(value, tuple) else (value, T.FLOAT)
            self.outputs.append(helper.make_tensor_value_info(name, element, None))

    # Edges between floats and codes.
    def quantize(self, x, dtype, zp=None, scale=None):
        q = Quantized(None, dtype, scale or self.random_scale(), self.random_zp(dtype) if zp is None else zp)
        q.name = self.node("QuantizeLinear", [x, self.constant(q.scale), self.constant(np.array(q.zp, dtype))])
        self.steps.append((q.name, lambda v: quantize(v[x], q.scale, q.zp, q.dtype)))
        return q

    def dequantize(self, q):
        out = self.node("DequantizeLinear", self.params(q.name, q.scale, q.zp, q.dtype))
        self.steps.append((out, lambda v: (v[q.name].astype(np.int32) - q.zp).astype(np.float32) * q.scale))
        return out

    def params(self, name, scale, zp, dtype):
        return [name, self.constant(np.asarray(scale, np.float32)), self.constant(np.asarray(zp, dtype))]

    def requantized(self, dtype, zp, acc_scale):
        """A destination whose codes spread over their range."""
        dtype = np.dtype(dtype)
        return Quantized(None, dtype, np.float32(acc_scale), self.random_zp(dtype) if zp is None else zp)

    def left(self, q):
        """An op on codes that only the host runs, and exactly."""
        out = Quantized(self.node("Mod", [q.name, self.constant(np.array(100, q.dtype))]), q.dtype, q.scale, q.zp)
        self.steps.append((out.name, lambda v: np.mod(v[q.name], np.array(100, q.dtype))))
        return out

    def between(self, op, inputs, dtype="uint8", scale=0.03, zp=None, outputs=1, domain="", **attributes):
        """Dequantizes, one float op, a quantize. `inputs`: Quantized, arrays (constants as they are) or names.

        What it answers is asked of ONNX Runtime (fixture check_near), so it takes no step of its own.
        """
        made = self.real(op, inputs, outputs, domain, **attributes)
        made = [made] if outputs == 1 else made
        codes = [self.codes_of(name, dtype, scale, zp) for name in made]
        return codes[0] if outputs == 1 else codes

    def real(self, op, inputs, outputs=1, domain="", **attributes):
        names = [
            self.real_of(i) if isinstance(i, Quantized) else i if isinstance(i, str) else self.constant(i)
            for i in inputs
        ]
        return self.node(op, names, outputs, domain, **attributes)

    def real_of(self, q):
        return self.node("DequantizeLinear", self.params(q.name, q.scale, q.zp, q.dtype))

    def codes_of(self, name, dtype="uint8", scale=0.03, zp=None):
        dtype = np.dtype(dtype)
        q = Quantized(None, dtype, scale, (3 if dtype == np.int8 else 131) if zp is None else zp)
        q.name = self.node("QuantizeLinear", self.params(name, q.scale, q.zp, q.dtype))
        return q

    def pool(self, q):
        """MaxPool between a dequantize and a quantize."""
        y = self.node("MaxPool", [self.dequantize(q)], kernel_shape=[2, 2], strides=[1, 1])
        out = Quantized(None, q.dtype, q.scale, q.zp)
        out.name = self.node("QuantizeLinear", self.params(y, q.scale, q.zp, q.dtype))

        def run(v):
            a = v[q.name]
            return np.maximum.reduce([a[:, :, :-1, :-1], a[:, :, 1:, :-1], a[:, :, :-1, 1:], a[:, :, 1:, 1:]])

        self.steps.append((out.name, run))
        return out

    # Weights.
    def weights(self, shape, dtype, per_channel, axis, zp):
        lo, hi = bounds(dtype)
        codes = self.rng.integers(lo, hi + 1, shape).astype(dtype)
        count = shape[axis] if per_channel else None
        scale = self.random_scale(count)
        zps = np.zeros_like(scale, np.dtype(dtype))
        if zp:
            zps = self.rng.integers(lo, hi + 1, count).astype(dtype) if per_channel else np.array(zp, dtype)
        spread = [1] * len(shape)
        if per_channel:
            spread[axis] = shape[axis]
        return codes, scale, zps, codes.astype(np.int64) - zps.astype(np.int64).reshape(spread)

    def bias(self, kind, src, scale, channels):
        """(codes or None, name of a float or int32 value); kind: none, int32, float, dequantized."""
        if kind == "none":
            return np.zeros(channels, np.int64), None
        codes = self.rng.integers(-20000, 20000, channels).astype(np.int32)
        acc_scale = (src.scale * scale).astype(np.float32) * np.ones(channels, np.float32)
        if kind == "int32":
            return codes.astype(np.int64), self.constant(codes)
        if kind == "float":
            values = (codes.astype(np.float64) * acc_scale + self.rng.uniform(-0.4, 0.4, channels) * acc_scale).astype(
                np.float32
            )
            return np.rint(values / acc_scale).astype(np.int64), self.constant(values)
        per_channel = scale.ndim == 1
        inputs = [
            self.constant(codes),
            self.constant(acc_scale if per_channel else acc_scale[0]),
            self.constant(np.zeros(channels if per_channel else (), np.int32)),
        ]
        attributes = {"axis": 0} if per_channel else {}
        return codes.astype(np.int64), self.node("DequantizeLinear", inputs, **attributes)

    # Ops. `form`: qdq, qlinear, integer or float, which has no quantize behind it and answers with a name.
    def conv(self, x, ic, oc, kernel=(3, 3), strides=None, pads=None, dilations=None, groups=1, form="qdq",
             wei="int8", dst=None, dst_zp=None, per_channel=True, wei_zp=0, bias="dequantized",
             clamp=None):  # fmt: skip
        rank = len(kernel)
        strides, dilations = strides or (1,) * rank, dilations or (1,) * rank
        pads = pads if pads is not None else tuple(k // 2 for k in kernel) * 2
        codes, scale, zps, centred = self.weights((oc, ic // groups, *kernel), wei, per_channel, 0, wei_zp)
        depth = ic // groups * int(np.prod(kernel))
        attributes = {
            "kernel_shape": list(kernel), "strides": list(strides), "pads": list(pads),
            "dilations": list(dilations), "group": groups,
        }  # fmt: skip
        w = self.constant(codes, "w")
        column = (-1,) + (1,) * rank

        def accumulate(v):
            return convolve(v[x.name].astype(np.int64) - x.zp, centred, strides, pads, dilations, groups)

        if form == "integer":
            out = self.node("ConvInteger", [x.name, w, self.constant(np.array(x.zp, x.dtype)), self.constant(zps)],
                            **attributes)  # fmt: skip
            self.steps.append((out, lambda v: accumulate(v).astype(np.int32)))
            return out, T.INT32
        y = self.requantized(dst or x.dtype, dst_zp, x.scale * scale.mean() * 60 * np.sqrt(depth) * 2)
        if form == "qlinear":
            bias_codes, b = self.bias("none" if bias == "none" else "int32", x, scale, oc)
            inputs = self.params(x.name, x.scale, x.zp, x.dtype) + [w, self.constant(scale), self.constant(zps)]
            inputs += self.params("", y.scale, y.zp, y.dtype)[1:] + ([b] if b else [])
            y.name = self.node("QLinearConv", inputs, **attributes)
        else:
            wd = self.node("DequantizeLinear", [w, self.constant(scale), self.constant(zps)],
                           **({"axis": 0} if per_channel else {}))  # fmt: skip
            bias_codes, b = self.bias(bias, x, scale, oc)
            f = self.node("Conv", [self.dequantize(x), wd] + ([b] if b else []), **attributes)
            if form == "float":
                factor = (x.scale * scale).reshape(column if per_channel else ())
                return self.scaled(f, lambda v: accumulate(v) + bias_codes.reshape(column), factor)
            y.name = self.quantized_tail(f, y, clamp)
        multiplier = (x.scale * scale / y.scale).reshape(column if per_channel else ())
        low, high = self.limits(clamp)
        self.steps.append(
            (y.name, lambda v: requantize(accumulate(v) + bias_codes.reshape(column), multiplier, y, low, high))
        )
        return y

    def scaled(self, name, accumulate, factor):
        self.steps.append((name, lambda v: accumulate(v).astype(np.int32).astype(np.float32) * factor))
        return name

    def limits(self, clamp):
        return {None: (None, None), "relu": (0.0, None)}.get(clamp, clamp)

    def quantized_tail(self, f, y, clamp):
        if clamp == "relu":
            f = self.node("Relu", [f])
        elif clamp is not None:
            f = self.node("Clip", [f, *(self.constant(np.float32(c)) if c is not None else "" for c in clamp)])
        return self.node("QuantizeLinear", self.params(f, y.scale, y.zp, y.dtype))

    def dense(self, x, k, n, form="matmul", wei="int8", dst=None, dst_zp=None, per_channel=True, wei_zp=0,
              bias="dequantized", clamp=None, transposed=False, floats=False):  # fmt: skip
        """form: matmul, matmul_add, gemm (QDQ), qlinear, qgemm, integer; with `floats` no quantize is behind it."""
        shape, axis = ((n, k), 0) if transposed else ((k, n), 1)
        codes, scale, zps, centred = self.weights(shape, wei, per_channel, axis, wei_zp)
        matrix = centred.T if transposed else centred
        w = self.constant(codes, "w")

        def accumulate(v):
            return (v[x.name].astype(np.int64) - x.zp) @ matrix

        if form == "integer":
            out = self.node("MatMulInteger", [x.name, w, self.constant(np.array(x.zp, x.dtype)), self.constant(zps)])
            self.steps.append((out, lambda v: accumulate(v).astype(np.int32)))
            return out, T.INT32
        y = self.requantized(dst or x.dtype, dst_zp, x.scale * scale.mean() * 60 * np.sqrt(k) * 2)
        bias_codes = np.zeros(n, np.int64)
        wei_params = [w, self.constant(scale), self.constant(zps)]
        if form == "qlinear":
            inputs = self.params(x.name, x.scale, x.zp, x.dtype) + wei_params
            y.name = self.node("QLinearMatMul", inputs + self.params("", y.scale, y.zp, y.dtype)[1:])
        elif form == "qgemm":
            bias_codes, b = self.bias("none" if bias == "none" else "int32", x, scale, n)
            inputs = self.params(x.name, x.scale, x.zp, x.dtype) + wei_params + [b or ""]
            y.name = self.node("QGemm", inputs + self.params("", y.scale, y.zp, y.dtype)[1:], domain="com.microsoft",
                               transB=int(transposed))  # fmt: skip
        else:
            wd = self.node("DequantizeLinear", wei_params, **({"axis": axis} if per_channel else {}))
            xd = self.dequantize(x)
            if form == "gemm":
                bias_codes, b = self.bias(bias, x, scale, n)
                f = self.node("Gemm", [xd, wd] + ([b] if b else []), transB=int(transposed))
            else:
                f = self.node("MatMul", [xd, wd])
                if form == "matmul_add":
                    bias_codes, b = self.bias(bias, x, scale, n)
                    f = self.node("Add", [f, b])
            if floats:
                return self.scaled(f, lambda v: accumulate(v) + bias_codes, x.scale * scale)
            y.name = self.quantized_tail(f, y, clamp)
        multiplier = x.scale * scale / y.scale
        low, high = self.limits(clamp)
        self.steps.append((y.name, lambda v: requantize(accumulate(v) + bias_codes, multiplier, y, low, high)))
        return y

    def matmul(self, a, b, depth, form="qdq", dst=None):
        """Of two activations. form: qdq, qlinear, float."""
        if form == "float":
            f = self.node("MatMul", [self.dequantize(a), self.dequantize(b)])
            centred = [lambda v, q=q: v[q.name].astype(np.int64) - q.zp for q in (a, b)]
            return self.scaled(f, lambda v: centred[0](v) @ centred[1](v), np.float32(a.scale * b.scale))
        y = self.requantized(dst or a.dtype, None, a.scale * b.scale * 75 * np.sqrt(depth) * 2)
        if form == "qlinear":
            inputs = self.params(a.name, a.scale, a.zp, a.dtype) + self.params(b.name, b.scale, b.zp, b.dtype)
            y.name = self.node("QLinearMatMul", inputs + self.params("", y.scale, y.zp, y.dtype)[1:])
        else:
            y.name = self.quantized_tail(self.node("MatMul", [self.dequantize(a), self.dequantize(b)]), y, None)
        multiplier = np.float32(a.scale * b.scale) / y.scale
        self.steps.append(
            (
                y.name,
                lambda v: requantize(
                    (v[a.name].astype(np.int64) - a.zp) @ (v[b.name].astype(np.int64) - b.zp), multiplier, y
                ),
            )
        )
        return y

    # The whole.
    def model(self):
        graph = helper.make_graph(self.nodes, "net", self.inputs, self.outputs, self.constants)
        opsets = [helper.make_opsetid("", self.opset)] + [helper.make_opsetid(d, 1) for d in self.domains]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    def feeds(self, **extents):
        """Random inputs; symbolic extents by name."""
        out = {}
        for value in self.inputs:
            dims = value.type.tensor_type.shape.dim
            shape = [extents[d.dim_param] if d.dim_param else d.dim_value for d in dims]
            dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            if dtype == np.float32:
                out[value.name] = self.rng.normal(0, 2, shape).astype(dtype)
            else:
                lo, hi = bounds(dtype)
                out[value.name] = self.rng.integers(lo, hi + 1, shape).astype(dtype)
        return out

    def expected(self, feeds):
        values = dict(feeds)
        for name, run in self.steps:
            values[name] = run(values)
        return [values[o.name] for o in self.outputs]
