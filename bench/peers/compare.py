"""What the measured times and answers mean: summaries, ratios, distances, scaling.

In:  sorted times and answers per label (pools.py).  Out: plain dictionaries, ready for a table or a record.
Not here: measuring, printing.
"""

import math

import numpy as np


def summary(times):
    """Fastest, median and spread (how far the median lies above the fastest, in per cent) of sorted milliseconds."""
    best, median = times[0], times[len(times) // 2]
    return {
        "best_ms": round(best, 4),
        "median_ms": round(median, 4),
        "spread_percent": round((median / best - 1) * 100, 1),
        "repeats": len(times),
    }


def without_octile(rows):
    """The files it failed on: such rows compare nothing."""
    return [f"{r['model']}.{r['form']}" for r in rows if any(label.startswith("octile") for label in r["failed"])]


def best_peer(peers):
    """The label of the fastest one that is not Octile, or None; `peers` is {label: summary}."""
    others = [label for label in peers if label != "octile"]
    return min(others, key=lambda label: peers[label]["best_ms"], default=None)


def ratio(peers, label):
    """How many times as fast as `label` Octile is, or None where one of them did not run."""
    if label not in peers or "octile" not in peers:
        return None
    return round(peers[label]["best_ms"] / peers["octile"]["best_ms"], 3)


def geometric_mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values)) if values else None


def largest_difference(left, right):
    """Over all outputs, as floats; infinite where shapes differ."""
    if [a.shape for a in left] != [b.shape for b in right]:
        return float("inf")
    pairs = zip(left, right, strict=True)
    return max((float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0)) for a, b in pairs), default=0)


def cosine(left, right):
    """Of all outputs laid end to end; 1 is the same direction."""
    a, b = (np.concatenate([x.astype(np.float64).ravel() for x in side]) for side in (left, right))
    if a.shape != b.shape:
        return float("nan")
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norms if norms else 1.0


def top1(left, right):
    """The share of rows (along the last axis) whose largest element is in the same place; None for feature maps."""
    rows = [(a, b) for a, b in zip(left, right, strict=True) if a.ndim in (2, 3) and a.shape == b.shape]
    if not rows:
        return None
    same = [np.asarray(a.argmax(-1) == b.argmax(-1)).ravel() for a, b in rows]
    return round(float(np.concatenate(same).mean()), 4)


def answers(found, references):
    """Per label, the distance of its answers from those of the first of `references` that ran."""
    reference = next((label for label in references if label in found), None)
    if reference is None:
        return {}
    want = found[reference]
    return {
        label: {
            "max_abs_diff": largest_difference(got, want),
            "cosine": round(cosine(got, want), 6),
            "top1": top1(got, want),
        }
        for label, got in found.items()
        if label != reference
    }


def far(answers, least=0.9):
    """{label: cosine} of the peers whose answers hardly resemble the float model's: their times mean little."""
    return {label: found["cosine"] for label, found in answers.items() if not found["cosine"] >= least}


def panels_by_mode(decisions, modes):
    """{mode: share of all weight panels}: which arithmetic the packed weights allowed.

    `modes` is {kernel name: the half of its candidate that says how weights are packed}; others count as themselves.
    """
    panels = {}
    for node in decisions["nodes"]:
        for kernel in node.get("kernels", []):
            mode = modes.get(kernel["kernel"], kernel["kernel"])
            panels[mode] = panels.get(mode, 0) + kernel.get("panels", 0)
    total = sum(panels.values())
    return {mode: round(count / total, 3) for mode, count in sorted(panels.items()) if count} if total else {}


def scaling(times):
    """{peer: time at one thread / time at N} of {"peer@threads": summary}, for every N above the smallest."""
    at = {}
    for label, found in times.items():
        peer, _, threads = label.partition("@")
        at.setdefault(peer, {})[int(threads)] = found["best_ms"]
    result = {}
    for peer, by_threads in at.items():
        least = min(by_threads)
        result[peer] = {n: round(by_threads[least] / ms, 3) for n, ms in sorted(by_threads.items()) if n != least}
    return result


def by_threads(rows):
    """Rows of a scaling run, whose peers are "peer@threads", as one row per number of threads."""
    result = []
    for row in rows:
        threads = sorted({int(label.partition("@")[2]) for label in row["peers"]})
        for n in threads:
            peers = {label.partition("@")[0]: v for label, v in row["peers"].items() if label.endswith(f"@{n}")}
            result.append({"model": row["model"], "form": row["form"], "threads": n, "peers": peers})
    return result


def slower(rows, margin):
    """(row, ratio) of every row where Octile takes more than (1 + margin) times as long as ORT on the same file."""
    found = [(row, ratio(row["peers"], "ort_int8")) for row in rows]
    return [(row, r) for row, r in found if r is not None and r < 1 / (1 + margin)]
