"""The systems compared, each as a function that runs one model on one feed, and the loop in which they take turns.

In:  a model file, a feed, threads.  Out: {peer: times}, {peer: answer}.
Not here: which models (run.py, ops.py), records (record.py).
"""

import time

import numpy as np
import onnxruntime as ort
from octile import explain, sessions
from octile.errors import UserError

PEERS = ("octile", "ort", "openvino")


def ort_versions():
    found = {"onnxruntime": ort.__version__}
    try:
        import openvino

        found["openvino"] = openvino.__version__.split("-")[0]
    except ImportError:
        pass
    return found


def openvino_runner(path, threads, feed):
    """A function running the model in OpenVINO, or None where it is not installed or refuses the model."""
    try:
        import openvino
    except ImportError:
        return None
    try:
        core = openvino.Core()
        compiled = core.compile_model(
            str(path), "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        )
        request = compiled.create_infer_request()

        def run():
            results = request.infer(feed, share_inputs=True, share_outputs=True)
            return [np.asarray(results[output]) for output in compiled.outputs]

        run()
        return run
    except RuntimeError:
        return None


class Pool:
    """The peers of one model and feed, ready to run."""

    def __init__(self, path, feed, threads=1, pack=None, peers=PEERS):
        self.report, self.runners = None, {}
        if "octile" in peers:
            self.report, session = explain.open_explained(path, threads, {"pack": pack})
            self.runners["octile"] = lambda: session.run(None, feed)
        if "ort" in peers:
            cpu = sessions.open_session(path, "cpu", threads)
            self.runners["ort"] = lambda: cpu.run(None, feed)
        if "openvino" in peers and (runner := openvino_runner(path, threads, feed)):
            self.runners["openvino"] = runner
        self.answers = {name: [np.array(a) for a in run()] for name, run in self.runners.items()}

    def times(self, repeats, seconds=20.0):
        """{peer: sorted milliseconds}, taking turns; stops early after `seconds`."""
        for run in self.runners.values():
            run()
            run()
        times = {name: [] for name in self.runners}
        deadline = time.perf_counter() + seconds
        for i in range(repeats):
            if i >= 5 and time.perf_counter() > deadline:
                break
            for name, run in self.runners.items():
                start = time.perf_counter()
                run()
                times[name].append((time.perf_counter() - start) * 1e3)
        return {name: sorted(values) for name, values in times.items()}

    def nodes(self):
        if self.report is None:
            return None
        try:
            decisions = self.report.read()
        except UserError:
            return None
        return {"taken": decisions["nodes_taken"], "total": decisions["nodes_total"]}


def largest_difference(left, right):
    """Over all outputs, as floats; infinite where shapes differ."""
    if [a.shape for a in left] != [b.shape for b in right]:
        return float("inf")
    pairs = zip(left, right, strict=True)
    return max((float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0)) for a, b in pairs), default=0)


def summary(times):
    """Fastest, median and spread (how far the median lies above the fastest, in per cent) of sorted milliseconds."""
    best, median = times[0], times[len(times) // 2]
    return {
        "best_ms": round(best, 4),
        "median_ms": round(median, 4),
        "spread_percent": round((median / best - 1) * 100, 1),
        "repeats": len(times),
    }
