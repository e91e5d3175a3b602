"""Each product of a model on kernels tuned for it against the default pack's, and how near both come to their bound.

In:  quantized model files, --pack with their tuned kernels, --rounds, --threads, --shape.
Out: a table, geometric means, optionally a record.
Not here: tuning (octile tune, octile pack), other hosts (run.py).

    octile tune model.onnx --log tuning.jsonl && octile pack --log tuning.jsonl -o model.octpack
    .venv/bin/python bench/peers/tuned.py model.onnx --pack model.octpack --record tuned-model

Two sessions per round take turns, one without the pack; of each step the fastest time of all rounds counts. Steps under
--least microseconds are left out of the means: what the clock itself takes shows in them.
"""

import argparse
import pathlib

import compare
import pools
import progress
import record
import run
from octile import layers, tables
from octile.errors import exit_with

LOW = 0.85  # of its bound: from here on little is left to tune


def measure(path, args, machine, shown):
    feed = run.feed_of(path, args)
    best = {}
    for _ in range(args.rounds):
        for label, options in (("default", {}), ("tuned", {"pack": args.pack})):
            steps, _, _ = layers.profile(path, feed, args.threads, args.repeats, args.seconds, options)
            products = [step for step in steps if step["macs"]]
            known = best.setdefault(label, products)
            best[label] = [min(pair, key=lambda step: step["us"]) for pair in zip(known, products, strict=True)]
            shown.finished(f"{pathlib.Path(path).name} {label}")
    name, form = run.split_name(path)
    rows = []
    for pair in zip(best["default"], best["tuned"], strict=True):
        row = {"model": name, "form": form, "op": pair[0]["op"]}
        for label, step in zip(("default", "tuned"), pair, strict=True):
            judged = layers.judge(step, machine)
            row[label] = {key: judged[key] for key in ("us", "peak_share", "bound_share")}
        rows.append(row | {"ratio": round(row["default"]["us"] / row["tuned"]["us"], 3)})
    return rows


def means(rows, least):
    """The geometric means of default over tuned: of all, and of those far from their bound by default; the least."""
    counted = [row for row in rows if row["default"]["us"] >= least]
    low = [row["ratio"] for row in counted if row["default"]["bound_share"] < LOW]
    ratios = [row["ratio"] for row in counted]
    return {
        "all": compare.geometric_mean(ratios),
        "far_from_bound": compare.geometric_mean(low),
        "far_from_bound_ops": len(low),
        "least": min(ratios, default=None),
    }


def show(rows, summary):
    result = tables.table("op", "default us>", "tuned us>", "ratio>", "default of peak>", "tuned of peak>", "of bound>")
    for row in sorted(rows, key=lambda row: row["ratio"]):
        times = [f"{row[label]['us']:.1f}" for label in ("default", "tuned")]
        shares = [f"{row[label]['peak_share']:.2f}" for label in ("default", "tuned")]
        bound = f"{row['default']['bound_share']:.2f}"
        result.add_row(row["op"].partition(" src=")[0], *times, f"{row['ratio']:.3f}", *shares, bound)
    tables.show(result)
    shown = {key: "-" if value is None else f"{value:.3f}" for key, value in summary.items()}
    print(f"default over tuned, geometric mean: {shown['all']}; least {shown['least']}")
    print(f"of the {summary['far_from_bound_ops']} below {LOW} of their bound by default: {shown['far_from_bound']}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="NAME.FORM.onnx")
    parser.add_argument("--pack", required=True, help="tuned kernels")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--least", type=float, default=20, help="microseconds of a step that counts")
    parser.add_argument("--shape", action="append", default=[], help="name=1x3x640x640, repeatable")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--record", help="name of the record to write")
    return parser.parse_args()


def main():
    args = arguments()
    rows, shown = [], progress.Progress(2 * args.rounds * len(args.models))
    machine = layers.measured_peaks(args.threads)
    with progress.Turn() as turn:
        for path in args.models:
            rows += measure(path, args, machine, shown)
            turn.over()
    summary = means(rows, args.least)
    show(rows, summary)
    if path := record.write(args.record, rows, versions=pools.versions(), peaks=machine, means=summary):
        print(f"record: {path.relative_to(record.ROOT)}")


if __name__ == "__main__":
    exit_with(main)
