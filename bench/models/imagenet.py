"""Image classifiers as float ONNX graphs with seeded random weights.

In:  a seed.  Out: onnx.ModelProto, input `x` float 1x3x224x224, output `y`.
Not here: how a graph is written (graph.py), quantization (quantize.py).
"""

from graph import GraphBuilder

IMAGE = [1, 3, 224, 224]
CLASSES = 1000


def finish(b, y, name, classes=CLASSES):
    return b.finish(name, IMAGE, {"y": (y, [1, classes])})


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
    return finish(b, b.classifier(x, channels, CLASSES), "resnet50")


# Howard et al. 2017, table 1: channels, stride of the depthwise convolution.
MOBILENET_V1 = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]


def mobilenet_v1(seed=0):
    b = GraphBuilder(seed)
    x = b.conv("x", 3, 32, 3, "conv0", stride=2, post="relu6")
    channels = 32
    for i, (width, stride) in enumerate(MOBILENET_V1, 1):
        x = b.conv(x, channels, channels, 3, f"conv{i}_dw", stride=stride, groups=channels, post="relu6")
        x = b.conv(x, channels, width, 1, f"conv{i}_pw", post="relu6")
        channels = width
    return finish(b, b.classifier(x, channels, CLASSES + 1), "mobilenet_v1", CLASSES + 1)


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
    return finish(b, b.classifier(x, 1280, CLASSES), "mobilenet_v2")


# Howard et al. 2019, table 1: kernel, hidden channels, channels, squeeze-and-excite, activation, stride.
MOBILENET_V3 = [
    (3, 16, 16, False, "relu", 1),
    (3, 64, 24, False, "relu", 2),
    (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2),
    (5, 120, 40, True, "relu", 1),
    (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hswish", 2),
    (3, 200, 80, False, "hswish", 1),
    (3, 184, 80, False, "hswish", 1),
    (3, 184, 80, False, "hswish", 1),
    (3, 480, 112, True, "hswish", 1),
    (3, 672, 112, True, "hswish", 1),
    (5, 672, 160, True, "hswish", 2),
    (5, 960, 160, True, "hswish", 1),
    (5, 960, 160, True, "hswish", 1),
]


def squeeze_width(channels):
    """A quarter, in eights, at least nine tenths of it."""
    width = max(8, (channels // 4 + 4) // 8 * 8)
    return width if width >= 0.9 * (channels // 4) else width + 8


def squeeze_excite(b, x, channels, squeezed, name, op, **attributes):
    """A gate per channel, which `op` makes."""
    gate = b.node("GlobalAveragePool", [x])
    gate = b.conv(gate, channels, squeezed, 1, f"{name}_se1", post="relu")
    gate = b.conv(gate, squeezed, channels, 1, f"{name}_se2")
    return b.node("Mul", [x, b.node(op, [gate], **attributes)])


def mobilenet_v3(seed=0):
    """The large one."""
    b = GraphBuilder(seed)
    x = b.conv("x", 3, 16, 3, "conv0", stride=2, post="hswish")
    channels = 16
    for i, (kernel, hidden, width, squeeze, post, stride) in enumerate(MOBILENET_V3, 1):
        name, y = f"bneck{i}", x
        if hidden != channels:
            y = b.conv(y, channels, hidden, 1, f"{name}_expand", post=post)
        y = b.conv(y, hidden, hidden, kernel, f"{name}_dw", stride=stride, groups=hidden, post=post)
        if squeeze:
            y = squeeze_excite(b, y, hidden, squeeze_width(hidden), name, "HardSigmoid", alpha=1 / 6, beta=0.5)
        y = b.conv(y, hidden, width, 1, f"{name}_project")
        x = b.node("Add", [x, y]) if stride == 1 and channels == width else y
        channels = width
    x = b.conv(x, channels, 960, 1, "conv_last", post="hswish")
    x = b.node("Flatten", [b.node("GlobalAveragePool", [x])])
    x = b.activate(b.gemm(x, 960, 1280, "fc1"), "hswish")
    return finish(b, b.gemm(x, 1280, CLASSES, "fc2"), "mobilenet_v3")


# Liu 2020 (EfficientNet-Lite), lite0: kernel, expansion, channels, repeats, stride.
EFFICIENTNET_LITE0 = [
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
]


def same_pads(kernel, stride):
    """TensorFlow's padding of an even extent: the odd one goes to the bottom and right."""
    total = kernel - stride
    return [total // 2, total // 2, total - total // 2, total - total // 2]


def efficientnet_lite0(seed=0):
    b = GraphBuilder(seed)
    x = b.conv("x", 3, 32, 3, "stem", stride=2, post="relu6", pads=same_pads(3, 2))
    channels, block = 32, 0
    for kernel, expansion, width, repeats, stride in EFFICIENTNET_LITE0:
        for repeat in range(repeats):
            block += 1
            name, step = f"block{block}", stride if repeat == 0 else 1
            hidden, y = channels * expansion, x
            if expansion > 1:
                y = b.conv(y, channels, hidden, 1, f"{name}_expand", post="relu6")
            pads = same_pads(kernel, step)
            y = b.conv(y, hidden, hidden, kernel, f"{name}_dw", stride=step, groups=hidden, post="relu6", pads=pads)
            y = b.conv(y, hidden, width, 1, f"{name}_project")
            x = b.node("Add", [x, y]) if step == 1 and channels == width else y
            channels = width
    x = b.conv(x, channels, 1280, 1, "head", post="relu6")
    return finish(b, b.classifier(x, 1280, CLASSES), "efficientnet_lite0")
