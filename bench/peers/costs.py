"""How well the plugin's model of costs predicts whole models: its ratio beside the one measured.

In:  quantized model files (default: every one in build/models), --threads 1 always.
Out: a table or JSON; with --record NAME also bench/records/DATE-NAME.json. Exit status 1 where a decision is wrong.
Not here: measuring itself (octile bench), the rates (plugin/partition/cost_rates.cpp).

    .venv/bin/python bench/peers/costs.py --record cost-model-avx2
    .venv/bin/python bench/peers/costs.py --isa avx512vnni --against bench/records/DATE-models-regions-vnni.json

A decision is wrong where the model says faster or slower and the measured ratio says the opposite by more than --band.
"""

import argparse
import json
import pathlib
import sys

import pools
import record
import run
from octile import explain, inputs, measure, tables
from octile.errors import UserError, exit_with


def predicted(path, feed, isa):
    """(cycles here, cycles in the host) of all regions whose shapes are known before a run."""
    ready = ",".join(f"{name}={'x'.join(map(str, array.shape))}" for name, array in feed.items())
    options = {"when_slower": "keep", "ready": ready} | ({"judge_for": isa} if isa else {})
    report, _ = explain.open_explained(path, options=options)
    known = [region for region in report.read()["regions"] if "cycles" in region]
    return sum(r["cycles"] for r in known), sum(r["host_cycles"] for r in known)


def row_of(path, args):
    feed = run.feed_of(path, args)
    name, form = run.split_name(path)
    ours, host = predicted(path, feed, args.isa)
    row = {"model": name, "form": form, "shapes": inputs.shapes_text(feed), "cycles": ours, "host_cycles": host}
    row["predicted"] = round(host / ours, 3) if ours else None
    if args.ratios:
        row["measured"] = args.ratios[name, form]
    else:
        settings = {"when_slower": "keep"}
        (found,) = measure.compare(path, [feed], 1, args.repeats, args.seconds, settings)
        row["measured"] = found["speedup"]
        row |= {key: found[key] for key in ("octile_ms", "cpu_ms")}
    row["right"] = right(row, args.band)
    return row


def right(row, band):
    """Whether the decision is; None: nothing to say, or too near to call."""
    if row["predicted"] is None or row["measured"] is None or abs(row["measured"] - 1) <= band:
        return None
    return (row["predicted"] >= 1) == (row["measured"] >= 1)


def stored(path):
    """{(model, form): ratio to ORT's int8} of a record of run.py."""
    return {(r["model"], r["form"]): r["ratio_to_ort"] for r in json.loads(path.read_text())["rows"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*")
    parser.add_argument("--folder", type=pathlib.Path, default=record.ROOT / "build" / "models")
    parser.add_argument("--isa", help="judge for a host of this instruction set; default: this machine")
    parser.add_argument("--against", type=pathlib.Path, help="a record of run.py to take measured ratios from")
    parser.add_argument("--band", type=float, default=0.1)
    parser.add_argument("--shape", action="append", default=[])
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--record")
    args = parser.parse_args()
    args.ratios = stored(args.against) if args.against else None
    rows = []
    for path in args.models or run.listed(args.folder):
        if args.ratios is not None and run.split_name(path) not in args.ratios:
            continue
        try:
            rows.append(row_of(path, args))
        except UserError as error:
            print(f"{path}: {error.message}", file=sys.stderr)
    if args.json:
        print(json.dumps(rows))
    else:
        result = tables.table("model", "form", "Mcycles>", "host>", "predicted>", "measured>", "decision")
        for row in rows:
            verdict = {None: "too near", True: "right", False: "WRONG"}[row["right"]]
            numbers = [f"{row[key] / 1e6:.2f}" for key in ("cycles", "host_cycles")]
            result.add_row(
                row["model"], row["form"], *numbers, *(run.text(row[k]) for k in ("predicted", "measured")), verdict
            )
        tables.show(result)
    facts = {"judged_for": args.isa or "the machine's", "band": args.band}
    facts |= {"measured_in": args.against.name} if args.against else {"versions": pools.versions()}
    if path := record.write(args.record, rows, **facts):
        print(f"record: {path.relative_to(record.ROOT)}")
    return 1 if any(row["right"] is False for row in rows) else 0


if __name__ == "__main__":
    exit_with(main)
