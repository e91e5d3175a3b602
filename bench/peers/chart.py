"""The chart of a comparison: per model one group of bars, one bar per peer, as speed relative to the best peer.

In:  rows of run.py.  Out: an SVG or PNG file.
Not here: measuring; the numbers are in the record beside it.
"""

import pathlib

COLORS = {
    "octile": "#d1495b",
    "ort_int8": "#00798c",
    "ort_fp32": "#8cc5ce",
    "openvino_int8": "#edae49",
    "openvino_fp32": "#f6dba6",
}
NAMES = {
    "octile": "Octile",
    "ort_int8": "ONNX Runtime int8",
    "ort_fp32": "ONNX Runtime fp32",
    "openvino_int8": "OpenVINO int8",
    "openvino_fp32": "OpenVINO fp32",
}


def relative_speeds(row):
    """{label: the best peer's time / its time}: 1.0 is the best peer, more is faster."""
    best = row["peers"][row["best_peer"]]["best_ms"]
    return {label: best / found["best_ms"] for label, found in row["peers"].items()}


def name(row):
    threads = row.get("threads", 1)
    return f"{row['model']}\n{row['form']}" + (f", {threads} threads" if threads > 1 else "")


def draw(rows, path, title):
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    matplotlib.rcParams["svg.hashsalt"] = "octile"
    from matplotlib import pyplot

    rows = [row for row in rows if row.get("best_peer")]
    labels = [label for label in COLORS if any(label in row["peers"] for row in rows)]
    thick = 0.8 / len(labels)
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.14 * len(rows) * (len(labels) + 1)))
    for i, label in enumerate(labels):
        speeds = [(y, relative_speeds(row)[label]) for y, row in enumerate(rows) if label in row["peers"]]
        places = [y - 0.4 + (i + 0.5) * thick for y, _ in speeds]
        axes.barh(places, [s for _, s in speeds], thick, color=COLORS[label], label=NAMES[label])
        if label == "octile":
            for place, (_, speed) in zip(places, speeds, strict=True):
                axes.text(speed + 0.01, place, f"{speed:.2f}", va="center", fontsize=7)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [name(row) for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel("speed relative to the best peer (1.0); longer is faster")
    axes.set_title(title, fontsize=10)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.6 / figure.get_figheight()), ncols=3, fontsize=8)
    path = pathlib.Path(path)
    figure.savefig(path, bbox_inches="tight", dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
    return path
