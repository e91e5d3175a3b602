"""Finds and runs the C++ programs that do the work.

In:  a program's name and arguments.  Out: its output, or its progress as dictionaries, or a UserError with its message.
Not here: what the programs compute.

Looked for in this order: $OCTILE_BIN, the installed package's bin/, the build of the checkout this file lies in.
"""

import json
import os
import pathlib
import signal
import subprocess

from octile.errors import UserError

PACKAGE = pathlib.Path(__file__).resolve().parent


def folders():
    """Where programs may lie, best first."""
    if "OCTILE_BIN" in os.environ:
        return [pathlib.Path(os.environ["OCTILE_BIN"])]
    return [PACKAGE / "bin", PACKAGE.parents[1] / "build" / "release" / "bin"]


def find(name):
    for folder in folders():
        if os.access(folder / name, os.X_OK):
            return folder / name
    raise UserError(
        f"the program {name} was not found in {', '.join(map(str, folders()))}",
        "build it (.venv/bin/cmake --build --preset release) or point OCTILE_BIN at the folder that holds it",
    )


def default_pack():
    """The default pack beside the programs, or None: what a model runs on untuned, and what tuned kernels must beat."""
    packs = [folder / "octile-default.octpack" for folder in folders()]
    return next((pack for pack in packs if pack.is_file()), None)


def run_visibly(name, arguments):
    """Runs a program that shows its own progress and messages on standard error; returns what it printed."""
    command = [str(find(name)), *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"{name} failed with status {done.returncode}", "its message stands above")
    return done.stdout


def run(name, arguments):
    """Runs a program to its end and returns what it printed."""
    command = [str(find(name)), *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise failure(name, done.returncode, done.stderr)
    return done.stdout


def stream(name, arguments, on_event):
    """Runs a program that prints one JSON object per line, hands each to `on_event`; returns the exit status.

    Ctrl-C reaches the program too (it shares the terminal's process group): it finishes the record being written and
    ends by itself, so we wait for it and raise KeyboardInterrupt afterwards.
    """
    command = [str(find(name)), *map(str, arguments)]
    interrupted = False
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as child:
        while True:
            try:
                for line in child.stdout:
                    if event := parse_event(line):
                        on_event(event)
                status = child.wait()
                break
            except KeyboardInterrupt:
                if interrupted:  # a second Ctrl-C: no more patience
                    child.kill()
                interrupted = True
                child.send_signal(signal.SIGINT)
    if interrupted:
        raise KeyboardInterrupt
    return status


def parse_event(line):
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return None
    return event if isinstance(event, dict) else None


def failure(name, status, stderr):
    """The program's own last words, without its name in front twice."""
    lines = [line for line in stderr.strip().splitlines() if line.strip()]
    said = lines[-1].removeprefix(f"{name}: ") if lines else ""
    if status < 0:
        said = f"ended by signal {signal.Signals(-status).name}" + (f" ({said})" if said else "")
    return UserError(f"{name}: {said or f'failed with status {status}'}")
