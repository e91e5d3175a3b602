"""The roofline picture of a layers report: arithmetic intensity against what was reached.

In:  the report of layers.py.  Out: an SVG or PNG file.
Not here: measuring.
"""

import pathlib

from octile.errors import UserError


def points(report):
    """[(multiply-adds per byte, GMAC/s, microseconds, bound)] of the layers that multiply."""
    layers = [layer for layer in report["layers"] if layer["macs"] and layer["bytes"]]
    return [(layer["macs"] / layer["bytes"], layer["gmac_per_s"], layer["us"], layer["bound"]) for layer in layers]


def draw(report, path):
    try:
        import matplotlib
    except ImportError as error:
        raise UserError("matplotlib is not installed", "pip install matplotlib") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = points(report)
    if not found:
        raise UserError("no layer multiplies: nothing to draw")
    machine = report["machine"]
    peak = machine["gmac_per_s"]
    low, high = min(p[0] for p in found) / 2, max(p[0] for p in found) * 2
    low, high = min(low, peak / machine["memory"][0][1] / 4), max(high, peak / machine["memory"][-1][1] * 2)
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for size, rate in machine["memory"]:
        ridge = peak / rate
        axes.plot([low, ridge, high], [low * rate, peak, peak], linewidth=1, label=f"{size >> 10} KiB: {rate:.0f} GB/s")
    longest = max(p[2] for p in found)
    for bound, color in (("compute", "#d1495b"), ("memory", "#00798c")):
        chosen = [p for p in found if p[3] == bound]
        if chosen:
            sizes = [10 + 150 * p[2] / longest for p in chosen]
            x, y = [p[0] for p in chosen], [p[1] for p in chosen]
            axes.scatter(x, y, s=sizes, color=color, alpha=0.6, label=f"bound by {bound} (area: time)")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("multiply-adds per byte read or written")
    axes.set_ylabel("GMAC/s")
    threads = report["threads"]
    axes.set_title(
        f"{pathlib.Path(report['model']).name}, {threads} thread{'s' if threads > 1 else ''}, {machine['loop']}"
    )
    axes.legend(fontsize=8)
    try:
        figure.savefig(path, bbox_inches="tight", dpi=150)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot draw there ({error})", "a name ending in .svg or .png") from error
    finally:
        pyplot.close(figure)
