"""How near the any-shape kernels come to kernels built for one workload, from a tuning log.

In:  a log of octile-tune, whose every record timed a candidate in turns with the any-shape kernels (base_us).
Out: per op the share (time of the best specialised kernel / time of the any-shape ones), the geometric mean, the worst;
     with --record NAME also bench/records/DATE-NAME.json.
Not here: measuring.

    octile-tune --ops workload/shapes/resnet_50.txt --target avx512vnni --trials 6 --log any.jsonl
    .venv/bin/python bench/kernels/any_shape_share.py any.jsonl --record any-shape-share
"""

import argparse
import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
import record  # noqa: E402


def shares(path):
    """{(target, op): [share, trials, any_us, best_us, candidate]} over right answers; garbage lines are left out."""
    found = {}
    for line in pathlib.Path(path).read_text().splitlines():
        try:
            r = json.loads(line)
        except json.JSONDecodeError:
            continue
        if r.get("verdict") != "ok" or "any-shape" not in r.get("default", "") or not r.get("base_us"):
            continue
        share = r["est_us"] / r["base_us"]
        row = found.setdefault((r["target"], r["op"]), [math.inf, 0, 0, 0, ""])
        row[1] += 1
        if share < row[0]:
            row[0], row[2], row[3], row[4] = share, r["base_us"], r["est_us"], r["cand"]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log")
    parser.add_argument("--record", help="name of the record to write")
    args = parser.parse_args()
    found = sorted(shares(args.log).items(), key=lambda item: item[1][0])
    if not found:
        sys.exit(f"{args.log}: no measurement against any-shape kernels; run octile-tune with a default pack")
    capped = [min(1.0, row[0]) for _, row in found]  # a specialised kernel that is slower would not be used
    mean = math.exp(sum(map(math.log, capped)) / len(capped))
    for (_, op), row in found[:10]:
        print(f"{row[0]:.2f}  {row[2]:9.2f} us any-shape, {row[3]:9.2f} us  {row[4]}  {op[:90]}")
    below = sum(share < 0.85 for share in capped)
    print(f"{len(found)} ops, geometric mean {mean:.3f}, worst {capped[0]:.2f}, {below} below 0.85")
    rows = [
        {"target": t, "op": op, "share": round(r[0], 3), "any_us": r[2], "best_us": r[3], "best": r[4], "trials": r[1]}
        for (t, op), r in found
    ]
    if path := record.write(args.record, rows, geomean=round(mean, 4), below_085=below):
        print(f"record: {path}")


if __name__ == "__main__":
    main()
