"""ResNet-50 and MobileNetV2 as float ONNX graphs with seeded random weights.

In:  a seed.  Out: onnx.ModelProto, input `x` float 1x3x224x224, output 1x1000, opset 17.
Not here: quantization (quantize.py).

Weights are drawn from N(0, sqrt(2 / fan-in)), so int8 per-channel quantization uses the full range and accumulators
behave as in trained networks without any help: friendly weights would prove nothing about exactness.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IMAGE = [1, 3, 224, 224]
CLASSES = 1000


class GraphBuilder:
    """Appends nodes one after another and names every tensor."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes = []
        self.initializers = {}

    def constant(self, name, value):
        self.initializers[name] = numpy_helper.from_array(np.asarray(value, np.float32), name)
        return name

    def node(self, op, inputs, name=None, **attributes):
        name = name or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [f"{name}:out"], name=name, **attributes))
        return f"{name}:out"

    def conv(self, src, ic, oc, kernel, name, stride=1, groups=1, post=None):
        fan_in = ic // groups * kernel * kernel
        wei = self.rng.normal(0, np.sqrt(2 / fan_in), (oc, ic // groups, kernel, kernel))
        bias = self.rng.normal(0, 0.05, oc)
        out = self.node(
            "Conv",
            [src, self.constant(f"{name}:wei", wei), self.constant(f"{name}:bias", bias)],
            name=name,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[(kernel - 1) // 2] * 4,
            group=groups,
        )
        if post == "relu":
            return self.node("Relu", [out])
        if post == "relu6":
            return self.node("Clip", [out, self.constant("zero", 0), self.constant("six", 6)])
        return out

    def classifier(self, src, features):
        pooled = self.node("Flatten", [self.node("GlobalAveragePool", [src])])
        wei = self.rng.normal(0, np.sqrt(2 / features), (features, CLASSES))
        bias = self.rng.normal(0, 0.05, CLASSES)
        return self.node("Gemm", [pooled, self.constant("fc:wei", wei), self.constant("fc:bias", bias)], name="fc")

    def finish(self, output, name):
        self.nodes[-1].output[0] = "y"
        assert output == f"{self.nodes[-1].name}:out"
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, IMAGE)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, CLASSES])],
            list(self.initializers.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model)
        return model


def resnet50(seed=0):
    """He et al. 2015, the v1.5 arrangement: a stage's stride sits in its 3x3 convolution."""
    b = GraphBuilder(seed)
    x = b.conv("x", 3, 64, 7, "stem", stride=2, post="relu")
    x = b.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage, (width, blocks, stride) in enumerate([(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]):
        for block in range(blocks):
            name, step = f"res{stage + 2}{chr(ord('a') + block)}", stride if block == 0 else 1
            y = b.conv(x, channels, width, 1, f"{name}_1", post="relu")
            y = b.conv(y, width, width, 3, f"{name}_2", stride=step, post="relu")
            y = b.conv(y, width, 4 * width, 1, f"{name}_3")
            shortcut = x if block else b.conv(x, channels, 4 * width, 1, f"{name}_0", stride=step)
            x = b.node("Relu", [b.node("Add", [y, shortcut])])
            channels = 4 * width
    return b.finish(b.classifier(x, channels), "resnet50")


# Sandler et al. 2018, table 2: expansion, channels, repeats, stride.
MOBILENET_V2 = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]


def mobilenet_v2(seed=0):
    b = GraphBuilder(seed)
    x = b.conv("x", 3, 32, 3, "stem", stride=2, post="relu6")
    channels = 32
    for stage, (expansion, width, repeats, stride) in enumerate(MOBILENET_V2):
        for block in range(repeats):
            name, step = f"mb{stage}_{block}", stride if block == 0 else 1
            hidden, y = channels * expansion, x
            if expansion > 1:
                y = b.conv(y, channels, hidden, 1, f"{name}_expand", post="relu6")
            y = b.conv(y, hidden, hidden, 3, f"{name}_depthwise", stride=step, groups=hidden, post="relu6")
            y = b.conv(y, hidden, width, 1, f"{name}_project")
            x = b.node("Add", [x, y]) if step == 1 and channels == width else y
            channels = width
    x = b.conv(x, channels, 1280, 1, "head", post="relu6")
    return b.finish(b.classifier(x, 1280), "mobilenet_v2")


NETS = {"resnet50": resnet50, "mobilenet_v2": mobilenet_v2}
