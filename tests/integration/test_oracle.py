"""The oracle interpreter against ONNX Runtime's float operators, node by node, on random graphs.

In:  octile-graph-values: graphs, and every value the oracle computes in them.  Out: each node, fed the oracle's own
inputs, answers what ORT's operator does: movements and maxima exactly, floats to a few units in the last place of
float32, codes of convolutions and products exactly, computed from ORT's float sums where those are exact.
Not here: the plugin, regions.  ORT's int8 kernels, which saturate on AVX2, judge nothing here.
"""

import json
import os
import pathlib
import subprocess

import numpy as np
import onnxruntime as ort
import pytest
from conftest import ROOT, cpu_session
from nets import bounds
from onnx import TensorProto as T
from onnx import helper, numpy_helper

GRAPHS, SEED = 300, 1
DTYPES = {"u8": np.uint8, "s8": np.int8, "s32": np.int32, "f32": np.float32, "s64": np.int64}
EXACT_SUM = 2**24  # float32 holds integers up to here

# ONNX's name of each kind that is one operator without attributes.
PLAIN = {
    "relu": "Relu", "sigmoid": "Sigmoid", "hard_swish": "HardSwish", "tanh": "Tanh", "exp": "Exp", "log": "Log",
    "sqrt": "Sqrt", "erf": "Erf", "neg": "Neg", "abs": "Abs", "reciprocal": "Reciprocal", "softplus": "Softplus",
    "round": "Round", "floor": "Floor", "ceil": "Ceil", "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div",
    "pow": "Pow", "min": "Min", "max": "Max", "prelu": "PRelu", "global_average_pool": "GlobalAveragePool",
    "global_max_pool": "GlobalMaxPool", "identity": "Identity", "cast": "Identity",
}  # fmt: skip
COORDINATES = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric",
               "tf_half_pixel_for_nn"]  # fmt: skip
ROUNDING = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
REFUSED_BY_ORT = [
    "Dilation not supported for AutoPadType",
    "with zero effective input extent",  # pads by the edge of what they cropped away
    "Pad reflect: ",  # or reflect it
    "Only N can be zero",
    "must be at least 1, got 0",
    "corresponding outermost 2 scale values being 1",  # linear resizes of batch or channels too
]
EXACT = {
    "relu", "clip", "neg", "abs", "round", "floor", "ceil", "min", "max", "prelu", "max_pool", "global_max_pool",
    "concat", "slice", "gather", "pad", "reshape", "flatten", "squeeze", "unsqueeze", "expand", "transpose",
    "space_to_depth", "depth_to_space", "identity", "cast", "add", "sub", "mul", "div", "sqrt",
    "quantize", "dequantize", "reduce_max", "arg_max",
}  # fmt: skip


def floats(text):
    return np.frombuffer(bytes.fromhex(text), np.float32)


class Value:
    def __init__(self, record):
        self.name, self.type = record["name"], record["type"]
        self.array = np.frombuffer(bytes.fromhex(record["bytes"]), DTYPES[self.type]).reshape(record["dims"])


class Judge:
    """One model of all nodes of a graph, each reading the oracle's values and nothing of another node's."""

    def __init__(self, record):
        self.values = [Value(v) for v in record["values"]]
        self.nodes, self.constants, self.count = [], [], 0
        self.expected = []  # the record of each of self.nodes
        for node in record["nodes"]:
            self.add(node)

    def constant(self, array):
        self.count += 1
        self.constants.append(numpy_helper.from_array(np.array(array, order="C"), f"c{self.count}"))
        return f"c{self.count}"

    def emit(self, op, inputs, **attributes):
        self.count += 1
        name = f"y{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [name], f"{op}{self.count}", **attributes))
        return name

    def source(self, index):
        """The value as float32: codes and accumulators by their number."""
        return self.constant(self.values[index].array.astype(np.float32))

    def add(self, node):
        if node["kind"] == "spec" and node["op"] == "requantize":
            return  # no operator of ONNX
        if "op" in node and node["op"] in ("quantize", "dequantize"):
            node["kind"] = node.pop("op")
            self.convert(node)
        elif "op" in node:
            self.dot(node)
        else:
            self.float_node(node)
        self.expected.append(node)

    def convert(self, node):
        quantize = node["kind"] == "quantize"
        side = "dst" if quantize else "src"
        codes = DTYPES[node[side]]
        params = [self.constant(floats(node[f"{side}_scale"])[0]), self.constant(np.array(node[f"{side}_zp"], codes))]
        operator = "QuantizeLinear" if quantize else "DequantizeLinear"
        self.emit(operator, [self.constant(self.values[node["inputs"][0]].array), *params])

    # Convolutions and products: sums of centred integers, in float32.

    def window(self, node):
        rank = node["rank"]
        pads = node["pads"] if rank == 2 else [node["pads"][1], node["pads"][3]]
        attributes = {key: node[source][2 - rank:] for key, source in
                      (("kernel_shape", "kernel"), ("strides", "strides"), ("dilations", "dilations"))}  # fmt: skip
        attributes["group"] = node["group"]
        if node["auto_pad"] == "NOTSET":
            attributes["pads"] = pads
        else:
            attributes["auto_pad"] = node["auto_pad"]
        return attributes

    def dot(self, node):
        x = self.values[node["inputs"][0]].array.astype(np.float32)
        x = self.quantized_on_the_spot(node, x) if node["kind"] == "dynamic" else x - np.float32(node["src_zp"])
        zp = np.array(node["wei_zp"], np.float32)
        if node["variable"]:
            w = self.values[node["inputs"][1]].array.astype(np.float32) - zp
        else:
            w = np.frombuffer(bytes.fromhex(node["weights"]), DTYPES[node["wei"]]).astype(np.float32)
            w = self.shaped(node, w, zp)
        depth = w.size / max(w.shape[-1] if node["op"] == "dense" else w.shape[0], 1)
        bound = (np.abs(x).max(initial=0) * np.abs(w).max(initial=0)) * depth
        node["exact"] = bool(bound < EXACT_SUM)
        if node["op"] == "dense":
            return self.emit("MatMul", [self.constant(x), self.constant(w)])
        attributes = self.window(node)
        if node["kind"] == "conv_transpose":
            if node["ints"]:
                attributes["output_padding"] = node["ints"]
            return self.emit("ConvTranspose", [self.constant(x), self.constant(w)], **attributes)
        return self.emit("Conv", [self.constant(x), self.constant(w)], **attributes)

    @staticmethod
    def quantized_on_the_spot(node, x):
        """DynamicQuantizeLinear; the codes less their zero point."""
        lo, hi = min(x.min(initial=0), np.float32(0)), max(x.max(initial=0), np.float32(0))
        scale = np.float32(hi - lo) / np.float32(255) if hi > lo else np.float32(1)
        zp = np.rint(np.clip(-lo / scale, 0, 255))
        node["scale"] = scale
        return np.clip(np.rint(x / scale) + zp, 0, 255).astype(np.float32) - zp

    @staticmethod
    def shaped(node, w, zp):
        if node["op"] == "dense":
            return w.reshape(node["k"], node["n"]) - zp
        kernel, groups = node["kernel"][2 - node["rank"] :], node["group"]
        ones = (1,) * len(kernel)
        if node["kind"] == "conv_transpose":
            w = w.reshape(groups, node["ic"] // groups, node["oc"] // groups, *kernel)
            zps = np.broadcast_to(zp, node["oc"]).reshape(groups, 1, node["oc"] // groups, *ones)
            return (w - zps).reshape(node["ic"], node["oc"] // groups, *kernel)
        return w.reshape(node["oc"], node["ic"] // groups, *kernel) - zp.reshape(-1, 1, *ones)

    def codes_of(self, node, sums):
        """What the sums become: bias, then mode f32-rne."""
        conv = node["op"] == "conv2d"
        column = (-1,) + (1,) * (sums.ndim - 2) if conv else (-1,)
        acc = np.rint(sums.astype(np.float64))
        if node["bias"]:
            acc = acc + np.array(node["bias"], np.float64).reshape(column)
        acc = acc.astype(np.int64).astype(np.int32)
        if node["kind"] == "dynamic":
            factor, bias = node["scale"] * floats(node["wei_scale"]), floats(node["floats"])
            if bias.size and node["ints"]:
                counted = np.floor(bias / factor).astype(np.int32)
                acc, bias = acc + (counted.reshape(column) if counted.size > 1 else counted), bias[:0]
            y = acc.astype(np.float32) * (factor.reshape(column) if factor.size > 1 else factor)
            return y + (bias.reshape(column) if bias.size > 1 else bias) if bias.size else y
        if node["kind"] == "scaled":
            factor = floats(node["src_scale"]) * floats(node["wei_scale"])
            return acc.astype(np.float32) * (factor.reshape(column) if factor.size > 1 else factor)
        if node["dst"] == "s32":
            return acc
        scale = (floats(node["src_scale"]) * floats(node["wei_scale"])) / floats(node["dst_scale"])
        scaled = acc.astype(np.float32) * (scale.reshape(column) if scale.size > 1 else scale)
        zp, (lo, hi) = node["dst_zp"], node["clamp"]
        scaled = np.where(np.isnan(scaled), np.float32(lo - zp), scaled)
        return (np.rint(np.clip(scaled, np.float32(lo - zp), np.float32(hi - zp))) + zp).astype(DTYPES[node["dst"]])

    # Float nodes and movements.

    def float_node(self, node):
        kind, ints, numbers = node["kind"], node["ints"], floats(node["floats"])
        inputs = node["inputs"]
        if kind == "gather":
            return self.emit("Gather", [self.source(inputs[0]), self.constant(self.values[inputs[1]].array)],
                             axis=ints[0] if ints else 0)  # fmt: skip
        sources = [self.source(i) for i in inputs]
        if kind in PLAIN:
            return self.emit(PLAIN[kind], sources)
        return getattr(self, kind)(sources, ints, [float(f) for f in numbers], node)

    def leaky_relu(self, x, _, numbers, node):
        return self.emit("LeakyRelu", x, **({"alpha": numbers[0]} if numbers else {}))

    def elu(self, x, _, numbers, node):
        return self.emit("Elu", x, **({"alpha": numbers[0]} if numbers else {}))

    def clip(self, x, _, numbers, node):
        return self.emit("Clip", x + [self.constant(np.float32(v)) for v in numbers])

    def hard_sigmoid(self, x, _, numbers, node):
        return self.emit("HardSigmoid", x, **dict(zip(("alpha", "beta"), numbers, strict=False)))

    def gelu(self, x, ints, _, node):
        return self.emit("Gelu", x, approximate=["none", "tanh"][ints[0] if ints else 0])

    def pool(self, op, x, ints, node):
        rank = node["rank"]
        attributes = {"kernel_shape": ints[:rank], "strides": ints[rank : 2 * rank]}
        if node["auto_pad"] == "NOTSET":
            attributes["pads"] = ints[2 * rank : 4 * rank]
        else:
            attributes["auto_pad"] = node["auto_pad"]
        rest = ints[4 * rank :]
        attributes["ceil_mode"] = rest[0]
        if op == "AveragePool":
            attributes["count_include_pad"] = rest[1]
        if len(rest) > 2:
            attributes["dilations"] = rest[2:]
        return self.emit(op, x, **attributes)

    def max_pool(self, x, ints, _, node):
        return self.pool("MaxPool", x, ints, node)

    def average_pool(self, x, ints, _, node):
        return self.pool("AveragePool", x, ints, node)

    def reduce_mean(self, x, ints, _, node):
        axes = [self.constant(np.array(ints[1:], np.int64))] if len(ints) > 1 else []
        return self.emit("ReduceMean", x + axes, keepdims=ints[0] if ints else 1)

    def reduce_max(self, x, ints, _, node):
        axes = [self.constant(np.array(ints[1:], np.int64))] if len(ints) > 1 else []
        return self.emit("ReduceMax", x + axes, keepdims=ints[0])

    def softmax(self, x, ints, _, node):
        return self.emit("Softmax", x, axis=ints[0] if ints else -1)

    def arg_max(self, x, ints, _, node):
        return self.emit("ArgMax", x, axis=ints[0], keepdims=ints[1], select_last_index=ints[2])

    def layer_norm(self, x, ints, numbers, node):
        epsilon = {"epsilon": numbers[0]} if numbers else {}
        return self.emit("LayerNormalization", x, axis=ints[0] if ints else -1, **epsilon)

    def normalize(self, x, ints, numbers, node):
        if ints[1] == 1:
            return self.emit("LpNormalization", x, axis=ints[0], p=2)
        ones = self.constant(np.ones(self.values[node["inputs"][0]].array.shape[-1], np.float32))
        op = "LayerNormalization" if ints[1] == 0 else "SimplifiedLayerNormalization"
        return self.emit(op, [*x, ones], axis=-1, epsilon=numbers[0])

    def concat(self, x, ints, _, node):
        return self.emit("Concat", x, axis=ints[0])

    def slice(self, x, ints, _, node):
        lists = [self.constant(np.array(ints[i::3], np.int64)) for i in range(2)]
        axes = self.constant(np.arange(len(ints) // 3))
        return self.emit("Slice", [*x, *lists, axes, self.constant(np.array(ints[2::3], np.int64))])

    def pad(self, x, ints, numbers, node):
        rank = self.values[node["inputs"][0]].array.ndim
        mode = ["constant", "reflect", "edge"][ints[2 * rank] if len(ints) > 2 * rank else 0]
        value = [self.constant(np.float32(v)) for v in numbers]
        return self.emit("Pad", [*x, self.constant(np.array(ints[: 2 * rank], np.int64)), *value], mode=mode)

    def reshape(self, x, ints, _, node):
        if len(x) > 1:
            shape = np.array(self.values[node["inputs"][1]].array.shape, np.int64)
            return self.emit("Reshape", [x[0], self.constant(shape)], allowzero=1)
        return self.emit("Reshape", [*x, self.constant(np.array(ints, np.int64))])

    def flatten(self, x, ints, _, node):
        return self.emit("Flatten", x, axis=ints[0] if ints else 1)

    def squeeze(self, x, ints, _, node):
        return self.emit("Squeeze", [*x, self.constant(np.array(ints, np.int64))] if ints else x)

    def unsqueeze(self, x, ints, _, node):
        return self.emit("Unsqueeze", [*x, self.constant(np.array(ints, np.int64))])

    def expand(self, x, ints, _, node):
        return self.emit("Expand", [*x, self.constant(np.array(ints, np.int64))])

    def transpose(self, x, ints, _, node):
        return self.emit("Transpose", x, **({"perm": ints} if ints else {}))

    def resize(self, x, ints, numbers, node):
        attributes = {
            "mode": ["nearest", "linear"][ints[0]], "coordinate_transformation_mode": COORDINATES[ints[1]],
            "nearest_mode": ROUNDING[ints[2]],
        }  # fmt: skip
        if numbers:
            return self.emit("Resize", [*x, "", self.constant(np.array(numbers, np.float32))], **attributes)
        shape = self.values[node["inputs"][0]].array.shape
        sizes = [size or extent for size, extent in zip(ints[3:], shape, strict=True)]
        return self.emit("Resize", [*x, "", "", self.constant(np.array(sizes, np.int64))], **attributes)

    def space_to_depth(self, x, ints, _, node):
        return self.emit("SpaceToDepth", x, blocksize=ints[0])

    def depth_to_space(self, x, ints, _, node):
        return self.emit("DepthToSpace", x, blocksize=ints[0], mode=["DCR", "CRD"][ints[1] if len(ints) > 1 else 0])

    # The verdict.

    def run(self, nodes):
        """ORT's answers of these nodes, or what it says instead."""
        codes = {"u8": T.UINT8, "s8": T.INT8}
        quantized = {
            n.output[0]: codes[record["dst"]]
            for n, record in zip(self.nodes, self.expected, strict=True)
            if record["kind"] == "quantize"
        } | {n.output[0]: T.INT64 for n, r in zip(self.nodes, self.expected, strict=True) if r["kind"] == "arg_max"}
        outputs = [helper.make_tensor_value_info(n.output[0], quantized.get(n.output[0], T.FLOAT), None) for n in nodes]
        read = {name for n in nodes for name in n.input}
        graph = helper.make_graph(nodes, "nodes", [], outputs, [c for c in self.constants if c.name in read])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
        try:
            return cpu_session(model.SerializeToString(), ort.GraphOptimizationLevel.ORT_DISABLE_ALL).run(None, {})
        except Exception as error:  # its own class of errors has no public name
            return str(error)

    def tolerance(self, node):
        if node["kind"] in EXACT:
            return 0.0
        largest = np.abs(self.values[node["inputs"][0]].array).max(initial=0) if node["kind"] == "resize" else 0
        return 2e-5 * (1 + largest)

    def beyond(self, node):
        """What ONNX does not define, or ORT does otherwise than ONNX: no judge."""
        x, kind = self.values[node["inputs"][0]].array, node["kind"]
        if kind in ("max_pool", "average_pool") and node["auto_pad"].startswith("SAME"):
            rank, ints = node["rank"], node["ints"]
            leaps = any(s > k for k, s in zip(ints[:rank], ints[rank : 2 * rank], strict=True))
            if leaps or max(ints[4 * rank + 2 :], default=1) > 1:
                return True  # ORT's pads are negative then, or computed without the dilation
        linear = kind == "resize" and node["ints"][0] == 1  # infinity by a weight of 0
        if linear or kind in (
            "max_pool",
            "global_max_pool",
            "reduce_max",
            "arg_max",
            "dynamic",
            "quantize",
        ):  # NaN wins or loses
            return not np.isfinite(x).all()
        if kind == "normalize":  # ONNX has no operator of other axes, of codes in between, of the least length
            axis, by, *stages = node["ints"]
            if by == 1:
                return x.size == 0 or (np.sqrt(np.square(x, dtype=np.float64).sum(axis)) < 1).any()
            if axis % x.ndim != x.ndim - 1 or any(stages[:8:2]):
                return True
        if kind in ("layer_norm", "normalize") and x.size:  # ORT's variance of numbers that lie close together
            axes = tuple(range((node["ints"] or [-1])[0] % x.ndim, x.ndim))
            wide = x.astype(np.float64)
            mean, deviation = np.abs(wide.mean(axes)), wide.std(axes)
            if ((mean > 100 * deviation) & (deviation > 0)).any():
                return True
        if kind in (
            "layer_norm",
            "normalize",
            "reduce_mean",
            "global_average_pool",
            "average_pool",
        ):  # sums of numbers that dwarf each other; means of nothing
            return x.size == 0 or bool((np.abs(x) > 1e18).any())
        return False

    def differences(self):
        answers = self.run(self.nodes)
        if isinstance(answers, str):
            answers = [a if isinstance(a, str) else a[0] for a in (self.run([n]) for n in self.nodes)]
        for got, node in zip(answers, self.expected, strict=True):
            if self.beyond(node):
                continue
            if isinstance(got, str):
                if not any(known in got for known in REFUSED_BY_ORT):
                    yield node, got, None, None
                continue
            want = self.values[node["output"]].array
            if "op" in node:
                got = self.codes_of(node, got)
            if node["kind"] in ("dynamic", "scaled"):
                wrong = different(got, want, 1e-6)
            elif "op" in node:
                wrong = np.abs(got.astype(np.int64) - want) > (0 if node["exact"] else 1)
            else:
                wrong = different(got.astype(np.float32), want.astype(np.float32), self.tolerance(node))
            if got.shape != want.shape or wrong.any():
                yield node, got, want, wrong


def different(got, want, tolerance):
    if got.shape != want.shape:
        return np.array(True)
    with np.errstate(invalid="ignore", over="ignore"):
        close = np.abs(got.astype(np.float64) - want) <= tolerance * (1.0 + np.abs(want))
    return ~((np.isnan(got) & np.isnan(want)) | (got == want) | close)


def program():
    return pathlib.Path(os.environ.get("OCTILE_BIN", ROOT / "build" / "release" / "bin")) / "octile-graph-values"


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def test_every_node_of_random_graphs():
    if not program().is_file():
        pytest.skip(f"{program()}: not built")
    done = subprocess.run([program(), "--graphs", str(GRAPHS), "--seed", str(SEED)], capture_output=True, check=True)
    judged, failures = {}, []
    for line in done.stdout.splitlines():
        record = json.loads(line)
        judge = Judge(record)
        for node in judge.expected:
            judged[node["kind"]] = judged.get(node["kind"], 0) + 1
        for node, got, want, wrong in judge.differences():
            text = got
            if not isinstance(got, str):
                at = np.argmax(wrong)
                same = got.shape == want.shape
                text = f"{got.flat[at]}, not {want.flat[at]}" if same else f"{got.shape}, not {want.shape}"
            failures.append(f"seed {record['seed']} {node['name']} {node['kind']} {node['ints']}: ORT says {text}")
    assert not failures, f"{len(failures)} nodes differ:\n" + "\n".join(failures[:40])
    assert len(judged) > 35, judged
    assert bounds(np.int8) == (-128, 127)
