"""Builds the benchmark models: seeded ResNet-50 and MobileNetV2, and the PP-OCRv4 models, each in quantized forms.

In:  an output folder, optionally names and forms.  Out: NAME.onnx (float) and NAME.FORM.onnx; existing files are kept.
Not here: running them (bench/peers, `octile bench`).

    .venv/bin/python bench/models/make.py build/models
    .venv/bin/python bench/models/make.py build/models --names resnet50,ocr_rec --forms qdq_s8s8
"""

import argparse
import pathlib

import nets
import numpy as np
import ocr
import onnx
import quantize


def make_net(name, folder, forms, seed):
    base = folder / f"{name}.onnx"
    if not base.exists():
        onnx.save(nets.NETS[name](seed), base)
    rng = np.random.default_rng(seed + 1)
    samples = [{"x": rng.normal(0, 1, nets.IMAGE).astype(np.float32)} for _ in range(3)]
    for form in forms:
        path = folder / f"{name}.{form}.onnx"
        if not path.exists():
            print(f"quantizing {name} ({form})", flush=True)
            part = path.with_suffix(".part")
            quantize.quantize(base, part, samples, form)
            part.rename(path)


def main():
    known = [*nets.NETS, *ocr.SOURCES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--names", default=",".join(known), help="comma separated; default: all")
    parser.add_argument("--forms", default=",".join(quantize.FORMS), help="comma separated; default: all")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    names, forms = args.names.split(","), args.forms.split(",")
    for unknown in [n for n in names if n not in known] + [f for f in forms if f not in quantize.FORMS]:
        parser.error(f"unknown {unknown}; names: {', '.join(known)}; forms: {', '.join(quantize.FORMS)}")
    args.folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {args.seed}")
    for name in names:
        if name in nets.NETS:
            make_net(name, args.folder, forms, args.seed)
    if ocr_names := tuple(n for n in names if n in ocr.SOURCES):
        ocr_forms = tuple(
            f for f in forms if not f.startswith("qop")
        )  # the QOperator form of these models is not valid
        ocr.make(args.folder, ocr_forms, ocr_names)


if __name__ == "__main__":
    main()
