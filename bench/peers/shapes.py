"""Inputs of ever new shapes, as texts and pictures have: the first run at a shape, and the next ones.

In:  quantized models with free extents (default: PP-OCR's detection and recognition), --threads, --count.
Out: a table, optionally a record: milliseconds of a run at a shape not seen before, of a run at the same shape again,
     and what the first costs more, in Octile and in ONNX Runtime.
Not here: runs at one shape (run.py).

    .venv/bin/python bench/peers/shapes.py --record new-shapes

Both get the same inputs, one after the other: new, again, again; of "again" the faster run counts. Medians over shapes.
"""

import argparse
import pathlib
import statistics

import compare
import numpy as np
import pools
import progress
import record
import run
from octile import sessions, tables
from octile.errors import UserError, exit_with

# By model: heights and widths as they come, in pixels; the first dimension is one image.
EXTENTS = {"ocr_det": (range(320, 768, 32), range(320, 960, 32)), "ocr_rec": ([48], range(160, 960, 4))}


def drawn(name, count, rng):
    """`count` different shapes 1x3xHxW."""
    heights, widths = EXTENTS[name]
    every = [(1, 3, h, w) for h in heights for w in widths]
    return [every[i] for i in rng.permutation(len(every))[:count]]


def measure(path, args):
    name, form = run.split_name(path)
    if name not in EXTENTS:
        raise UserError(f"{path}: no shapes are known for it", f"known: {', '.join(EXTENTS)}")
    rng = np.random.default_rng(args.seed)
    # Not through pools: a session that reports its decisions does so for every new shape.
    opened = {
        "octile": sessions.open_session(path, "octile", args.threads, run.octile_options(args)),
        "ort": sessions.open_session(path, "cpu", args.threads),
    }
    value = opened["ort"].get_inputs()[0].name
    new, again = ({label: [] for label in opened} for _ in range(2))
    for shape in drawn(name, args.count, rng):
        feed = {value: rng.normal(size=shape).astype(np.float32)}
        for label, session in opened.items():
            took = [pools.timed(lambda: session.run(None, feed)) for _ in range(3)]  # noqa: B023 (called at once)
            new[label].append(took[0])
            again[label].append(min(took[1:]))
    row = {"model": name, "form": form, "threads": args.threads, "shapes": len(new["ort"])}
    for label in opened:
        extra = [a - b for a, b in zip(new[label], again[label], strict=True)]
        values = {"new_ms": new[label], "again_ms": again[label], "extra_ms": extra}
        row[label] = {key: round(statistics.median(list_of), 3) for key, list_of in values.items()}
    return {**row, "ratio": round(sum(new["ort"]) / sum(new["octile"]), 3)}


def show(rows):
    result = tables.table(
        "model", "form", "new ms>", "again>", "extra>", "ort new ms>", "again>", "extra>", "ort/octile>"
    )
    for r in rows:
        times = [f"{r[label][key]:.2f}" for label in ("octile", "ort") for key in ("new_ms", "again_ms", "extra_ms")]
        result.add_row(r["model"], r["form"], *times, f"{r['ratio']:.2f}")
    tables.show(result)
    mean = compare.geometric_mean([r["ratio"] for r in rows])
    print(f"all runs at new shapes, ONNX Runtime's time over Octile's, geometric mean: {mean:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="NAME.FORM.onnx; default: PP-OCR's of --folder")
    parser.add_argument("--folder", type=pathlib.Path, default=record.ROOT / "build" / "models")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--count", type=int, default=60, help="shapes for each model")
    parser.add_argument("--pack", help="tuned kernels; default: the default pack alone")
    parser.add_argument("--isa", choices=sorted(run.ONEDNN_ISA), help="hold Octile, not ONNX Runtime, to it")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--record", help="name of the record to write")
    args = parser.parse_args()
    args.models = args.models or [path for path in run.listed(args.folder) if run.split_name(path)[0] in EXTENTS]
    if not args.models:
        parser.error(f"no models in {args.folder}: run bench/models/make.py")
    rows, shown = [], progress.Progress(len(args.models))
    with progress.Turn() as turn:
        for path in args.models:
            rows.append(measure(path, args))
            shown.finished(pathlib.Path(path).name)
            turn.over()
    show(rows)
    if path := record.write(args.record, rows, versions=pools.versions(), seed=args.seed):
        print(f"record: {path.relative_to(record.ROOT)}")


if __name__ == "__main__":
    exit_with(main)
