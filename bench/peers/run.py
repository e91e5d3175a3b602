"""Whole models through Octile, ONNX Runtime's CPU provider and, where installed, OpenVINO, taking turns in one run.

In:  model files, --shape, --threads, --pack.  Out: a table; with --record NAME also bench/records/DATE-NAME.json.
Not here: single ops (ops.py), building the models (bench/models/make.py).

    .venv/bin/python bench/peers/run.py build/models/resnet50.*s8.onnx --record resnet50
    .venv/bin/python bench/peers/run.py build/models/ocr_det.qdq_s8s8.onnx --shape x=1x3x640x640
"""

import argparse

import pools
import record
from octile import inputs, sessions, tables


def measure(path, shapes, args):
    declarations = sessions.open_session(path, "cpu", args.threads).get_inputs()
    for feed in inputs.feeds(path, declarations, shapes, seed=args.seed):
        pool = pools.Pool(path, feed, args.threads, args.pack, args.peers.split(","))
        times = pool.times(args.repeats)
        row = {"model": path, "shapes": inputs.shapes_text(feed), "threads": args.threads, "nodes": pool.nodes()}
        row["peers"] = {name: pools.summary(values) for name, values in times.items()}
        if "octile" in times and "ort" in times:
            row["speedup_over_ort"] = round(times["ort"][0] / times["octile"][0], 3)
            row["max_abs_diff"] = pools.largest_difference(pool.answers["octile"], pool.answers["ort"])
        yield row


def show(rows):
    result = tables.table("model", "threads>", *(f"{p} ms>" for p in pools.PEERS), "x ort>", "max diff>", "nodes>")
    for row in rows:
        best = [f"{row['peers'][p]['best_ms']:.3f}" if p in row["peers"] else "-" for p in pools.PEERS]
        nodes = f"{row['nodes']['taken']}/{row['nodes']['total']}" if row["nodes"] else "-"
        ratio, diff = row.get("speedup_over_ort", 0), row.get("max_abs_diff", 0)
        result.add_row(row["model"], str(row["threads"]), *best, f"{ratio:.2f}", f"{diff:.3g}", nodes)
    tables.show(result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--shape", action="append", default=[], help="name=1x3x640x640, repeatable")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pack", help="tuned kernels; default: the default pack alone")
    parser.add_argument("--peers", default=",".join(pools.PEERS))
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--record", help="name of the record to write")
    args = parser.parse_args()
    rows = [row for path in args.models for row in measure(path, args.shape, args)]
    show(rows)
    if path := record.write(args.record, rows, versions=pools.ort_versions(), seed=args.seed):
        print(f"record: {path}")


if __name__ == "__main__":
    main()
