"""Op lines drawn at random: what feature maps and layers might be, not what published networks are.

In:  --count, --seed.  Out: op lines on standard output, for octile-tune and octile-bench-kernels.
Not here: traps for correctness (tests/support).

    .venv/bin/python bench/kernels/draw_ops.py --count 60 --seed 1 > random.ops
"""

import argparse
import math
import random


def channels(rng, low, high):
    """Log-uniform; half of them multiples of 16, the rest anything."""
    value = round(math.exp(rng.uniform(math.log(low), math.log(high))))
    return max(16, value // 16 * 16) if rng.random() < 0.5 else value


def draw(rng):
    kind = rng.choice(["conv", "conv", "pointwise", "pointwise", "depthwise", "dense"])
    tail = "src=u8:zp wei=s8:per_oc bia=s32 dst=u8:zp"
    if kind == "dense":
        m = rng.choice([1, rng.randint(2, 300)])
        return f"dense mb1m{m}k{channels(rng, 32, 3072)}n{channels(rng, 16, 3072)} {tail}"
    width = rng.randint(7, 112)
    height = max(1, round(width * rng.choice([1, 1, 0.5, 2])))
    kernel = {"conv": rng.choice([3, 3, 5]), "depthwise": rng.choice([3, 3, 5]), "pointwise": 1}[kind]
    stride = rng.choice([1, 1, 2]) if kernel > 1 else 1
    limit = {"conv": 256, "pointwise": 1024, "depthwise": 960}[kind]
    ic = channels(rng, 8, limit)
    groups, oc = (ic, ic) if kind == "depthwise" else (1, channels(rng, 8, limit))
    pad = kernel // 2
    strides = f"sh{stride}sw{stride}" if stride > 1 else ""
    pads = f"pt{pad}pl{pad}pb{pad}pr{pad}" if pad else ""
    return f"conv2d mb1g{groups}ic{ic}ih{height}iw{width}oc{oc}kh{kernel}kw{kernel}{strides}{pads} {tail}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    for _ in range(args.count):
        print(draw(rng))


if __name__ == "__main__":
    main()
