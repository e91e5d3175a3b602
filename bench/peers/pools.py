"""The systems compared, each as a function that runs one model on one feed, and the loop in which they take turns.

In:  model files, a feed, threads.  Out: {label: times}, {label: answers}, {label: why it could not take part}.
Not here: which models (run.py, ops.py), what the numbers mean (compare.py), records (record.py).

A system that refuses a model is reported and the others go on.
"""

import time

import numpy as np
import onnxruntime as ort
from octile import explain, sessions
from octile.errors import UserError

# Label -> (system, which file it runs).
PEERS = {
    "octile": ("octile", "int8"),
    "ort_int8": ("ort", "int8"),
    "ort_fp32": ("ort", "fp32"),
    "openvino_int8": ("openvino", "int8"),
    "openvino_fp32": ("openvino", "fp32"),
}
TURN_MS = 10.0  # a turn of a small model lasts about this long, so that it runs from a warm cache as in use
SPIN_MS = 60.0  # ORT's threads spin for about 40 ms after a run, unless told not to


def versions():
    found = {"onnxruntime": ort.__version__}
    try:
        import openvino

        found["openvino"] = openvino.__version__.split("-")[0]
    except ImportError:
        pass
    return found


def open_octile(path, feed, threads, settings, entries):
    """(report of decisions, runner)"""
    report, session = explain.open_explained(path, threads, settings, entries)
    return report, lambda: session.run(None, feed)


def open_ort(path, feed, threads, entries):
    session = sessions.open_session(path, "cpu", threads, entries=entries)
    return lambda: session.run(None, feed)


def open_openvino(path, feed, threads, precision):
    try:
        import openvino
    except ImportError as error:
        raise UserError("OpenVINO is not installed", "scripts/setup.sh --peers") from error
    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
    if precision == "fp32":
        options["INFERENCE_PRECISION_HINT"] = "f32"  # where the CPU has bf16 the default would use it
    compiled = openvino.Core().compile_model(str(path), "CPU", options)
    request = compiled.create_infer_request()

    def run():
        results = request.infer(feed, share_inputs=True, share_outputs=True)
        return [np.asarray(results[output]) for output in compiled.outputs]

    return run


class Pool:
    """Peers ready to run the same feed. `spinning`: ORT's threads do not sleep between runs."""

    def __init__(self, feed, spinning=False):
        self.feed, self.report, self.spinning = feed, None, spinning
        self.entries = {"session.force_spinning_stop": "0"} if spinning else None
        self.runners, self.answers, self.failed = {}, {}, {}

    def add(self, label, peer, files, threads=1, settings=None):
        """`files` is {"int8": path, "fp32": path}; a peer whose file is missing, or that fails, is only noted."""
        system, precision = PEERS[peer]
        path = files.get(precision)
        try:
            if path is None:
                raise UserError(f"no {precision} file of this model")
            if system == "octile":
                self.report, run = open_octile(path, self.feed, threads, settings, self.entries)
            elif system == "ort":
                run = open_ort(path, self.feed, threads, self.entries)
            else:
                run = open_openvino(path, self.feed, threads, precision)
            self.answers[label] = [np.array(a) for a in run()]
            self.runners[label] = run
        except Exception as error:  # every system raises classes of its own
            self.failed[label] = " ".join(str(error).split())[:300] or type(error).__name__

    def times(self, repeats, seconds=20.0):
        """{label: sorted milliseconds}, taking turns; stops early after `seconds`."""
        burst = {label: self._burst(run) for label, run in self.runners.items()}
        times = {label: [] for label in self.runners}
        deadline = time.perf_counter() + seconds
        for i in range(repeats):
            if i >= 5 and time.perf_counter() > deadline:
                break
            for label, run in self.runners.items():
                settled = time.perf_counter() + SPIN_MS / 1e3
                while self.spinning and time.perf_counter() < settled:
                    run()  # until the threads of the turn before have gone to sleep
                if burst[label] > 1:
                    run()  # brings its own data back into the cache
                times[label] += [timed(run) for _ in range(burst[label])]
        return {label: sorted(values) for label, values in times.items()}

    @staticmethod
    def _burst(run):
        run()
        return max(1, min(10, int(TURN_MS / max(1e-3, min(timed(run), timed(run))))))

    def nodes(self):
        """{"taken", "total"} as the plugin reported them, or None."""
        decisions = self.decisions()
        return decisions and {"taken": decisions["nodes_taken"], "total": decisions["nodes_total"]}

    def decisions(self):
        try:
            return self.report.read() if self.report else None
        except UserError:
            return None


def timed(run):
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3
