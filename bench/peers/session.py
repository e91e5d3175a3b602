"""Session creation and memory: Octile against ONNX Runtime's CPU provider, each time in a fresh process.

In:  quantized model files (default: every one in build/models), --threads, --rounds.
Out: a table, optionally a record: milliseconds to create the session, growth of the process's memory (PSS) from before
     the session to after ten runs.
Not here: how long a run takes (run.py).

    .venv/bin/python bench/peers/session.py --record sessions

Both processes load the same libraries, ours registered too, before the clock starts; only the session differs. PSS
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

PROVIDERS = {"octile": "octile", "ort": "cpu"}
RUNS = 10


def pss_kib(text):
    """The "Pss:" line of /proc/self/smaps_rollup."""
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1])


def pss():
    return pss_kib(pathlib.Path("/proc/self/smaps_rollup").read_text())


def measure_here(path, provider, feed_file, args):
    """In a fresh process: one session, created and run; prints what it took."""
    sessions.register()
    feed = dict(np.load(feed_file))
    options = {"pack": args.pack} if provider == "octile" else None
    before = pss()
    start = time.perf_counter()
    session = sessions.open_session(path, provider, args.threads, options)
    created = time.perf_counter()
    session.run(None, feed)
    first = time.perf_counter()
    for _ in range(RUNS - 1):
        session.run(None, feed)
    took = {"create_ms": (created - start) * 1e3, "first_run_ms": (first - created) * 1e3, "grown_kib": pss() - before}
    print(json.dumps(took))


def child(path, provider, feed_file, args):
    command = [sys.executable, __file__, "--child", provider, "--feed", feed_file, "--threads", str(args.threads)]
    command += ["--pack", args.pack] if args.pack else []
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{path}: {provider}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def summarize(rounds):
    """{provider: list of what its children said} -> the row's numbers; the fastest creation, the median growth."""
    row = {}
    for name, found in rounds.items():
        grown = sorted(f["grown_kib"] for f in found)
        row[name] = {
            "create_ms": round(min(f["create_ms"] for f in found), 2),
            "first_run_ms": round(min(f["first_run_ms"] for f in found), 2),
            "grown_mib": round(grown[len(grown) // 2] / 1024, 2),
        }
    ours, ort = row["octile"], row["ort"]
    row["create_ratio"] = round(ours["create_ms"] / ort["create_ms"], 3)
    row["memory_ratio"] = round(ours["grown_mib"] / max(ort["grown_mib"], 0.01), 3)
    return row


def measure(path, args, folder):
    feed = run.feed_of(path, args)
    feed_file = pathlib.Path(folder) / "feed.npz"
    np.savez(feed_file, **feed)
    rounds = {name: [] for name in PROVIDERS}
    for _ in range(args.rounds):
        for name, provider in PROVIDERS.items():
            rounds[name].append(child(path, provider, str(feed_file), args))
    name, form = run.split_name(path)
    return {"model": name, "form": form, "threads": args.threads, "rounds": args.rounds, **summarize(rounds)}


def show(rows):
    columns = ["octile create ms>", "ort create ms>", "ratio>", "octile MiB>", "ort MiB>", "ratio>"]
    result = tables.table("model", "form", *columns)
    for row in rows:
        ours, ort = row["octile"], row["ort"]
        create = [f"{ours['create_ms']:.1f}", f"{ort['create_ms']:.1f}", f"{row['create_ratio']:.2f}"]
        memory = [f"{ours['grown_mib']:.1f}", f"{ort['grown_mib']:.1f}", f"{row['memory_ratio']:.2f}"]
        result.add_row(row["model"], row["form"], *create, *memory)
    tables.show(result)
    means = [compare.geometric_mean([row[key] for row in rows]) for key in ("create_ratio", "memory_ratio")]
    print(f"geometric means of Octile over ORT: creation {means[0]:.3f}, memory {means[1]:.3f}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="NAME.FORM.onnx; default: all of the list in --folder")
    parser.add_argument("--folder", type=pathlib.Path, default=record.ROOT / "build" / "models")
    parser.add_argument("--shape", action="append", default=[], help="name=1x3x640x640, repeatable")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="fresh processes per provider")
    parser.add_argument("--pack", help="tuned kernels; default: the default pack alone")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="rows as JSON instead of the table")
    parser.add_argument("--record", help="name of the record to write")
    parser.add_argument("--child", choices=sorted(PROVIDERS.values()), help=argparse.SUPPRESS)
    parser.add_argument("--feed", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.models = args.models or run.listed(args.folder)
    if not args.models:
        parser.error(f"no models in {args.folder}: run bench/models/make.py")
    return args


def main():
    args = arguments()
    if args.child:
        measure_here(args.models[0], args.child, args.feed, args)
        return
    rows, shown = [], progress.Progress(len(args.models))
    with tempfile.TemporaryDirectory(prefix="octile-session-") as folder, progress.Turn() as turn:
        for path in args.models:
            rows.append(measure(path, args, folder))
            shown.finished(pathlib.Path(path).name)
            turn.over()
    if args.json:
        print(json.dumps(rows))
    else:
        show(rows)
    if path := record.write(args.record, rows, versions=pools.versions(), runs=RUNS):
        print(f"record: {path.relative_to(record.ROOT)}")


if __name__ == "__main__":
    main()
