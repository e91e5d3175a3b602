"""Records of measurements: what was measured, where, with which command.

In:  rows of results.  Out: bench/records/DATE-NAME.json, or only the text on standard output.
Not here: measuring.
"""

import datetime
import json
import pathlib
import shlex
import subprocess
import sys

from octile import programs

ROOT = pathlib.Path(__file__).resolve().parents[2]


def machine():
    report = json.loads(programs.run("octile-doctor", []))
    return {"cpu": report["cpu"]["brand"], "target": report["host"], "logical_cpus": report["cpu"]["logical_cpus"]}


def commit():
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def write(name, rows, **facts):
    """Writes the record when `name` is given; returns its path or None."""
    record = {
        "date": datetime.date.today().isoformat(),
        "command": shlex.join(["python", *(a.replace(f"{ROOT}/", "") for a in sys.argv)]),
        "commit": commit(),
        "machine": machine(),
        **facts,
        "rows": rows,
    }
    if not name:
        return None
    path = ROOT / "bench" / "records" / f"{record['date']}-{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path
