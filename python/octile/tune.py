"""Extracts a model's workloads through the plugin and has octile-tune search kernels for them.

In:  models with feeds, or a file of op lines; a budget.  Out: records appended to the tuning log.
Not here: the search, building, measuring (octile-tune does all of it).

What ONNX Runtime hands to the provider is what gets tuned: the plugin's option `log_workloads` makes it write one op
line per planned node and shape; the count in the line says how often the model runs it.
"""

import pathlib
import re
import tempfile

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from octile import inputs, programs, sessions
from octile.errors import UserError

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def parse_budget(text):
    """'90s', '10m', '1.5h' or plain seconds, in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None or float(match[1]) <= 0:
        raise UserError(f"--budget {text}: not a time", "write it like 90s, 10m or 1h")
    return float(match[1]) * UNITS[match[2]]


def extract(model, shapes=(), files=(), threads=1):
    """The op lines of everything the provider takes of `model` at these inputs."""
    with tempfile.TemporaryDirectory(prefix="octile-tune-") as folder:
        log = pathlib.Path(folder) / "workloads.txt"
        session = sessions.open_session(model, "octile", threads, {"log_workloads": log})
        for feed in inputs.feeds(model, session.get_inputs(), shapes, files):
            sessions.run(model, session, feed)
        lines = log.read_text().splitlines() if log.exists() else []
    ops = [line for line in lines if line.strip() and not line.startswith("#")]
    if not ops:
        raise UserError(
            f"{model}: the provider takes no node of it, so there is nothing to tune",
            "octile explain says why each node is left",
        )
    return ops


def write_ops(path, ops):
    path.write_text("".join(f"{op}\n" for op in ops))


class Display:
    """The progress bar: spent and remaining budget, and what the search has found."""

    def __init__(self, budget):
        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("[bold]tuning"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
            console=self.console,
        )
        self.task = self.progress.add_task("tune", total=budget, text="starting")
        self.last = {}

    def __enter__(self):
        self.progress.start()
        return self

    def __exit__(self, *_):
        self.progress.stop()

    def event(self, event):
        self.last |= event
        self.progress.update(self.task, completed=event.get("elapsed_s", 0), text=self.text())

    def text(self):
        done, ok = self.last.get("trials", 0), self.last.get("ok", 0)
        gain = self.last.get("gain")
        return f"{done} measured, {ok} right" + (f", {gain:.2f}x the default" if gain else "")


def search(ops_file, target, budget, log, extra=()):
    """Runs octile-tune under a progress bar; returns its last event."""
    arguments = ["--ops", ops_file, "--target", target, "--budget", budget, "--log", log, "--progress", "json", *extra]
    with Display(budget) as display:
        status = programs.stream("octile-tune", arguments, display.event)
    if status != 0:
        raise UserError(f"octile-tune failed with status {status}", "its message stands above")
    return display.last


def read_ops(path):
    try:
        return [line for line in pathlib.Path(path).read_text().splitlines() if line.strip() and line[0] != "#"]
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror})", "give a file with one op line per line") from error


def dry_run(ops_file, target):
    """What octile-tune says about the workloads and their search spaces."""
    return programs.run("octile-tune", ["--ops", ops_file, "--target", target, "--dry-run"])
