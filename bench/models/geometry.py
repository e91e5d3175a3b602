"""Compares the convolutions and matmuls of the built float models with the shape files that claim to describe them.

In:  a folder of models (make.py).  Out: per model how many agree; every difference, and then exit status 1.
Not here: quantization details of an op line; only its geometry, which a float model has too.

    .venv/bin/python bench/models/geometry.py build/models
"""

import argparse
import collections
import math
import pathlib
import re
import sys

import onnx
import zoo
from onnx import numpy_helper, shape_inference

SHAPES = pathlib.Path(__file__).resolve().parents[2] / "workload" / "shapes"


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def shapes_of(model, feed_shape):
    """{tensor: extents}, with the input `x` fixed to `feed_shape`."""
    for dim, extent in zip(model.graph.input[0].type.tensor_type.shape.dim, feed_shape, strict=True):
        dim.dim_value = extent
    model.graph.ClearField("value_info")
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    found = {t.name: tuple(t.dims) for t in inferred.initializer}
    for value in [*inferred.input, *inferred.value_info, *inferred.output]:
        found[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    return found


def convolution(node, shapes):
    a, (n, ic, *space) = attributes(node), shapes[node.input[0]]
    oc, _, *kernel = shapes[node.input[1]]
    rank = len(kernel)
    pads = list(a.get("pads", [0] * 2 * rank))
    if a.get("auto_pad") == b"SAME_UPPER":
        total = [max(0, (-(-s // t) - 1) * t + k - s) for s, t, k in zip(space, a["strides"], kernel, strict=True)]
        pads = [t // 2 for t in total] + [t - t // 2 for t in total]
    groups = a.get("group", 1)
    numbers = {"mb": n, "g": groups, "ic": ic, "ih": space[0], "iw": space[1], "oc": oc, "kh": kernel[0]}
    numbers |= {"kw": kernel[1], "sh": a["strides"][0], "sw": a["strides"][1]}
    numbers |= dict(zip(("pt", "pl", "pb", "pr"), pads, strict=True))
    return key("conv2d", numbers)


def product(node, shapes, constants):
    left, right = shapes[node.input[0]], shapes[node.input[1]]
    if attributes(node).get("transB"):
        right = right[::-1]
    if node.input[1] in constants:  # the leading extents are rows too
        return key("dense", {"mb": 1, "m": math.prod(left[:-1]), "k": left[-1], "n": right[-1]})
    return key("dense", {"mb": math.prod(left[:-2]), "m": left[-2], "k": left[-1], "n": right[-1]})


DEFAULTS = {"kh": 1, "kw": 1, "sh": 1, "sw": 1, "dh": 1, "dw": 1, "pt": 0, "pl": 0, "pb": 0, "pr": 0}


def key(kind, numbers):
    return kind + " " + "".join(f"{k}{v}" for k, v in numbers.items() if DEFAULTS.get(k) != v)


def ops_of_model(model, feed_shape):
    """{geometry: count} of every convolution and matmul with at least one multiplication."""
    shapes = shapes_of(model, feed_shape)
    constants = {t.name for t in model.graph.initializer}
    constants |= {n.output[0] for n in model.graph.node if n.op_type == "Constant"}
    for tensor in model.graph.initializer:
        shapes.setdefault(tensor.name, numpy_helper.to_array(tensor).shape)
    found = collections.Counter()
    for node in model.graph.node:
        if node.op_type == "Conv":
            found[convolution(node, shapes)] += 1
        elif node.op_type in ("MatMul", "Gemm"):
            found[product(node, shapes, constants)] += 1
    return found


def ops_of_file(path):
    """{geometry: count} of a shape file."""
    found = collections.Counter()
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        kind, extents = line.split()[:2]
        numbers = {k: int(v) for k, v in re.findall(r"([a-z]+)(\d+)", extents)}
        count = int(re.search(r'\*(\d+)"', line)[1])
        found[key(kind, numbers)] += count
    return found


def differences(name, model):
    """Lines that say where the model and its shape file disagree."""
    entry = zoo.MODELS[name]
    have, told = ops_of_model(model, entry.input), ops_of_file(SHAPES / f"{entry.shapes}.txt")
    layers = entry.layers_in_file
    lines = [f"{name}: only in the model: {op} x{count}" for op, count in have.items() if op not in told]
    lines += [f"{name}: only in the shape file: {op}" for op in told if op not in have and layers == 1]
    lines += [
        f"{name}: {op}: {count} times in the model, {told[op]} in the shape file"
        for op, count in have.items()
        if op in told and count * layers != told[op]
    ]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    bad = 0
    for name in zoo.MODELS:
        path = args.folder / f"{name}.onnx"
        if not path.exists():
            print(f"{name}: not built")
            continue
        lines = differences(name, onnx.load(path))
        bad += len(lines)
        print("\n".join(lines) or f"{name}: agrees with {zoo.MODELS[name].shapes}.txt")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
