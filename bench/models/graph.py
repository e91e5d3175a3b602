"""Writes float ONNX graphs node by node, with seeded random weights.

In:  a seed, calls that add nodes.  Out: onnx.ModelProto, opset 17.
Not here: any network (imagenet.py, yolo.py, bert.py, families.py), quantization (quantize.py).

Weights are drawn from N(0, sqrt(2 / fan-in)), so int8 per-channel quantization uses the full range and accumulators
behave as in trained networks without any help: friendly weights would prove nothing about exactness.
"""

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class GraphBuilder:
    """Appends nodes one after another and names every tensor."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes = []
        self.initializers = {}

    def constant(self, name, value, dtype=np.float32):
        self.initializers[name] = numpy_helper.from_array(np.asarray(value, dtype), name)
        return name

    def shape(self, *extents):
        return self.constant("shape_" + "x".join(map(str, extents)).replace("-", "m"), extents, np.int64)

    def node(self, op, inputs, name=None, outputs=1, **attributes):
        """The name of its output, or the names where it has several."""
        name = name or f"{op.lower()}_{len(self.nodes)}"
        made = [f"{name}:out"] if outputs == 1 else [f"{name}:out{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, made, name=name, **attributes))
        return made[0] if outputs == 1 else made

    def activate(self, x, post):
        if post is None:
            return x
        if post == "relu6":
            return self.node("Clip", [x, self.constant("zero", 0), self.constant("six", 6)])
        if post == "silu":
            return self.node("Mul", [x, self.node("Sigmoid", [x])])
        return self.node({"relu": "Relu", "hswish": "HardSwish"}[post], [x])

    def conv(self, src, ic, oc, kernel, name, stride=1, groups=1, post=None, pads=None, dilation=1):
        """`pads` is top, left, bottom, right; by default half the kernel's reach on each side."""
        return self.convolve(src, ic, oc, [kernel] * 2, name, stride, groups, post, pads, dilation)

    def conv_1d(self, src, ic, oc, kernel, name, stride=1, groups=1, post=None, pads=None, dilation=1):
        """Of src [n, ic, length]; `pads` is begin, end."""
        return self.convolve(src, ic, oc, [kernel], name, stride, groups, post, pads, dilation)

    def convolve(self, src, ic, oc, kernel, name, stride, groups, post, pads, dilation):
        fan_in = ic // groups * math.prod(kernel)
        wei = self.rng.normal(0, np.sqrt(2 / fan_in), (oc, ic // groups, *kernel))
        bias = self.rng.normal(0, 0.05, oc)
        out = self.node(
            "Conv",
            [src, self.constant(f"{name}:wei", wei), self.constant(f"{name}:bias", bias)],
            name=name,
            kernel_shape=kernel,
            strides=[stride] * len(kernel),
            pads=pads or [dilation * (k - 1) // 2 for k in kernel] * 2,
            group=groups,
            **({"dilations": [dilation] * len(kernel)} if dilation > 1 else {}),
        )
        return self.activate(out, post)

    def gemm(self, src, features, outputs, name):
        """src [1, features] times [features, outputs], plus a bias."""
        wei = self.rng.normal(0, np.sqrt(2 / features), (features, outputs))
        bias = self.rng.normal(0, 0.05, outputs)
        return self.node("Gemm", [src, self.constant(f"{name}:wei", wei), self.constant(f"{name}:bias", bias)], name)

    def matmul(self, src, features, outputs, name):
        wei = self.rng.normal(0, np.sqrt(2 / features), (features, outputs))
        return self.node("MatMul", [src, self.constant(f"{name}:wei", wei)], name)

    def linear(self, src, features, outputs, name):
        """A matmul and an add, as exporters write a linear layer on sequences."""
        product = self.matmul(src, features, outputs, name)
        bias = self.rng.normal(0, 0.05, outputs)
        return self.node("Add", [self.constant(f"{name}:bias", bias), product], f"{name}_bias")

    def classifier(self, src, features, classes):
        pooled = self.node("Flatten", [self.node("GlobalAveragePool", [src])])
        return self.gemm(pooled, features, classes, "fc")

    def finish(self, name, input_shape, outputs):
        """The model: input `x`, and per entry of {name: (tensor, shape[, element type])} one output, of floats."""
        renamed = {tensor: output for output, (tensor, *_) in outputs.items()}
        for node in self.nodes:
            for names in (node.input, node.output):
                for i, tensor in enumerate(names):
                    names[i] = renamed.get(tensor, tensor)
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, input_shape)],
            [
                helper.make_tensor_value_info(n, *(kind or [TensorProto.FLOAT]), s)
                for n, (_, s, *kind) in outputs.items()
            ],
            list(self.initializers.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model)
        return model
