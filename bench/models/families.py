"""Networks of other families than the list's, small, as float ONNX graphs with seeded random weights: what else people
run.

In:  a seed.  Out: onnx.ModelProto, input `x`, output `y` (or several).
Not here: the list's networks (imagenet.py, yolo.py, bert.py), quantization (quantize.py).

Each has what its family is known for (grouped convolutions, shuffles, concats, windows of 7x7, attention over patches,
transposed convolutions, linear resizes, rows of softmax, PRelu, one dimension, a class for every pixel, normalizations
written node by node, rotations and gates of language models) at a fraction of the usual depth.
"""

import numpy as np
from bert import Size, attention, gelu, norm
from graph import GraphBuilder
from imagenet import squeeze_excite
from onnx import TensorProto

IMAGE = (1, 3, 224, 224)


def pool(b, x, op="MaxPool", kernel=2, stride=2, pad=0):
    return b.node(op, [x], kernel_shape=[kernel, kernel], strides=[stride, stride], pads=[pad] * 4)


def larger(b, x, factor, name):
    scales = b.constant(f"{name}:scales", [1, 1, factor, factor])
    return b.node("Resize", [x, "", scales], name, mode="linear", coordinate_transformation_mode="half_pixel")


def resnext(seed=0):
    """Xie 2017: groups of 32, four stages of one block and a half."""
    b = GraphBuilder(seed)
    x, channels = pool(b, b.conv("x", 3, 64, 7, "stem", stride=2, post="relu"), kernel=3, pad=1), 64
    for i, (width, stride) in enumerate([(128, 1), (128, 1), (256, 2), (512, 2), (1024, 2)]):
        y = b.conv(x, channels, width, 1, f"b{i}_1", post="relu")
        y = b.conv(y, width, width, 3, f"b{i}_2", stride=stride, groups=32, post="relu")
        y = b.conv(y, width, 2 * width, 1, f"b{i}_3")
        same = stride == 1 and channels == 2 * width
        shortcut = x if same else b.conv(x, channels, 2 * width, 1, f"b{i}_0", stride=stride)
        x, channels = b.node("Relu", [b.node("Add", [y, shortcut])]), 2 * width
    return b.finish("resnext", IMAGE, {"y": (b.classifier(x, channels, 1000), [1, 1000])})


def shufflenet(seed=0):
    """Ma 2018 (V2): half of the channels pass, then the halves are interleaved."""
    b = GraphBuilder(seed)

    def unit(x, ic, oc, name, stride):
        y = b.conv(x, ic, oc, 1, f"{name}_1", post="relu")
        y = b.conv(y, oc, oc, 3, f"{name}_dw", stride=stride, groups=oc)
        return b.conv(y, oc, oc, 1, f"{name}_2", post="relu")

    def interleaved(halves, channels, side):
        x = b.node("Reshape", [b.node("Concat", halves, axis=1), b.shape(1, 2, channels // 2, side, side)])
        x = b.node("Transpose", [x], perm=[0, 2, 1, 3, 4])
        return b.node("Reshape", [x, b.shape(1, channels, side, side)])

    x, channels, side = pool(b, b.conv("x", 3, 24, 3, "stem", stride=2, post="relu"), kernel=3, pad=1), 24, 56
    for stage, (width, repeats) in enumerate([(116, 4), (232, 8), (464, 4)]):
        half, side, name = width // 2, side // 2, f"s{stage}"
        left = b.conv(x, channels, channels, 3, f"{name}_left_dw", stride=2, groups=channels)
        left = b.conv(left, channels, half, 1, f"{name}_left", post="relu")
        x, channels = interleaved([left, unit(x, channels, half, f"{name}_0", 2)], width, side), width
        for i in range(1, repeats):
            left, right = b.node("Split", [x, b.shape(half, half)], outputs=2, axis=1)
            x = interleaved([left, unit(right, half, half, f"{name}_{i}", 1)], width, side)
    x = b.conv(x, channels, 1024, 1, "head", post="relu")
    return b.finish("shufflenet", IMAGE, {"y": (b.classifier(x, 1024, 1000), [1, 1000])})


def densenet(seed=0):
    """Huang 2017: every layer reads all before it; three blocks."""
    b = GraphBuilder(seed)
    x, channels = pool(b, b.conv("x", 3, 64, 7, "stem", stride=2, post="relu"), kernel=3, pad=1), 64
    for block, layers in enumerate([4, 6, 6]):
        if block > 0:
            x = pool(b, b.conv(x, channels, channels // 2, 1, f"t{block}", post="relu"), "AveragePool")
            channels //= 2
        for i in range(layers):
            y = b.conv(x, channels, 128, 1, f"d{block}_{i}_1", post="relu")
            x = b.node("Concat", [x, b.conv(y, 128, 32, 3, f"d{block}_{i}_2", post="relu")], axis=1)
            channels += 32
    return b.finish("densenet", IMAGE, {"y": (b.classifier(x, channels, 1000), [1, 1000])})


def inception(seed=0):
    """Szegedy 2016 (V3): four ways side by side, lines of seven, an average pool; three of its blocks."""
    b = GraphBuilder(seed)
    x, channels = b.conv("x", 3, 64, 3, "c0", stride=2, post="relu"), 256
    x = b.conv(b.conv(x, 64, 192, 3, "c1", stride=2, post="relu"), 192, channels, 3, "c2", stride=2, post="relu")

    def line(x, ic, oc, kernel, name):
        return b.convolve(x, ic, oc, kernel, name, 1, 1, "relu", None, 1)

    for i in range(3):
        ways = [b.conv(x, channels, 96, 1, f"m{i}_one", post="relu")]
        y = b.conv(x, channels, 64, 1, f"m{i}_lines", post="relu")
        ways.append(line(line(y, 64, 64, [1, 7], f"m{i}_row"), 64, 96, [7, 1], f"m{i}_column"))
        y = b.conv(x, channels, 64, 1, f"m{i}_twice", post="relu")
        ways.append(b.conv(b.conv(y, 64, 96, 3, f"m{i}_a", post="relu"), 96, 96, 3, f"m{i}_b", post="relu"))
        ways.append(b.conv(pool(b, x, "AveragePool", 3, 1, 1), channels, 64, 1, f"m{i}_pool", post="relu"))
        x, channels = b.node("Concat", ways, axis=1), 352
    return b.finish("inception", IMAGE, {"y": (b.classifier(x, channels, 1000), [1, 1000])})


def efficientnet_b0(seed=0):
    """Tan 2019: SiLU, and gates of a sigmoid; half of the blocks."""
    b = GraphBuilder(seed)
    x, channels = b.conv("x", 3, 32, 3, "stem", stride=2, post="silu"), 32
    blocks = [(3, 1, 16, 1), (3, 6, 24, 2), (5, 6, 40, 2), (5, 6, 40, 1), (3, 6, 80, 2), (5, 6, 112, 1), (5, 6, 192, 2)]
    for i, (kernel, expansion, width, stride) in enumerate(blocks):
        hidden = channels * expansion
        y = b.conv(x, channels, hidden, 1, f"b{i}_expand", post="silu") if expansion > 1 else x
        y = b.conv(y, hidden, hidden, kernel, f"b{i}_dw", stride=stride, groups=hidden, post="silu")
        y = squeeze_excite(b, y, hidden, channels // 4, f"b{i}", "Sigmoid")
        y = b.conv(y, hidden, width, 1, f"b{i}_project")
        x, channels = b.node("Add", [x, y]) if stride == 1 and channels == width else y, width
    return b.finish("efficientnet_b0", IMAGE, {"y": (b.classifier(x, channels, 1000), [1, 1000])})


def convnext(seed=0):
    """Liu 2022: depthwise 7x7, a layer normalization and two linear layers over channels that lie last."""
    b = GraphBuilder(seed)
    x, channels = b.conv("x", 3, 96, 4, "stem", stride=4, pads=[0] * 4), 96
    for stage, width in enumerate([96, 192, 384]):
        if stage > 0:
            x, channels = b.conv(x, channels, width, 2, f"s{stage}_down", stride=2, pads=[0] * 4), width
        for i in range(2):
            name = f"s{stage}_{i}"
            y = b.conv(x, width, width, 7, f"{name}_dw", groups=width)
            y = norm(b, b.node("Transpose", [y], perm=[0, 2, 3, 1]), Size(0, width, 0, 0), f"{name}_norm")
            y = gelu(b, b.linear(y, width, 4 * width, f"{name}_1"))
            scale = b.constant(f"{name}_scale", b.rng.normal(0.5, 0.1, width))
            y = b.node("Mul", [scale, b.linear(y, 4 * width, width, f"{name}_2")])
            x = b.node("Add", [x, b.node("Transpose", [y], perm=[0, 3, 1, 2])])
    return b.finish("convnext", IMAGE, {"y": (b.classifier(x, channels, 1000), [1, 1000])})


def transformer(b, x, size, layers):
    """Layers that normalize what they read."""
    for i in range(layers):
        x = b.node("Add", [x, attention(b, norm(b, x, size, f"l{i}_norm1"), size, f"l{i}_")])
        y = gelu(b, b.linear(norm(b, x, size, f"l{i}_norm2"), size.hidden, size.inner, f"l{i}_ffn1"))
        x = b.node("Add", [x, b.linear(y, size.inner, size.hidden, f"l{i}_ffn2")])
    return norm(b, x, size, "norm")


def vit(seed=0):
    """Dosovitskiy 2021: patches of 16x16 and a token for the class; three layers of the small one."""
    b, size = GraphBuilder(seed), Size(197, 384, 6, 1536)
    x = b.conv("x", 3, size.hidden, 16, "patches", stride=16, pads=[0] * 4)
    x = b.node("Transpose", [b.node("Reshape", [x, b.shape(1, size.hidden, 196)])], perm=[0, 2, 1])
    x = b.node("Concat", [b.constant("class", b.rng.normal(0, 0.5, (1, 1, size.hidden))), x], axis=1)
    x = transformer(b, b.node("Add", [x, b.constant("place", b.rng.normal(0, 0.2, size.sequence()))]), size, 3)
    x = b.node("Gather", [x, b.constant("first", 0, np.int64)], axis=1)
    return b.finish("vit", IMAGE, {"y": (b.gemm(x, size.hidden, 1000, "head"), [1, 1000])})


def xcit(seed=0):
    """Ali 2021: attention between channels, whose rows are divided by their length; a depthwise filter of the patches;
    normalizations written node by node, as exporters do before opset 17. Four layers of the nano one."""
    b, hidden, heads, side = GraphBuilder(seed), 128, 4, 14
    tokens, depth = side * side, hidden // heads
    two, least, small = b.constant("two", 2), b.constant("least", 1e-12), b.constant("small", 1e-6)

    def norm_of_nodes(x, name):
        d = b.node("Sub", [x, b.node("ReduceMean", [x], axes=[-1])])
        v = b.node("ReduceMean", [b.node("Pow", [d, two])], axes=[-1])
        y = b.node("Div", [d, b.node("Sqrt", [b.node("Add", [v, small])])])
        y = b.node("Mul", [y, b.constant(f"{name}_scale", b.rng.normal(1, 0.1, hidden))])
        return b.node("Add", [y, b.constant(f"{name}_shift", b.rng.normal(0, 0.1, hidden))])

    def unit(x):
        length = b.node("Clip", [b.node("ReduceL2", [x], axes=[-1]), least])
        return b.node("Div", [x, b.node("Expand", [length, b.shape(1, heads, depth, tokens)])])

    def rows_of(x, name):
        y = b.node("Reshape", [b.linear(x, hidden, hidden, name), b.shape(1, tokens, heads, depth)])
        return b.node("Transpose", [y], perm=[0, 2, 3, 1])

    def mixed(x, name):
        q, k, v = (rows_of(x, f"{name}_{part}") for part in "qkv")
        scores = b.node("MatMul", [unit(q), b.node("Transpose", [unit(k)], perm=[0, 1, 3, 2])])
        y = b.node("MatMul", [b.node("Softmax", [scores], axis=-1), v])
        y = b.node("Reshape", [b.node("Transpose", [y], perm=[0, 3, 1, 2]), b.shape(1, tokens, hidden)])
        return b.linear(y, hidden, hidden, f"{name}_out")

    def filtered(x, name):
        y = b.node("Reshape", [b.node("Transpose", [x], perm=[0, 2, 1]), b.shape(1, hidden, side, side)])
        y = gelu(b, b.conv(y, hidden, hidden, 3, f"{name}_dw1", groups=hidden))
        y = b.conv(y, hidden, hidden, 3, f"{name}_dw2", groups=hidden)
        return b.node("Transpose", [b.node("Reshape", [y, b.shape(1, hidden, tokens)])], perm=[0, 2, 1])

    x = b.conv("x", 3, hidden, 16, "patches", stride=16, pads=[0] * 4)
    x = b.node("Transpose", [b.node("Reshape", [x, b.shape(1, hidden, tokens)])], perm=[0, 2, 1])
    for i in range(4):
        x = b.node("Add", [x, mixed(norm_of_nodes(x, f"n{i}_1"), f"a{i}")])
        x = b.node("Add", [x, filtered(norm_of_nodes(x, f"n{i}_2"), f"l{i}")])
        y = gelu(b, b.linear(norm_of_nodes(x, f"n{i}_3"), hidden, 4 * hidden, f"m{i}_1"))
        x = b.node("Add", [x, b.linear(y, 4 * hidden, hidden, f"m{i}_2")])
    x = b.node("ReduceMean", [norm_of_nodes(x, "n")], axes=[1], keepdims=0)
    return b.finish("xcit", IMAGE, {"y": (b.gemm(x, hidden, 1000, "head"), [1, 1000])})


def speech(seed=0):
    """Radford 2023 (Whisper's encoder, tiny): two convolutions in time, then a transformer; two layers, ten seconds."""
    b, size = GraphBuilder(seed), Size(500, 384, 6, 1536)
    x = gelu(b, b.conv_1d("x", 80, size.hidden, 3, "conv1"))
    x = gelu(b, b.conv_1d(x, size.hidden, size.hidden, 3, "conv2", stride=2))
    x = b.node("Transpose", [x], perm=[0, 2, 1])
    x = transformer(b, b.node("Add", [x, b.constant("place", b.rng.normal(0, 0.1, size.sequence()))]), size, 2)
    return b.finish("speech", (1, 80, 1000), {"y": (x, size.sequence())})


def llama(seed=0):
    """Touvron 2023, as models that embed texts have it: rows divided by their root mean square, places as rotations (Su
    2021), heads that share keys and values in fours (Ainslie 2023), a causal mask, gates of SiLU. Two layers."""
    b, size, shared = GraphBuilder(seed), Size(128, 512, 8, 1408), 2
    hidden, tokens, width = size.hidden, size.tokens, size.hidden // size.heads
    angles = np.outer(np.arange(tokens), 10000.0 ** (-np.arange(0, width, 2) / width))
    angles = np.concatenate([angles, angles], axis=-1)[None, None]
    cosines, sines = b.constant("cosines", np.cos(angles)), b.constant("sines", np.sin(angles))
    mask = b.constant("mask", np.triu(np.full((tokens, tokens), -200), 1)[None, None])
    two, small = b.constant("two", 2), b.constant("small", 1e-6)

    def rms_norm(x, name):
        mean = b.node("ReduceMean", [b.node("Pow", [x, two])], axes=[-1])
        inverse = b.node("Reciprocal", [b.node("Sqrt", [b.node("Add", [mean, small])])])
        return b.node("Mul", [b.constant(f"{name}:scale", b.rng.normal(1, 0.1, hidden)), b.node("Mul", [x, inverse])])

    def half(x, start):
        ends = [b.constant(f"at_{i}", [i], np.int64) for i in (start, start + width // 2)]
        return b.node("Slice", [x, *ends, b.constant("last", [3], np.int64)])

    def rotated(x):
        turned = b.node("Concat", [b.node("Neg", [half(x, width // 2)]), half(x, 0)], axis=-1)
        return b.node("Add", [b.node("Mul", [x, cosines]), b.node("Mul", [turned, sines])])

    def heads(x, count, name):
        y = b.node("Reshape", [b.matmul(x, hidden, count * width, name), b.shape(1, tokens, count, width)])
        return b.node("Transpose", [y], perm=[0, 2, 1, 3])

    def for_all(x):
        y = b.node("Unsqueeze", [x, b.constant("third", [2], np.int64)])
        y = b.node("Expand", [y, b.shape(1, shared, size.heads // shared, tokens, width)])
        return b.node("Reshape", [y, b.shape(1, size.heads, tokens, width)])

    def mixed(x, name):
        query = rotated(heads(x, size.heads, f"{name}_query"))
        key = for_all(rotated(heads(x, shared, f"{name}_key")))
        scores = b.node("MatMul", [query, b.node("Transpose", [key], perm=[0, 1, 3, 2])], f"{name}_scores")
        scores = b.node("Add", [b.node("Mul", [scores, b.constant("root", width**-0.5)]), mask])
        value = for_all(heads(x, shared, f"{name}_value"))
        y = b.node("MatMul", [b.node("Softmax", [scores], axis=-1), value], f"{name}_context")
        y = b.node("Reshape", [b.node("Transpose", [y], perm=[0, 2, 1, 3]), b.shape(1, tokens, hidden)])
        return b.matmul(y, hidden, hidden, f"{name}_output")

    def gated(x, name):
        gate = b.activate(b.matmul(x, hidden, size.inner, f"{name}_gate"), "silu")
        y = b.node("Mul", [gate, b.matmul(x, hidden, size.inner, f"{name}_up")])
        return b.matmul(y, size.inner, hidden, f"{name}_down")

    x = "x"
    for i in range(2):
        x = b.node("Add", [x, mixed(rms_norm(x, f"l{i}_norm1"), f"l{i}")])
        x = b.node("Add", [x, gated(rms_norm(x, f"l{i}_norm2"), f"l{i}")])
    return b.finish("llama", size.sequence(), {"y": (rms_norm(x, "norm"), size.sequence())})


def tcn(seed=0):
    """Bai 2018, as separators of sound have it: 1x1 and dilated depthwise convolutions in time, residuals."""
    b = GraphBuilder(seed)
    x = b.conv_1d("x", 80, 128, 5, "in", post="relu")
    for i in range(6):
        y = b.conv_1d(x, 128, 256, 1, f"b{i}_1", post="relu")
        y = b.conv_1d(y, 256, 256, 3, f"b{i}_dw", groups=256, dilation=2**i, post="relu")
        x = b.node("Add", [x, b.conv_1d(y, 256, 128, 1, f"b{i}_2")])
    return b.finish("tcn", (1, 80, 400), {"y": (b.conv_1d(x, 128, 64, 1, "out"), [1, 64, 400])})


def unet(seed=0):
    """Ronneberger 2015: down by pools, up by transposed convolutions, concats across."""
    b, x, channels, across = GraphBuilder(seed), "x", 3, []

    def both(x, ic, oc, name):
        return b.conv(b.conv(x, ic, oc, 3, f"{name}_1", post="relu"), oc, oc, 3, f"{name}_2", post="relu")

    for i, width in enumerate([16, 32, 64, 128]):
        if i > 0:
            across.append(x)
            x = pool(b, x)
        x, channels = both(x, channels, width, f"down{i}"), width
    for i, width in enumerate([64, 32, 16]):
        wei = b.constant(f"up{i}:wei", b.rng.normal(0, np.sqrt(2 / channels), (channels, width, 2, 2)))
        bias = b.constant(f"up{i}:bias", b.rng.normal(0, 0.05, width))
        x = b.node("ConvTranspose", [x, wei, bias], f"up{i}", kernel_shape=[2, 2], strides=[2, 2])
        x, channels = both(b.node("Concat", [x, across[-1 - i]], axis=1), 2 * width, width, f"join{i}"), width
    y = b.node("Sigmoid", [b.conv(x, channels, 1, 1, "mask")])
    return b.finish("unet", (1, 3, 192, 192), {"y": (y, [1, 1, 192, 192])})


def deeplab(seed=0):
    """Chen 2017: dilated convolutions side by side, classes mixed up to the size of the image."""
    b = GraphBuilder(seed)

    x = b.conv("x", 3, 32, 3, "c0", stride=2, post="relu")
    x = b.conv(b.conv(x, 32, 64, 3, "c1", stride=2, post="relu"), 64, 160, 3, "c2", stride=2, post="relu")
    branches = [b.conv(x, 160, 64, 1, "rate1", post="relu")]
    branches += [b.conv(x, 160, 64, 3, f"rate{d}", dilation=d, post="relu") for d in (6, 12, 18)]
    mean = b.conv(b.node("GlobalAveragePool", [x]), 160, 64, 1, "mean", post="relu")
    x = b.conv(
        b.node("Concat", [*branches, larger(b, mean, 33, "everywhere")], axis=1), 320, 64, 1, "join", post="relu"
    )
    y = larger(b, b.conv(x, 64, 21, 1, "classes"), 8, "up")
    return b.finish("deeplab", (1, 3, 264, 264), {"y": (y, [1, 21, 264, 264])})


def segment(seed=0):
    """Peng 2022 (PP-LiteSeg): what was made small comes back by linear resizes and sums; a class for every pixel."""
    b = GraphBuilder(seed)
    x, channels, stages = b.conv("x", 3, 32, 3, "c0", stride=2, post="relu"), 32, []
    for i, width in enumerate([64, 128, 256, 256]):  # halves, quarters, ..., side by side
        y = b.conv(x, channels, width // 2, 1, f"s{i}_0", post="relu")
        y = b.conv(y, width // 2, width // 2, 3, f"s{i}_1", stride=2, post="relu")
        z = b.conv(y, width // 2, width // 4, 3, f"s{i}_2", post="relu")
        parts = [y, z, b.conv(z, width // 4, width // 4, 3, f"s{i}_3", post="relu")]
        x, channels = b.node("Concat", parts, axis=1), width
        stages.append(x)
    x = b.conv(stages[3], 256, 96, 1, "p3", post="relu")
    for i, width in ((2, 256), (1, 128)):
        x = b.node("Add", [larger(b, x, 2, f"up{i}"), b.conv(stages[i], width, 96, 1, f"l{i}", post="relu")])
        x = b.conv(x, 96, 96, 3, f"p{i}", post="relu")
    scores = larger(b, b.conv(x, 96, 19, 1, "classes"), 8, "up")
    y = b.node("ArgMax", [scores], axis=1, keepdims=0)
    return b.finish("segment", (1, 3, 256, 256), {"y": (y, [1, 256, 256], TensorProto.INT64)})


def ssd(seed=0):
    """Liu 2016: boxes and classes of three maps, softmax over rows of 21."""
    b = GraphBuilder(seed)
    x, channels, side, boxes, classes, count = b.conv("x", 3, 32, 3, "c0", stride=2, post="relu6"), 32, 144, [], [], 0
    for i, width in enumerate([64, 128, 256, 256]):
        x = b.conv(x, channels, channels, 3, f"c{i + 1}_dw", stride=2, groups=channels, post="relu6")
        x, channels, side = b.conv(x, channels, width, 1, f"c{i + 1}", post="relu6"), width, side // 2
        if i == 0:
            continue
        count += 6 * side * side
        for parts, each, name in ((boxes, 4, "box"), (classes, 21, "class")):
            y = b.node("Transpose", [b.conv(x, width, 6 * each, 3, f"{name}{i}")], perm=[0, 2, 3, 1])
            parts.append(b.node("Reshape", [y, b.shape(1, -1, each)]))
    scores = b.node("Softmax", [b.node("Concat", classes, axis=1)], axis=-1)
    places = b.node("Concat", boxes, axis=1)
    return b.finish("ssd", (1, 3, 288, 288), {"boxes": (places, [1, count, 4]), "scores": (scores, [1, count, 21])})


def face(seed=0):
    """Deng 2019 (ArcFace): residual blocks with a PRelu per channel, a vector for a face; six blocks."""
    b = GraphBuilder(seed)

    def prelu(x, channels, name):
        return b.node("PRelu", [x, b.constant(name, b.rng.uniform(0.1, 0.4, (channels, 1, 1)))])

    x, channels = prelu(b.conv("x", 3, 64, 3, "stem"), 64, "stem_slope"), 64
    for i, (width, stride) in enumerate([(64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1)]):
        y = prelu(b.conv(x, channels, width, 3, f"b{i}_1"), width, f"b{i}_slope")
        y = b.conv(y, width, width, 3, f"b{i}_2", stride=stride)
        x = b.node("Add", [y, x if stride == 1 else b.conv(x, channels, width, 1, f"b{i}_0", stride=stride)])
        channels = width
    y = b.gemm(b.node("Flatten", [x]), channels * 14 * 14, 512, "vector")
    return b.finish("face", (1, 3, 112, 112), {"y": (y, [1, 512])})
