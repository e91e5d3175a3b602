"""The table of the README, made from a record: nobody types numbers.

In:  the README; between its lines `<!-- measured RECORD FORMS -->` and `<!-- end -->` stands the table of that record.
Out: the README with those tables made anew, or with --check exit status 1 where one differs.
Not here: measuring (run.py).

    .venv/bin/python bench/peers/readme.py
"""

import argparse
import json
import pathlib
import re
import sys

import compare
import record

BLOCK = re.compile(r"(<!-- measured (\S+) (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
PEERS = {
    "octile": "Octile",
    "ort_int8": "ORT int8",
    "ort_fp32": "ORT fp32",
    "openvino_int8": "OpenVINO int8",
    "openvino_fp32": "OpenVINO fp32",
}


def milliseconds(row, label):
    found = row["peers"].get(label)
    return f"{found['best_ms']:.3g}" if found else "-"


def table(rows):
    """Markdown: a line per row, the best peer's time in bold, the ratio last."""
    lines = [f"| Model | Form | {' | '.join(f'{name} ms' for name in PEERS.values())} | Best peer over Octile |"]
    lines.append("|---" * (len(PEERS) + 3) + "|")
    for row in rows:
        times = [milliseconds(row, label) for label in PEERS]
        times = [f"**{t}**" if label == row["best_peer"] else t for label, t in zip(PEERS, times, strict=True)]
        ratio = f"{row['ratio']:.2f}" if row["ratio"] else "-"
        lines.append(f"| {row['model']} | {row['form']} | {' | '.join(times)} | {ratio} |")
    mean = compare.geometric_mean([row["ratio"] for row in rows if row["ratio"]])
    if mean:
        lines.append(f"| geometric mean |{' |' * (len(PEERS) + 1)} {mean:.2f} |")
    return "\n".join(lines) + "\n"


def renewed(text, records):
    """The README's text with every table made from its record in the folder `records`."""

    def block(match):
        found = json.loads((records / match[2]).read_text())
        forms = match[3].split(",")
        rows = [row for row in found["rows"] if row["form"] in forms]
        machine, versions = found["machine"], found["versions"]
        threads = sorted({row["threads"] for row in rows})
        facts = f"{machine['cpu']} ({machine['target']}), {', '.join(map(str, threads))} thread"
        facts += "s" if threads != [1] else ""
        facts += "".join(f", {name} {version}" for name, version in versions.items())
        return f"{match[1]}\n{facts}, {found['date']}.\n\n{table(rows)}\n{match[4]}"

    return BLOCK.sub(block, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readme", nargs="?", type=pathlib.Path, default=record.ROOT / "README.md")
    parser.add_argument("--check", action="store_true", help="change nothing")
    args = parser.parse_args()
    text = args.readme.read_text()
    new = renewed(text, record.ROOT / "bench" / "records")
    if args.check:
        sys.exit("README.md: a table differs from its record: run bench/peers/readme.py" if new != text else 0)
    args.readme.write_text(new)


if __name__ == "__main__":
    main()
