"""The demonstration after the build: quantize the OCR models, tune, pack, read a picture through both providers.

In:  --budget, --threads.  Out: build/demo (models, log, pack, picture), the texts, a table; 1 if Octile's letters are
     not the CPU provider's (the float models', where the CPU lacks VNNI and that provider saturates).
Not here: setting up and building (demo.sh), the models and the pipeline (bench/models).
"""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench" / "models"))

import numpy as np  # noqa: E402
import ocr  # noqa: E402
import pictures  # noqa: E402
from octile import explain, measure, programs, sessions, tables  # noqa: E402
from PIL import Image  # noqa: E402

FOLDER = ROOT / "build" / "demo"
LOG, PACK = FOLDER / "tuning.jsonl", FOLDER / "ocr.octpack"
FORM = "dot_s8s8"
TIMED_RUNS = 5


def say(text):
    print(f"\n==== {text} ({time.strftime('%T')})", flush=True)


def octile(*arguments):
    """Runs the command as a user would. Ctrl-C is its business: it stops, keeps its log, and we go on."""
    line = ["octile", *map(str, arguments)]
    print("$ " + " ".join(str(a).replace(f"{ROOT}/", "") for a in line), flush=True)
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        status = subprocess.run([str(ROOT / ".venv" / "bin" / "octile"), *line[1:]], check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    if status not in (0, 130):
        sys.exit(f"demo: octile {arguments[0]} failed with status {status}")


def record_inputs(models, picture):
    """What the pipeline feeds each model for this picture, as arrays and as .npz files: the shapes that get tuned."""
    recorders = {name: ocr.Recorder(ocr.cpu_session(path)) for name, path in models.items()}
    ocr.pipeline(recorders)(picture)
    files = {}
    for name, recorder in recorders.items():
        distinct = {feed["x"].shape: feed for feed in recorder.inputs}
        files[name] = []
        for i, feed in enumerate(distinct.values()):
            files[name].append(FOLDER / f"{name}.{i}.npz")
            np.savez(files[name][-1], **feed)
    return {name: recorder.inputs for name, recorder in recorders.items()}, files


def tune(models, files, budget):
    ops = []
    for name, path in models.items():
        ops.append(FOLDER / f"{name}.ops")
        inputs = [word for file in files[name] for word in ("--input", file)]
        octile("tune", path, *inputs, "--save-ops", ops[-1])
    chosen = [word for file in ops for word in ("--ops", file)]
    octile("tune", *chosen, "--budget", budget, "--log", LOG)


def read(engine, picture):
    """([(text, score)], seconds) of one pass of the pipeline."""
    start = time.perf_counter()
    lines, _ = engine(picture)
    seconds = time.perf_counter() - start
    return [(line[1].strip(), float(line[2])) for line in lines or []], seconds  # blanks at the end of a line are noise


def read_interleaved(engines, picture):
    """{provider: ([(text, score)], fastest seconds)}, the providers taking turns."""
    result = {name: read(engine, picture) for name, engine in engines.items()}
    for _ in range(TIMED_RUNS):
        for name, engine in engines.items():
            lines, seconds = read(engine, picture)
            result[name] = (lines, min(seconds, result[name][1]))
    return result


def compare_models(models, pools, reports, inputs):
    """One row per model: both times over all its inputs, nodes taken, the largest difference."""
    rows = []
    for name in models:
        total, largest = {"octile": 0.0, "cpu": 0.0}, 0.0
        pair = {provider: pools[provider][name] for provider in ("octile", "cpu")}
        for feed in inputs[name]:
            times = measure.interleave(pair, feed, TIMED_RUNS, 10)
            answers = {p: sessions.run(models[name], session, feed) for p, session in pair.items()}
            largest = max(largest, measure.difference(answers["octile"], answers["cpu"]))
            for provider in total:
                total[provider] += min(times[provider]) * 1e3
        decisions = reports[name].read()
        rows.append((name, total, f"{decisions['nodes_taken']}/{decisions['nodes_total']}", largest))
    return rows


def show(rows, reading):
    result = tables.table("", "octile ms>", "cpu ms>", "speedup>", "nodes taken>", "max diff>")

    def add(name, octile_ms, cpu_ms, nodes="", largest=""):
        result.add_row(name, f"{octile_ms:.1f}", f"{cpu_ms:.1f}", f"{cpu_ms / octile_ms:.2f}x", nodes, largest)

    for name, total, nodes, largest in rows:
        add(name, total["octile"], total["cpu"], nodes, f"{largest:.3g}")
    add("picture, whole pipeline", reading["octile"][1] * 1e3, reading["cpu"][1] * 1e3)
    tables.show(result)


def judge(reading, models_float, picture, vnni):
    """Prints the texts and says whether they are the same; exit status."""
    for name, label in (("octile", "OctileExecutionProvider"), ("cpu", "CPUExecutionProvider")):
        print_lines(f"read through {label}:", reading[name][0])
    scores = [abs(a[1] - b[1]) for a, b in zip(reading["octile"][0], reading["cpu"][0], strict=False)]
    print(f"\nlargest difference of scores: {max(scores, default=0):.2g}")
    verdict = compare_texts(reading["octile"][0], reading["cpu"][0])
    print(f"Octile's text and the CPU provider's are {verdict}")
    if not vnni:
        wanted, _ = read(ocr.pipeline({n: ocr.cpu_session(p) for n, p in models_float.items()}), picture)
        print_lines("this CPU has no VNNI, where ONNX Runtime's own int8 saturates; the float models read:", wanted)
        verdict = compare_texts(reading["octile"][0], wanted)
        print(f"\nOctile's text and the float models' are {verdict}")
    return 1 if verdict == "DIFFERENT" else 0


def print_lines(title, lines):
    print(f"\n{title}")
    for text, score in lines:
        print(f"  {score:.3f}  {text}")


def compare_texts(lines, wanted):
    """Blanks are the recognizer's weak spot, the float one's too: they are told apart from wrong letters."""
    left, right = [text for text, _ in lines], [text for text, _ in wanted]
    if left and left == right:
        return "the same"
    left, right = ([text.replace(" ", "") for text in texts] for texts in (left, right))
    return "the same but for blanks" if left and left == right else "DIFFERENT"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", help="tuning time, such as 10m; default: 5m the first time, none later")
    parser.add_argument("--threads", type=int, default=1, help="threads of both providers; default 1")
    args = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)

    say("models: PP-OCRv4 out of rapidocr-onnxruntime, quantized")
    paths = ocr.make(FOLDER, (FORM,))
    models = {name: paths[name, FORM] for name in ocr.SOURCES}
    picture = pictures.demo_picture()
    Image.fromarray(picture).save(FOLDER / "picture.png")
    inputs, files = record_inputs(models, picture)

    if args.budget or not LOG.exists():
        say("tuning for this CPU; Ctrl-C stops it, nothing measured is lost")
        tune(models, files, args.budget or "5m")
    if not PACK.exists() or PACK.stat().st_mtime < LOG.stat().st_mtime:
        say("packing the winners")
        octile("pack", "--log", LOG, "-o", PACK)

    say("reading the picture through both providers")
    pools, reports = {"octile": {}, "cpu": {}}, {}
    for name, path in models.items():
        reports[name], pools["octile"][name] = explain.open_explained(path, args.threads, {"pack": PACK})
        pools["cpu"][name] = sessions.open_session(path, "cpu", args.threads)
    reading = read_interleaved({provider: ocr.pipeline(pool) for provider, pool in pools.items()}, picture)
    rows = compare_models(models, pools, reports, inputs)

    doctor = json.loads(programs.run("octile-doctor", []))
    print(f"{doctor['cpu']['brand']}, best target {doctor['host']}, {args.threads} thread(s), fastest of the runs")
    show(rows, reading)
    floats = {name: FOLDER / f"{name}.onnx" for name in models}
    features = doctor["cpu"]["features"]
    return judge(reading, floats, picture, features["avx512vnni"] or features["avxvnni"])


if __name__ == "__main__":
    sys.exit(main())
