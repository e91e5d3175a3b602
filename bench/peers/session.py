"""Session creation and memory: Octile against ONNX Runtime's CPU provider, each time in a fresh process.

In:  quantized model files (default: every one in build/models), --threads, --rounds.
Out: a table, optionally a record: milliseconds to create the session, growth of the process's memory (PSS) from before
     the session to after ten runs.
Not here: how long a run takes (run.py).

    .venv/bin/python bench/peers/session.py --record sessions

Ours three ways: "octile" packs all weights; "cached" has the option weights_cache and a folder that an earlier process
filled; "compiled" starts from a compiled model (EPContext, payload beside it) and that folder.

All processes load the same libraries, ours registered too, before the clock starts; only the session differs. PSS
counts a page shared by n processes as 1/n of it, so what two sessions share is not counted twice.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import compare
import numpy as np
import pools
import progress
import record
import run
from octile import sessions, tables
from octile.errors import exit_with

WAYS = ["octile", "cached", "compiled", "ort"]
RUNS = 10


def pss_kib(text):
    """The "Pss:" line of /proc/self/smaps_rollup."""
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1])


def pss():
    return pss_kib(pathlib.Path("/proc/self/smaps_rollup").read_text())


def open_here(path, way, folder, args):
    """The session of one way; `folder` holds the packed weights and the compiled model."""
    if way == "ort":
        return sessions.open_session(path, "cpu", args.threads)
    options = run.octile_options(args)
    if way != "octile":
        options["weights_cache"] = folder / "weights"
    compiled = folder / "compiled.onnx"
    if way == "compiled" and compiled.exists():  # of a model that is left to the host there is none
        path = compiled
    return sessions.open_session(path, "octile", args.threads, options)


def prepare_here(path, folder, args):
    """In a process of its own: fills the folder."""
    entries = {
        "ep.context_enable": "1",
        "ep.context_file_path": folder / "compiled.onnx",
        "ep.context_embed_mode": "0",
    }
    options = {**run.octile_options(args), "weights_cache": folder / "weights"}
    sessions.open_session(path, "octile", args.threads, options, entries=entries)


def measure_here(path, way, folder, args):
    """In a fresh process: one session, created and run; prints what it took."""
    sessions.register()
    feed = dict(np.load(folder / "feed.npz"))
    before = pss()
    start = time.perf_counter()
    session = open_here(path, way, folder, args)
    created = time.perf_counter()
    session.run(None, feed)
    first = time.perf_counter()
    for _ in range(RUNS - 1):
        session.run(None, feed)
    took = {"create_ms": (created - start) * 1e3, "first_run_ms": (first - created) * 1e3, "grown_kib": pss() - before}
    print(json.dumps(took))


def child(path, way, folder, args):
    command = [sys.executable, __file__, "--child", way, "--prepared", str(folder), "--threads", str(args.threads)]
    command += ["--pack", args.pack] if args.pack else []
    command += ["--isa", args.isa] if args.isa else []
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
        raise SystemExit(f"{path}: {way}: {said[-1]}")
    return json.loads(done.stdout or "null")


def summarize(rounds):
    """{way: list of what its children said} -> the row's numbers; the fastest creation, the median growth."""
    row = {}
    for name, found in rounds.items():
        grown = sorted(f["grown_kib"] for f in found)
        row[name] = {
            "create_ms": round(min(f["create_ms"] for f in found), 2),
            "first_run_ms": round(min(f["first_run_ms"] for f in found), 2),
            "grown_mib": round(grown[len(grown) // 2] / 1024, 2),
        }
    ort = row["ort"]
    for way in WAYS[:-1]:
        row[way]["create_ratio"] = round(row[way]["create_ms"] / ort["create_ms"], 3)
        row[way]["memory_ratio"] = round(row[way]["grown_mib"] / max(ort["grown_mib"], 0.01), 3)
    return row


def measure(path, args, folder):
    np.savez(folder / "feed.npz", **run.feed_of(path, args))
    child(path, "prepare", folder, args)
    rounds = {way: [] for way in WAYS}
    for _ in range(args.rounds):
        for way in WAYS:
            rounds[way].append(child(path, way, folder, args))
    name, form = run.split_name(path)
    return {"model": name, "form": form, "threads": args.threads, "rounds": args.rounds, **summarize(rounds)}


def show(rows):
    ours = WAYS[:-1]
    columns = ["ort create ms>", *(f"{way}>" for way in ours), "ort MiB>", *(f"{way}>" for way in ours)]
    result = tables.table("model", "form", *columns)
    for row in rows:
        create = [f"{row['ort']['create_ms']:.1f}", *(f"{row[way]['create_ratio']:.2f}" for way in ours)]
        memory = [f"{row['ort']['grown_mib']:.1f}", *(f"{row[way]['memory_ratio']:.2f}" for way in ours)]
        result.add_row(row["model"], row["form"], *create, *memory)
    tables.show(result)
    for key, what in (("create_ratio", "creation"), ("memory_ratio", "memory")):
        means = [f"{way} {compare.geometric_mean([row[way][key] for row in rows]):.3f}" for way in ours]
        print(f"{what} over ORT's, geometric means: {', '.join(means)}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="NAME.FORM.onnx; default: all of the list in --folder")
    parser.add_argument("--folder", type=pathlib.Path, default=record.ROOT / "build" / "models")
    parser.add_argument("--shape", action="append", default=[], help="name=1x3x640x640, repeatable")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="fresh processes per way")
    parser.add_argument("--pack", help="tuned kernels; default: the default pack alone")
    parser.add_argument("--isa", choices=sorted(run.ONEDNN_ISA), help="hold Octile, not ONNX Runtime, to it")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="rows as JSON instead of the table")
    parser.add_argument("--record", help="name of the record to write")
    parser.add_argument("--child", choices=["prepare", *WAYS], help=argparse.SUPPRESS)
    parser.add_argument("--prepared", type=pathlib.Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.models = args.models or run.listed(args.folder)
    if not args.models:
        parser.error(f"no models in {args.folder}: run bench/models/make.py")
    return args


def main():
    args = arguments()
    if args.child == "prepare":
        prepare_here(args.models[0], args.prepared, args)
        return
    if args.child:
        measure_here(args.models[0], args.child, args.prepared, args)
        return
    rows, shown = [], progress.Progress(len(args.models))
    with progress.Turn() as turn:
        for path in args.models:
            with tempfile.TemporaryDirectory(prefix="octile-session-") as folder:
                rows.append(measure(path, args, pathlib.Path(folder)))
            shown.finished(pathlib.Path(path).name)
            turn.over()
    if args.json:
        print(json.dumps(rows))
    else:
        show(rows)
    if path := record.write(args.record, rows, versions=pools.versions(), runs=RUNS):
        print(f"record: {path.relative_to(record.ROOT)}")


if __name__ == "__main__":
    exit_with(main)
