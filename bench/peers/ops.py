"""Single convolutions and matmuls of a shape file through Octile and ONNX Runtime, taking turns, one node per model.

In:  shape files, --activation u8|s8, --channels-last, --threads, --pack.
Out: a table, the geometric mean, optionally a record.
Not here: kernels without a host around them (bench/kernels), whole models (run.py).

    .venv/bin/python bench/peers/ops.py workload/shapes/resnet_50.txt --record resnet50-ops

Each op becomes QLinearConv or QLinearMatMul between int8 inputs and outputs, NCHW as ONNX has it, so both sides pay for
their own change of layout; with --channels-last it is com.microsoft's QLinearConv between NHWC tensors, which is what
ONNX Runtime turns convolutions into within a network, and nobody does. Weights are N(0, sigma) quantized per channel to
+-127.
"""

import argparse
import math
import pathlib
import re
import tempfile

import compare
import numpy as np
import onnx
import pools
import record
from octile import tables
from octile.errors import exit_with
from onnx import TensorProto, helper, numpy_helper

DEFAULTS = {"mb": 1, "g": 1, "sh": 1, "sw": 1, "dh": 1, "dw": 1, "pt": 0, "pl": 0, "pb": 0, "pr": 0, "kh": 1, "kw": 1}
TYPES = {"u8": (np.uint8, TensorProto.UINT8, 0, 255), "s8": (np.int8, TensorProto.INT8, -128, 127)}


def extents_of(sizes):
    """{"ic": 64, ...} of the second word of an op line, with what it leaves out."""
    return {**DEFAULTS, **{k: int(v) for k, v in re.findall(r"([a-z]+)(\d+)", sizes)}}


def read(path):
    """(kind, extents, name) of every conv2d and dense line; the full grammar belongs to the C++ parser."""
    for line in pathlib.Path(path).read_text().splitlines():
        words = line.split()
        if words and words[0] in ("conv2d", "dense"):
            name = re.search(r'n"([^"*]+)', line)
            yield words[0], extents_of(words[1]), name[1] if name else words[1]


def weights(rng, shape, axis):
    """N(0, 1) scaled so that each channel's largest weight is 127."""
    drawn = rng.normal(0, 1, shape)
    other = tuple(i for i in range(len(shape)) if i != axis)
    return np.rint(drawn / np.abs(drawn).max(axis=other, keepdims=True) * 127).astype(np.int8)


def build(kind, e, args, rng):
    """(model, feed) of one op."""
    activation, channels_last = args.activation, args.channels_last and kind == "conv2d"
    dtype, onnx_type, low, high = TYPES[activation]
    channels = e["oc"] if kind == "conv2d" else e["n"]
    if kind == "conv2d":
        wei, run = (
            weights(rng, (e["oc"], e["ic"] // e["g"], e["kh"], e["kw"]), 0),
            e["ic"] // e["g"] * e["kh"] * e["kw"],
        )
        src_shape = [e["mb"], e["ic"], e["ih"], e["iw"]]
    else:
        wei, run = weights(rng, (e["k"], e["n"]), 1), e["k"]
        src_shape = [e["mb"], e["m"], e["k"]] if e["mb"] > 1 else [e["m"], e["k"]]
    per_channel = np.full(channels, 0.01, np.float32)
    dst_scale = np.float32(0.02 * 0.01 * 74 * 40 * math.sqrt(run) / 32)
    zero = dtype(128 if activation == "u8" else 0)
    constants = {
        "xs": np.float32(0.02),
        "xz": zero,
        "w": wei,
        "ws": per_channel,
        "wz": np.zeros(channels, np.int8),
        "ys": dst_scale,
        "yz": zero,
    }
    if kind == "conv2d":
        constants["b"] = rng.integers(-1000, 1000, channels).astype(np.int32)
        node = helper.make_node(
            "QLinearConv",
            ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"],
            ["y"],
            kernel_shape=[e["kh"], e["kw"]],
            strides=[e["sh"], e["sw"]],
            dilations=[e["dh"], e["dw"]],
            pads=[e["pt"], e["pl"], e["pb"], e["pr"]],
            group=e["g"],
            **({"domain": "com.microsoft", "channels_last": 1} if channels_last else {}),
        )
        if channels_last:
            src_shape = [src_shape[0], *src_shape[2:], src_shape[1]]
    else:
        node = helper.make_node("QLinearMatMul", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"])
    graph = helper.make_graph(
        [node],
        "op",
        [helper.make_tensor_value_info("x", onnx_type, src_shape)],
        [helper.make_tensor_value_info("y", onnx_type, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=8)
    return model, {"x": rng.integers(low, high + 1, src_shape).astype(dtype)}


def measure(path, args, folder):
    rng = np.random.default_rng(args.seed)
    for kind, extents, name in read(path):
        model, feed = build(kind, extents, args, rng)
        file = pathlib.Path(folder) / "op.onnx"
        onnx.save(model, file)
        pool = pools.Pool(feed)
        for label, peer in (("octile", "octile"), ("ort", "ort_int8")):
            pool.add(label, peer, {"int8": file}, args.threads, {"pack": args.pack})
        if pool.failed:
            raise SystemExit(f"{name}: {pool.failed}")
        times = pool.times(args.repeats, 5)
        yield {
            "op": name,
            "taken": (pool.nodes() or {}).get("taken"),
            "octile": compare.summary(times["octile"]),
            "ort": compare.summary(times["ort"]),
            "ratio": round(times["ort"][0] / times["octile"][0], 3),
            "max_abs_diff": compare.largest_difference(pool.answers["octile"], pool.answers["ort"]),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shapes", nargs="+")
    parser.add_argument("--activation", choices=sorted(TYPES), default="u8")
    parser.add_argument("--channels-last", action="store_true", help="convolutions between NHWC tensors")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pack")
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--record", help="name of the record to write")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for path in args.shapes for row in measure(path, args, folder)]
    result = tables.table("op", "octile us>", "ort us>", "ort/octile>", "max diff>")
    for r in rows:
        times = [f"{r[p]['best_ms'] * 1e3:.1f}" for p in ("octile", "ort")]
        result.add_row(r["op"], *times, f"{r['ratio']:.2f}", f"{r['max_abs_diff']:g}")
    tables.show(result)
    geomean = compare.geometric_mean([r["ratio"] for r in rows])
    print(f"geometric mean of ort/octile over {len(rows)} ops: {geomean:.3f}")
    facts = {
        "activation": args.activation,
        "channels_last": args.channels_last,
        "threads": args.threads,
        "geomean": round(geomean, 3),
    }
    if path := record.write(args.record, rows, versions=pools.versions(), seed=args.seed, **facts):
        print(f"record: {path}")


if __name__ == "__main__":
    exit_with(main)
