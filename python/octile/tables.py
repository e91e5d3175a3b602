"""How results look on a terminal.

In:  the dictionaries of the other modules.  Out: printed tables and lines.
Not here: computing any of it.
"""

import collections

import click
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from octile import inputs


def table(*columns, title=None):
    """A plain table; columns are names, those ending in ">" are right-aligned."""
    result = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in columns:
        result.add_column(name.rstrip(">"), justify="right" if name.endswith(">") else "left", overflow="fold")
    return result


def show(result):
    Console(width=None if Console().is_terminal else 1000).print(result)


def tuned(summary, log):
    result = table("default us>", "x count>", "speedup>", "trials>", "workload", "choice")
    measured = [task for task in summary.get("tasks", []) if task["trials"]]
    for task in measured:
        ratio = task["ratio"] or 1
        numbers = [f"{task['default_us']:.1f}", str(task["count"]), f"{1 / ratio:.2f}x", str(task["trials"])]
        result.add_row(*numbers, task["task"], task["choice"])
    if measured:
        show(result)
    if waiting := len(summary.get("tasks", [])) - len(measured):
        click.echo(f"{waiting} more workloads wait for their turn: run the same command again to go on")
    done, ok = summary.get("trials", 0), summary.get("ok", 0)
    click.echo(f"{done} candidates measured, {ok} right; model {summary.get('gain', 1):.2f}x the default")
    click.echo(f"records are in {log}; next: octile pack --log {log} -o model.octpack")


def outputs(feed, answer):
    lines = [f"inputs {inputs.shapes_text(feed)}"]
    for name, value in answer.items():
        line = f"output {name}: {value.dtype} {'x'.join(map(str, value.shape))}"
        if value.size and np.issubdtype(value.dtype, np.number):
            line += f"  min {value.min():.6g}  mean {value.mean():.6g}  max {value.max():.6g}"
        lines.append(line)
    return "\n".join(lines)


def benched(records):
    result = table("model", "shapes", "threads>", "octile ms>", "cpu ms>", "speedup>", "nodes taken>", "max diff>")
    for r in records:
        result.add_row(
            r["model"],
            r["shapes"],
            str(r["threads"]),
            f"{r['octile_ms']:.3f}",
            f"{r['cpu_ms']:.3f}",
            f"{r['speedup']:.2f}x",
            f"{r['nodes_taken']}/{r['nodes_total']}",
            f"{r['max_abs_diff']:.3g}",
        )
    show(result)
    click.echo("fastest of the repeats, the providers taking turns; answers compared before timing")


def layered(report):
    """Per layer times and shares; then where the rest of ORT's time goes."""
    machine, rows = report["machine"], report["layers"]
    result = table("layer", "op", "octile us>", "ort us>", "x ort>", "GMAC/s>", "of peak>", "bound by", "of bound>")
    for row in rows:
        ort = row["ort_us"]
        result.add_row(
            row["node"],
            row["op"].partition(' n"')[0],
            f"{row['us']:.1f}",
            "-" if ort is None else f"{ort:.0f}",
            "-" if ort is None or not row["us"] else f"{ort / row['us']:.2f}",
            f"{row['gmac_per_s']:.1f}" if row["macs"] else "-",
            f"{row['peak_share']:.2f}" if row["macs"] else "-",
            row["bound"],
            f"{row['bound_share']:.2f}",
        )
    show(result)
    ours, matched = sum(r["us"] for r in rows), sum(r["ort_us"] or 0 for r in rows)
    macs = sum(r["macs"] for r in rows)
    share = macs / 1e3 / machine["gmac_per_s"] / ours if ours else 0
    click.echo(f"octile {ours / 1e3:.3f} ms in {len(rows)} layers, {share:.2f} of the peak as a whole")
    click.echo(f"ort    {matched / 1e3:.3f} ms in the nodes these stand for")
    for where, key in (("folded into these", "ort_folded_us"), ("elsewhere", "ort_elsewhere_us")):
        for op, us in report[key].items():
            click.echo(f"       {us / 1e3:.3f} ms in {op} nodes {where}")
    levels = ", ".join(f"{rate:.0f} GB/s within {size >> 10} KiB" for size, rate in machine["memory"])
    click.echo(f"peaks measured now: {machine['gmac_per_s']:.1f} GMAC/s ({machine['loop']}); read {levels}")


def explained(model, decisions, show_all):
    taken = [n for n in decisions["nodes"] if n["taken"]]
    left = [n for n in decisions["nodes"] if not n["taken"]]
    regions = len({n["region"] for n in taken})
    click.echo(f"{model}: {len(taken)} of {decisions['nodes_total']} nodes taken, in {regions} regions")
    if decisions["regions"] or decisions.get("regions_left"):
        show(bordered(decisions))
    inside = decisions.get("compiled", [])
    computing = [n for n in [*taken, *inside] if n.get("kernels")]
    others = len(taken) - len(computing)
    rest = f"{len(inside)} of them inside compiled ones" if inside else f"the other {others} are fused into them"
    title = f"taken: {len(computing)} nodes with kernels, {rest}"
    result = table("node", "op", "kernel", "target", "why", title=title)
    for node in computing:
        for i, kernel in enumerate(node["kernels"]):
            first = (node["name"], node["op"].partition(' n"')[0]) if i == 0 else ("", "")
            result.add_row(*first, kernel["kernel"], kernel["target"], kernel["reason"])
    if computing:
        show(result)
    if left and show_all:
        result = table("node", "op", "why", title="left to ONNX Runtime")
        for node in left:
            result.add_row(node["name"], node["op_type"], why(node))
        show(result)
    elif left:
        result = table("nodes>", "op", "why", title="left to ONNX Runtime (--all lists each)")
        for (op, reason), count in collections.Counter((n["op_type"], n["reason"]) for n in left).most_common():
            result.add_row(str(count), op, reason)
        show(result)


def bordered(decisions):
    """What crosses each region's border, what inside is no code in the order its reader wants, and why it is kept."""
    counted = (
        "region>",
        "nodes>",
        "inputs>",
        "outputs>",
        "of floats>",
        "floats stored inside",
        "layout changes inside",
    )
    result = table(*counted, "Mcycles>", "the host's>", "decision")
    for region in decisions["regions"]:
        counts = [str(region[key]) for key in ("region", "nodes", "inputs", "outputs")]
        floats = str(region["float_inputs"] + region["float_outputs"])
        inside = [forced(region.get(key)) for key in ("stored_floats", "layout_changes")]
        result.add_row(*counts, floats, *inside, *costs(region))
    for region in decisions.get("regions_left", []):
        result.add_row("left", str(region["nodes"]), "", "", "", "", "", *costs(region))
    return result


def costs(region):
    if "cycles" not in region:
        return "?", "?", region.get("decision", "not judged")
    ours = f"{region['cycles'] / 1e6:.2f}{' measured' if region['measured'] else ''}"
    return ours, f"{region['host_cycles'] / 1e6:.2f}", region["decision"]


def forced(found, most=4):
    """How many, and the nodes that force them."""
    if not found:
        return "?" if found is None else "0"
    names = [*list(found)[:most], *(["..."] if len(found) > most else [])]
    return f"{sum(found.values())}: {', '.join(names)}"


def why(node):
    return node["reason"] + (f" ({node['detail']})" if node.get("detail") else "")


def examined(report):
    cpu = report.get("cpu", {})
    features = ", ".join(name for name, has in cpu.get("features", {}).items() if has)
    click.echo(f"machine     {cpu.get('brand', '?')}, {cpu.get('logical_cpus', '?')} CPUs, {report['system']}")
    click.echo(f"features    {features}")
    click.echo(f"best target {report.get('host', '?')}")
    result = table("target", "alias", "runs here")
    for target in reversed(report.get("targets", [])):
        result.add_row(target["name"], target["alias"], "yes" if target["runs"] else "no: the CPU lacks it")
    show(result)
    click.echo(f"octile {report['octile']}, onnxruntime {report['onnxruntime']}, Python {report['python']}")
    plugin = report["plugin"]
    click.echo(f"plugin       {plugin['library'] or 'not found'}")
    click.echo(f"provider     {plugin['device'] or 'not registered'}")
    click.echo(f"default pack {plugin['default_pack'] or 'not readable'}")
    for name, path in report["programs"].items():
        click.echo(f"{name:12} {path or 'not found'}")
    for problem in report["problems"]:
        click.echo(f"problem: {problem}", err=True)
