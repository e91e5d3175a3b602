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
from rich.progress import BarColumn, Progress, TextColumn

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
        session = sessions.open_session(model, "octile", threads, {"log_workloads": log, "when_slower": "keep"})
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
    """A bar on a terminal, else a line now and then: how far, how long still, what the search has found."""

    SECONDS_BETWEEN_LINES = 10

    def __init__(self):
        self.console = Console(stderr=True)
        columns = ("[bold]tuning", "{task.fields[spent]}", "{task.fields[left]} left", "{task.fields[found]}")
        texts = [TextColumn(text, markup=i == 0) for i, text in enumerate(columns)]
        self.progress = Progress(texts[0], BarColumn(30), *texts[1:], console=self.console, disable=not self.live)
        self.task = self.progress.add_task("tune", total=1, spent="", left="?", found="starting")
        self.summary, self.last_line = {}, 0.0

    @property
    def live(self):
        return self.console.is_terminal

    def __enter__(self):
        self.progress.start()
        return self

    def __exit__(self, *_):
        self.progress.stop()

    def event(self, event):
        if event.get("event") == "summary":
            self.summary = event
            return
        now = event.get("elapsed_s", 0.0)
        fields = {"spent": clock(now), "left": clock(event.get("eta_s", 0.0)), "found": describe(event)}
        self.progress.update(self.task, completed=event.get("fraction", 0.0), **fields)
        if news := news_of(event):
            self.console.print(news, markup=False, highlight=False)
        if not self.live and now >= self.last_line + self.SECONDS_BETWEEN_LINES:
            self.last_line = now
            percent = round(100 * event.get("fraction", 0.0))
            line = f"tuning {percent:3d}%  {fields['spent']}, {fields['left']} left  {fields['found']}"
            self.console.print(line, markup=False, highlight=False)


def clock(seconds):
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def describe(event):
    text = f"{event.get('trials', 0)} measured, {event.get('ok', 0)} right"
    return text + f", model {event['gain']:.2f}x the default" if event.get("gain") else text


def news_of(event):
    """What is worth a line of its own: a choice made, a candidate that failed."""
    task = event.get("task", "")
    if event.get("event") == "final" and event.get("ratio"):
        return f"{task}: chosen {event.get('cand')}, {1 / event['ratio']:.2f}x the default"
    if event.get("verdict", "ok") != "ok":
        return f"{task}: {event.get('cand')} {event['verdict']}: {event.get('reason')}"
    return None


def search(ops_file, target, budget, log, extra=()):
    """Runs octile-tune under a progress bar; returns its summary. Raises KeyboardInterrupt when it was stopped."""
    arguments = ["--ops", ops_file, "--target", target, "--budget", f"{budget:g}s", "--log", log, *extra]
    if default := programs.default_pack():
        arguments += ["--pack", default]
    with Display() as display:
        status = programs.stream("octile-tune", [*arguments, "--progress", "json"], display.event)
    if status == 130:
        raise KeyboardInterrupt
    if status != 0:
        raise UserError(f"octile-tune failed with status {status}", "its message stands above")
    return display.summary


def read_ops(path):
    try:
        return [line for line in pathlib.Path(path).read_text().splitlines() if line.strip() and line[0] != "#"]
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror})", "give a file with one op line per line") from error


def dry_run(ops_file, target):
    """What octile-tune says about the workloads and their search spaces."""
    return programs.run("octile-tune", ["--ops", ops_file, "--target", target, "--dry-run"])
