"""The products of networks where they stand, by kind: Octile's time against ONNX Runtime's for the same nodes.

In:  quantized model files (default: all of the list in u8s8), --rounds, --threads.
Out: a table of kinds (depthwise, 1x1, 3x3, ...): how many layers, the geometric mean of ORT's time over Octile's, the
     share of the peak; optionally a record with a row per layer.
Not here: layers by themselves, with the changes of layout a host's tensors need (ops.py); whole networks (run.py).

    .venv/bin/python bench/peers/kinds.py build/models/mobilenet_v2.qdq_u8s8.onnx --record kinds

Both sessions take turns under their own profilers; of each layer the fastest time of all rounds counts. ONNX Runtime's
clock counts whole microseconds: layers it runs in less than --least are left out of the means.
"""

import argparse
import collections
import json
import pathlib

import compare
import ops
import pools
import progress
import record
import run
from octile import layers, tables
from octile.errors import exit_with


def kind_of(op):
    """Of an op line (docs/names.md); None for what is no product."""
    words = op.split()
    if words[0] == "dense":
        return "dense"
    if words[0] != "conv2d":
        return None
    e = ops.extents_of(words[1])
    what = "depthwise" if e["g"] == e["ic"] > 1 else "conv"
    return f"{what} {e['kh']}x{e['kw']}" + ("" if e["sh"] == 1 else f" stride {e['sh']}")


def measure(path, args, machine, shown):
    feed = run.feed_of(path, args)
    best = {}
    for _ in range(args.rounds):
        steps, ort, units = layers.profile(path, feed, args.threads, args.repeats, args.seconds, {})
        layers.join(steps, ort, units)
        for i, step in enumerate(steps):
            known = best.setdefault(i, step)
            known["us"] = min(known["us"], step["us"])
            times = [us for us in (known["ort_us"], step["ort_us"]) if us]
            known["ort_us"] = min(times) if times else None
        shown.finished(pathlib.Path(path).name)
    name, form = run.split_name(path)
    rows = []
    for step in best.values():
        kind = kind_of(step["op"]) if step["macs"] else None
        if kind is None or not step["ort_us"]:
            continue
        judged = layers.judge(step, machine)
        rows.append(
            {"model": name, "form": form, "kind": kind, "op": step["op"], "us": step["us"], "ort_us": step["ort_us"]}
            | {"ratio": round(step["ort_us"] / step["us"], 3), "peak_share": judged["peak_share"]}
        )
    return rows


def summarize(rows, least):
    """{kind: layers, their time, geometric mean of ORT's time over Octile's, share of the peak by time}; without those
    too short for ORT's clock; "depthwise": all of that kind."""
    kinds = collections.defaultdict(list)
    for row in rows:
        if row["ort_us"] < least:
            continue
        kinds[row["kind"]].append(row)
        if row["kind"].startswith("depthwise"):
            kinds["depthwise"].append(row)
    out = {}
    for kind, found in sorted(kinds.items()):
        spent = sum(row["us"] for row in found)
        out[kind] = {
            "layers": len(found),
            "us": round(spent, 1),
            "ratio": compare.geometric_mean([row["ratio"] for row in found]),
            "peak_share": round(sum(row["peak_share"] * row["us"] for row in found) / spent, 3),
        }
    return out


def show(kinds):
    result = tables.table("kind", "layers>", "octile us>", "ort/octile>", "of peak>")
    for kind, found in kinds.items():
        numbers = [str(found["layers"]), f"{found['us']:.0f}", f"{found['ratio']:.2f}", f"{found['peak_share']:.2f}"]
        result.add_row(kind, *numbers)
    tables.show(result)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="NAME.FORM.onnx; default: those of the list in qdq_u8s8")
    parser.add_argument("--folder", type=pathlib.Path, default=record.ROOT / "build" / "models")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--least", type=float, default=5, help="microseconds of ONNX Runtime's that count")
    parser.add_argument("--shape", action="append", default=[], help="name=1x3x640x640, repeatable")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="kinds and rows as JSON instead of the table")
    parser.add_argument("--record", help="name of the record to write")
    args = parser.parse_args()
    args.models = args.models or [p for p in run.listed(args.folder) if run.split_name(p)[1] == "qdq_u8s8"]
    if not args.models:
        parser.error(f"no models in {args.folder}: run bench/models/make.py")
    return args


def main():
    args = arguments()
    rows, shown = [], progress.Progress(args.rounds * len(args.models))
    machine = layers.measured_peaks(args.threads)
    with progress.Turn() as turn:
        for path in args.models:
            rows += measure(path, args, machine, shown)
            turn.over()
    kinds = summarize(rows, args.least)
    if args.json:
        print(json.dumps({"kinds": kinds, "rows": rows}))
    else:
        show(kinds)
    if path := record.write(args.record, rows, versions=pools.versions(), peaks=machine, kinds=kinds, least=args.least):
        print(f"record: {path.relative_to(record.ROOT)}")


if __name__ == "__main__":
    exit_with(main)
