"""Per layer: our time, ORT's time for the same nodes, and how near we come to what this CPU can do.

In:  a model, feeds; the profile the plugin writes (option `profile`), ORT's own, the report of octile-bench-peak.
Out: a dictionary: the machine's peaks, a row per step of ours, what ORT spends elsewhere.
Not here: whole-model times (measure.py), printing (tables.py), the picture (roofline.py).

The plugin's profile is one JSON object per line and step: {"node", "nodes", "kind", "op", "us", "best_us", "calls",
"macs", "bytes"}; "nodes" are the units of the plugin's decisions it computes, "bytes" what it must move at least.
"""

import collections
import gc
import json
import pathlib
import re
import tempfile
import time

from octile import explain, inputs, programs, sessions
from octile.errors import UserError


def read_profile(path):
    """The steps of the plugin's profile, in the order they ran; a step met at several shapes is several."""
    steps = []
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        try:
            step = json.loads(line)
            calls = int(step["calls"])
            best = float(step.get("best_us", step["us"] / max(1, calls)))
            steps.append(
                {
                    "node": step["node"],
                    "nodes": step.get("nodes") or [step["node"]],
                    "op": step["op"] if step.get("macs") else step.get("kind") or step["op"],
                    "us": best,
                    "calls": calls,
                    "macs": int(step.get("macs", 0)),
                    "bytes": int(step.get("bytes", 0)),
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path}:{number}: not a step of a profile ({error})") from error
    return steps


def read_ort_profile(path):
    """{node name: (op type, fastest microseconds)} of ORT's profile; a node it fused keeps its name plus a token."""
    best = {}
    for event in json.loads(pathlib.Path(path).read_text()):
        if event.get("cat") != "Node" or not event["name"].endswith("_kernel_time"):
            continue
        name = event["name"].removesuffix("_kernel_time")
        known = best.get(name)
        if known is None or event["dur"] < known[1]:
            best[name] = (event["args"]["op_name"], event["dur"])
    return best


def plain_name(name):
    """The node's name in the model: ORT's optimizers append _token_123."""
    return re.sub(r"_token_\d+$", "", name)


def join(steps, ort, units):
    """Gives every step ORT's time for the nodes it stands for; returns what ORT spends in other nodes, by op type: in
    those we take, which are folded into some step, and in the rest.

    `units` is {host node: the unit it is part of}. Of several steps for one unit the one that multiplies, then the
    slowest, stands for its nodes.
    """
    owner = {}
    for i, step in enumerate(steps):
        step["ort_us"] = None
        for node in step["nodes"]:
            known = owner.get(node)
            if known is None or (steps[known]["macs"], steps[known]["us"]) < (step["macs"], step["us"]):
                owner[node] = i
    folded, elsewhere = collections.Counter(), collections.Counter()
    for name, (op, us) in ort.items():
        node = name if name in units or name in owner else plain_name(name)
        i = owner.get(units.get(node, node))
        if i is None:
            (folded if node in units else elsewhere)[op] += us
        else:
            steps[i]["ort_us"] = (steps[i]["ort_us"] or 0) + us
    return dict(folded.most_common()), dict(elsewhere.most_common())


def peaks(report, threads):
    """{"gmac_per_s", "loop", "memory": [(bytes of the working set, GB/s read)]} out of octile-bench-peak's report."""
    key = str(threads)
    loop = next((loop for loop in report["loops"] if loop["name"] == report["yardstick"]), None)
    if loop is None or key not in loop["gmac_per_s"]:
        raise UserError(f"octile-bench-peak measured no peak at {threads} threads")
    memory = [(level["bytes"] * threads, level["read_gb_per_s"][key]) for level in report["memory"]]
    return {"gmac_per_s": loop["gmac_per_s"][key], "loop": loop["name"], "memory": sorted(memory)}


def measured_peaks(threads):
    """The same, measured now."""
    return peaks(json.loads(programs.run("octile-bench-peak", ["--json", "--threads", threads])), threads)


def bandwidth(machine, moved):
    """GB/s of the smallest working set measured that holds `moved` bytes; the largest beyond."""
    return next((rate for size, rate in machine["memory"] if moved <= size), machine["memory"][-1][1])


def judge(step, machine):
    """Adds GMAC/s, the share of the peak, what bounds the step and how near it comes to that bound."""
    seconds = step["us"] / 1e6
    compute = step["macs"] / 1e9 / machine["gmac_per_s"]
    memory = step["bytes"] / 1e9 / bandwidth(machine, step["bytes"]) if step["bytes"] else 0.0
    step["gmac_per_s"] = round(step["macs"] / 1e9 / seconds, 2) if seconds else 0.0
    step["peak_share"] = round(compute / seconds, 3) if seconds else 0.0
    step["bound"] = "compute" if compute >= memory else "memory"
    step["bound_share"] = round(max(compute, memory) / seconds, 3) if seconds else 0.0
    return step


def profile(model, feed, threads, repeats, seconds, options):
    """(our steps, ORT's nodes, units), the two sessions taking turns under their own profilers."""
    with tempfile.TemporaryDirectory(prefix="octile-layers-") as folder:
        ours = pathlib.Path(folder) / "profile.jsonl"
        decisions, octile = explain.open_explained(model, threads, {**(options or {}), "profile": ours})
        cpu = sessions.open_session(model, "cpu", threads, profile=f"{folder}/ort")
        deadline = time.perf_counter() + seconds
        for i in range(repeats + 1):
            if i > 3 and time.perf_counter() > deadline:
                break
            sessions.run(model, octile, feed)
            sessions.run(model, cpu, feed)
        theirs = read_ort_profile(cpu.end_profiling())
        del octile
        gc.collect()  # the plugin writes its profile when the session goes
        steps = read_profile(ours) if ours.exists() else []
        if not steps:
            raise UserError(f"{model}: the plugin wrote no profile", "it took no node: see octile explain")
        units = {node["name"]: node["unit"] for node in decisions.read()["nodes"] if node["taken"]}
        return steps, theirs, units


def report(model, feed, threads=1, repeats=25, seconds=10.0, options=None):
    """Everything `octile bench --layers` shows of one model and one feed."""
    machine = measured_peaks(threads)
    steps, ort, units = profile(model, feed, threads, repeats, seconds, options)
    folded, elsewhere = join(steps, ort, units)
    return {
        "model": str(model),
        "shapes": inputs.shapes_text(feed),
        "threads": threads,
        "machine": machine,
        "layers": [judge(step, machine) for step in steps],
        "ort_folded_us": folded,
        "ort_elsewhere_us": elsewhere,
    }
