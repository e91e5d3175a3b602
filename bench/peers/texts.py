"""Text of any length: Octile against ONNX Runtime's CPU provider on a dynamically quantized encoder.

In:  --tokens, --weights, --layers.  Out: a table or JSON; with --record NAME also bench/records/DATE-NAME.json.
Not here: networks whose shapes are known (run.py).

    .venv/bin/python bench/peers/texts.py --record texts

An encoder of MiniLM's size with one scale for each matrix of weights, as most text networks are published. "same":
texts of one length, one after the other. "changing": every run has another length than the one before, from 1 to
--longest in an order that repeats, so that plans of past lengths may be kept, or have to be made.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import compare
import numpy as np
import onnx
import pools
import record
from octile import sessions, tables
from octile.errors import exit_with
from onnxruntime.quantization import QuantType, quantize_dynamic

sys.path.insert(0, str(record.ROOT / "bench" / "models"))
import bert

WEIGHTS = {"s8": QuantType.QInt8, "u8": QuantType.QUInt8}
STRIDE = 7  # from one length to the next


def write_model(folder, args):
    onnx.save(bert.encoder(args.seed, layers=args.layers), folder / "float.onnx")
    path = folder / "encoder.onnx"
    quantize_dynamic(str(folder / "float.onnx"), str(path), weight_type=WEIGHTS[args.weights])
    return path


def fastest(opened, feeds, rounds):
    """{provider: milliseconds for all feeds, each at its fastest of the rounds}, providers taking turns."""
    best = {name: np.full(len(feeds), np.inf) for name in opened}
    for _ in range(rounds):
        for name, session in opened.items():
            session.run(None, feeds[-1])  # brings its own weights back into the cache
            for i, feed in enumerate(feeds):
                best[name][i] = min(best[name][i], pools.timed(lambda s=session, f=feed: s.run(None, f)))
    return {name: float(times.sum()) for name, times in best.items()}


def row_of(what, opened, feeds, rounds):
    times = fastest(opened, feeds, rounds)
    ratio = round(times["cpu"] / times["octile"], 3)
    return {"texts": what, "octile_ms": round(times["octile"], 3), "ort_ms": round(times["cpu"], 3), "ratio": ratio}


def measure(path, args):
    rng = np.random.default_rng(args.seed)
    longest = rng.standard_normal((1, max(*args.tokens, args.longest), bert.MINI.hidden)).astype(np.float32)
    feeds = {n: {"x": longest[:, :n]} for n in {*args.tokens, *range(1, args.longest + 1)}}
    opened = {name: sessions.open_session(path, name, args.threads) for name in ("octile", "cpu")}
    rows = [row_of(f"same, {n}", opened, [feeds[n]] * 10, args.rounds) for n in args.tokens]
    order = [1 + i * STRIDE % args.longest for i in range(args.longest)]
    rows.append(row_of(f"changing, 1 to {args.longest}", opened, [feeds[n] for n in order], args.rounds))
    return rows


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[1, 8, 16, 32, 64, 128])
    parser.add_argument("--longest", type=int, default=48, help="of the texts of changing length; no multiple of 7")
    parser.add_argument("--weights", choices=WEIGHTS, default="s8")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="rows as JSON instead of the table")
    parser.add_argument("--record", help="name of the record to write")
    args = parser.parse_args()
    if min(*args.tokens, args.longest, args.layers, args.rounds) < 1:
        parser.error("lengths, layers and rounds are 1 and more")
    return args


def show(rows):
    result = tables.table("texts, tokens", "octile ms>", "ort ms>", "x ort>")
    for row in rows:
        result.add_row(row["texts"], f"{row['octile_ms']:.2f}", f"{row['ort_ms']:.2f}", f"{row['ratio']:.2f}")
    tables.show(result)
    print(f"geometric mean {compare.geometric_mean([row['ratio'] for row in rows]):.3f}")


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="octile-texts-") as folder:
        rows = measure(write_model(pathlib.Path(folder), args), args)
    if args.json:
        print(json.dumps(rows))
    else:
        show(rows)
    facts = {"layers": args.layers, "weights": args.weights, "threads": args.threads, "rounds": args.rounds}
    if path := record.write(args.record, rows, versions=pools.versions(), **facts):
        print(f"record: {path.relative_to(record.ROOT)}")


if __name__ == "__main__":
    exit_with(main)
