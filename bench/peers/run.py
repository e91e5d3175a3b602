"""Whole models through Octile, ONNX Runtime and OpenVINO, int8 and fp32, taking turns in one process.

In:  quantized model files (default: every one in build/models), --threads, --isa, --pack.
Out: a table or JSON; with --record NAME also bench/records/DATE-NAME.json and the chart DATE-NAME.svg.
Not here: single ops (ops.py), session creation and memory (session.py), building the models (bench/models/make.py).

    .venv/bin/python bench/peers/run.py                         # the whole list, one thread
    .venv/bin/python bench/peers/run.py build/models/resnet50.*s8.onnx --record resnet50
    .venv/bin/python bench/peers/run.py --isa avx2              # OpenVINO and Octile held to AVX2
    .venv/bin/python bench/peers/run.py --scaling 1,2           # times at both, against the peak loop's
    .venv/bin/python bench/peers/run.py --threads 1,2 --check   # fails where ORT's int8 is faster

A file is NAME.FORM.onnx; the float model is NAME.onnx beside it, the input NAME.npz, else random numbers.
"""

import argparse
import json
import os
import pathlib
import sys

import chart
import compare
import pools
import progress
import record
from octile import inputs, programs, sessions, tables
from octile.errors import UserError, exit_with

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))
import zoo  # noqa: E402

# What holds oneDNN, and with it OpenVINO, to the instructions of one of our targets; read when the process starts.
ONEDNN_ISA = {"avx2": "AVX2", "avxvnni": "AVX2_VNNI", "avx512vnni": "AVX512_CORE_VNNI"}


def restart_held_to(isa):
    """Runs this command again with oneDNN's limit in the environment, unless it is there already."""
    if os.environ.get("ONEDNN_MAX_CPU_ISA") != ONEDNN_ISA[isa]:
        environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": ONEDNN_ISA[isa]}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)


def listed(folder):
    """Every quantized model there, in the order of the list."""
    paths = [folder / f"{name}.{form}.onnx" for name, entry in zoo.MODELS.items() for form in entry.forms]
    return [path for path in paths if path.exists()]


def split_name(path):
    """build/models/resnet50.qdq_u8s8.onnx -> resnet50, qdq_u8s8."""
    name, _, form = pathlib.Path(path).name.removesuffix(".onnx").partition(".")
    return name, form or "-"


def files_of(path):
    path = pathlib.Path(path)
    base = path.with_name(split_name(path)[0] + ".onnx")
    return {"int8": path, "fp32": base if base.exists() and base != path else None}


def feed_of(path, args):
    """One {name: array}: of --shape, of NAME.npz beside the model, or of its own fixed shapes."""
    declarations = sessions.open_session(path, "cpu").get_inputs()
    stored = pathlib.Path(path).with_name(split_name(path)[0] + ".npz")
    files = [stored] if stored.exists() and not args.shape else []
    return inputs.feeds(path, declarations, args.shape, files, seed=args.seed)[0]


def pack_modes(decisions):
    """{kernel: how its weights are packed} of the packs the plugin opened."""
    modes = {}
    for pack in decisions["packs"]:
        for kernel in json.loads(programs.run("octile-pack", ["inspect", pack, "--json"]))["kernels"]:
            group = f" group={kernel['acc16_group']}" if kernel.get("acc16_group") else ""
            modes[kernel["name"]] = f"layout={kernel['layout']}{group}"
    return modes


def octile_options(args):
    """Held to other instructions than the host's best, Octile keeps what the model of costs would leave to the host."""
    held = {"target": args.isa, "when_slower": "keep"} if args.isa else {}
    return {"pack": args.pack, **held}


def measure(path, args, threads):
    """One row: every peer on one file at the same number of threads."""
    pool, files = pools.Pool(feed_of(path, args)), files_of(path)
    for peer in args.peers:
        pool.add(peer, peer, files, threads, octile_options(args))
    peers = {label: compare.summary(values) for label, values in pool.times(args.repeats, args.seconds).items()}
    name, form = split_name(path)
    best = compare.best_peer(peers)
    row = {"model": name, "form": form, "shapes": inputs.shapes_text(pool.feed), "threads": threads}
    row |= {"nodes": pool.nodes(), "peers": peers, "failed": pool.failed, "best_peer": best}
    row |= {"ratio": compare.ratio(peers, best), "ratio_to_ort": compare.ratio(peers, "ort_int8")}
    row["answers"] = compare.answers(pool.answers, ("ort_fp32", "openvino_fp32"))
    if "octile" in pool.answers and "ort_int8" in pool.answers:
        row["diff_to_ort"] = compare.largest_difference(pool.answers["octile"], pool.answers["ort_int8"])
    if decisions := pool.decisions():
        row["panels"] = compare.panels_by_mode(decisions, pack_modes(decisions))
    return row


def peak_scaling(threads):
    """{threads: how many times the one-thread rate the peak loop reaches}, measured now."""
    report = json.loads(programs.run("octile-bench-peak", ["--json", "--threads", max(threads), "--no-memory"]))
    loop = next(loop for loop in report["loops"] if loop["target"] == report["host"])
    return {int(n): rate / loop["gmac_per_s"]["1"] for n, rate in loop["gmac_per_s"].items() if n != "1"}


def measure_scaling(path, args):
    """One row: Octile and ORT on one file at several numbers of threads, and the peak loop before and after."""
    pool, files = pools.Pool(feed_of(path, args), args.spinning), files_of(path)
    for threads in args.scaling:
        for peer in ("octile", "ort_int8"):
            settings = {**octile_options(args), "threads": threads}
            pool.add(f"{peer}@{threads}", peer, files, threads, settings)
    before = peak_scaling(args.scaling)
    peers = {label: compare.summary(values) for label, values in pool.times(args.repeats, args.seconds).items()}
    after = peak_scaling(args.scaling)
    name, form = split_name(path)
    row = {"model": name, "form": form, "shapes": inputs.shapes_text(pool.feed), "peers": peers, "failed": pool.failed}
    row["scaling"] = compare.scaling(peers)
    row["peak_scaling"] = {n: round(max(before[n], after[n]), 3) for n in before}
    return row


def text(value, form="{:.2f}"):
    return "-" if value is None else form.format(value)


def show(rows, peers):
    columns = [f"{label.replace('_', ' ')} ms>" for label in peers]
    distances = ["cos octile>", "cos ort>", "top-1 octile>", "top-1 ort>"]
    result = tables.table(
        "model", "form", "threads>", *columns, "best peer", "x best>", "x ort int8>", *distances, "nodes>"
    )
    for row in rows:
        times = [text(row["peers"].get(label, {}).get("best_ms"), "{:.3f}") for label in peers]
        ratios = [text(row["ratio"]), text(row["ratio_to_ort"])]
        found = [row["answers"].get(label, {}) for label in ("octile", "ort_int8")]
        cosines = [text(f.get("cosine"), "{:.4f}") for f in found] + [text(f.get("top1")) for f in found]
        nodes = f"{row['nodes']['taken']}/{row['nodes']['total']}" if row["nodes"] else "-"
        best = (row["best_peer"] or "-").replace("_", " ")
        result.add_row(row["model"], row["form"], str(row["threads"]), *times, best, *ratios, *cosines, nodes)
    tables.show(result)
    for row in rows:
        for label, reason in row["failed"].items():
            print(f"{row['model']} {row['form']}: {label} did not run: {reason}")
        for label, cosine in compare.far(row["answers"]).items():
            print(
                f"{row['model']} {row['form']}: answers of {label} are far from the float model's: cosine {cosine:.3f}"
            )
    for row in rows:
        if len(row.get("panels", {})) > 1:
            shares = ", ".join(f"{mode} {share:.2f}" for mode, share in row["panels"].items())
            print(f"{row['model']} {row['form']}: panels of weights by mode: {shares}")
    ratios = [row["ratio"] for row in rows if row["ratio"]]
    if ratios:
        print(f"geometric mean of the best peer's time over Octile's: {compare.geometric_mean(ratios):.3f}")


def show_scaling(rows):
    result = tables.table(
        "model", "form", "threads>", "octile ms>", "ort ms>", "octile x>", "ort x>", "peak x>", "share>"
    )
    for row in rows:
        for n, peak in row["peak_scaling"].items():
            ms = [text(row["peers"].get(f"{p}@{n}", {}).get("best_ms"), "{:.3f}") for p in ("octile", "ort_int8")]
            ours, ort = (row["scaling"].get(p, {}).get(n) for p in ("octile", "ort_int8"))
            share = ours / peak if ours else None
            result.add_row(row["model"], row["form"], str(n), *ms, text(ours), text(ort), text(peak), text(share))
    tables.show(result)


def check(rows, margin):
    """Exit status 1 and a line per offender where ORT's CPU provider is faster than Octile on the same file."""
    offenders = compare.slower(rows, margin)
    for row, found in offenders:
        print(f"slower than ORT: {row['model']} {row['form']} at {row['threads']} threads, {found:.2f} times as fast")
    verdict = f"{len(offenders)} slower than ORT's CPU provider by more than {margin:.0%}"
    compared = sum(compare.ratio(row["peers"], "ort_int8") is not None for row in rows)
    print(f"{compared} rows compared, {verdict}")
    return 1 if offenders else 0


def measured(path, args):
    """The rows of one file, or none and a line that says why."""
    try:
        if args.scaling:
            return [measure_scaling(path, args)]
        return [measure(path, args, threads) for threads in args.threads]
    except UserError as error:
        print(f"{path}: {error.message}", file=sys.stderr)
        return []


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="NAME.FORM.onnx; default: all of the list in --folder")
    parser.add_argument("--folder", type=pathlib.Path, default=record.ROOT / "build" / "models")
    parser.add_argument("--forms", help="comma separated; only these forms of the default list")
    parser.add_argument("--shape", action="append", default=[], help="name=1x3x640x640, repeatable")
    parser.add_argument("--threads", default="1", metavar="1,2", help="a row for each; default: 1")
    parser.add_argument("--scaling", metavar="1,2", help="time Octile and ORT at these numbers of threads instead")
    parser.add_argument(
        "--spinning", action="store_true", help="--scaling: ORT's threads spin between runs, as they do by default"
    )
    parser.add_argument("--isa", choices=sorted(ONEDNN_ISA), help="hold Octile and OpenVINO to these instructions")
    parser.add_argument("--pack", help="tuned kernels; default: the default pack alone")
    parser.add_argument("--peers", help=f"comma separated, of {', '.join(pools.PEERS)}; default: all, --isa: not ORT")
    parser.add_argument("--check", action="store_true", help="exit status 1 where ORT is faster on the same file")
    parser.add_argument("--margin", type=float, default=0.03, help="how much slower --check still calls noise")
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=20, help="per model, about")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="rows as JSON instead of the table")
    parser.add_argument("--record", help="name of the record to write")
    parser.add_argument("--note", help="a sentence to keep in the record")
    parser.add_argument("--chart", type=pathlib.Path, help="where to draw the chart, .svg or .png")
    args = parser.parse_args()
    if args.isa:
        restart_held_to(args.isa)
    held = [label for label in pools.PEERS if not label.startswith("ort")]  # ORT cannot be held back
    args.peers = args.peers.split(",") if args.peers else held if args.isa else list(pools.PEERS)
    if unknown := [p for p in args.peers if p not in pools.PEERS]:
        parser.error(f"unknown peer {unknown[0]}; known: {', '.join(pools.PEERS)}")
    args.threads = [int(n) for n in args.threads.split(",")]
    if args.spinning and not args.scaling:
        parser.error("--spinning belongs to --scaling")
    args.scaling = [int(n) for n in args.scaling.split(",")] if args.scaling else None
    args.models = args.models or listed(args.folder)
    if args.forms:
        args.models = [path for path in args.models if split_name(path)[1] in args.forms.split(",")]
    if not args.models:
        parser.error(f"no models in {args.folder}: run bench/models/make.py")
    return args


def main():
    args = arguments()
    rows, lost, shown, stopped = [], [], progress.Progress(len(args.models)), False
    try:
        with progress.Turn() as turn:
            for path in args.models:
                found = measured(path, args)
                rows += found
                lost += compare.without_octile(found) if found else [pathlib.Path(path).name]
                shown.finished(pathlib.Path(path).name)
                turn.over()
    except KeyboardInterrupt:
        stopped = True
        print("stopped; what was measured follows", file=sys.stderr)
    if args.json:
        print(json.dumps(rows))
    elif args.scaling:
        show_scaling(rows)
    else:
        show(rows, args.peers)
    if lost:
        print(f"Octile did not run {', '.join(lost)}; nothing is recorded", file=sys.stderr)
        return 1
    facts = {"versions": pools.versions(), "seed": args.seed, "isa": args.isa or "the machine's"}
    facts |= {"note": args.note} if args.note else {}
    if path := record.write(args.record, rows, **facts):
        print(f"record: {path.relative_to(record.ROOT)}")
        args.chart = args.chart or (None if args.scaling else path.with_suffix(".svg"))
    if args.chart and rows:
        title = f"{record.machine()['cpu']}, threads: {', '.join(map(str, args.threads))}"
        print(f"chart: {chart.draw(rows, args.chart, title)}")
    if stopped:
        return 130
    if not args.check:
        return 0
    return check(compare.by_threads(rows) if args.scaling else rows, args.margin)


if __name__ == "__main__":
    exit_with(main)
