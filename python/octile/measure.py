"""Times and compares a model on the Octile provider and on ORT's CPU provider, in one run.

In:  a model, feeds, threads, plugin options.  Out: one dictionary per feed.
Not here: printing, single kernels (bench/kernels).

The two sessions take turns, so that a slow moment of the machine meets both; the time reported is the fastest of all
turns, with the median beside it. The answers of the timed sessions are compared before any time counts.
"""

import time

import numpy as np

from octile import explain, inputs, sessions


def difference(left, right):
    """Largest absolute difference over all outputs; infinite where shapes or NaNs disagree."""
    largest = 0.0
    for name, a in left.items():
        b = right[name]
        if a.shape != b.shape:
            return float("inf")
        if a.size == 0 or not np.issubdtype(a.dtype, np.number):
            continue
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        if not np.array_equal(np.isnan(a), np.isnan(b)):
            return float("inf")
        with np.errstate(invalid="ignore"):
            largest = max(largest, float(np.nanmax(np.where(a == b, 0.0, np.abs(a - b)), initial=0.0)))
    return largest


def compare(model, feeds, threads=1, repeats=25, seconds=10.0, options=None):
    """Yields, per feed, the record `octile bench` prints."""
    report, octile = explain.open_explained(model, threads, options)
    cpu = sessions.open_session(model, "cpu", threads)
    for feed in feeds:
        answers = {
            "octile": sessions.run(model, octile, feed),
            "cpu": sessions.run(model, cpu, feed),
        }
        times = interleave({"octile": octile, "cpu": cpu}, feed, repeats, seconds)
        best = {name: min(values) * 1e3 for name, values in times.items()}
        decisions = report.read()
        yield {
            "model": str(model),
            "shapes": inputs.shapes_text(feed),
            "threads": threads,
            "octile_ms": round(best["octile"], 4),
            "cpu_ms": round(best["cpu"], 4),
            "speedup": round(best["cpu"] / best["octile"], 3),
            "max_abs_diff": difference(answers["octile"], answers["cpu"]),
            "nodes_taken": decisions["nodes_taken"],
            "nodes_total": decisions["nodes_total"],
            "octile_median_ms": round(float(np.median(times["octile"])) * 1e3, 4),
            "cpu_median_ms": round(float(np.median(times["cpu"])) * 1e3, 4),
            "repeats": len(times["octile"]),
        }


def interleave(pool, feed, repeats, seconds):
    """Seconds of every run of every session in `pool`, taking turns; stops early when `seconds` are used up."""
    times = {name: [] for name in pool}
    for session in pool.values():
        session.run(None, feed)  # warm: plans, caches, pages
    deadline = time.perf_counter() + seconds
    while len(times["octile"]) < repeats and (len(times["octile"]) < 3 or time.perf_counter() < deadline):
        for name, session in pool.items():
            start = time.perf_counter()
            session.run(None, feed)
            times[name].append(time.perf_counter() - start)
    return times
