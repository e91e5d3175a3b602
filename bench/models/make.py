"""Builds the benchmark models, each as float and in its quantized forms, with one sample input.

In:  an output folder, optionally names and forms.
Out: NAME.onnx (float), NAME.FORM.onnx, NAME.npz (an input none of them was calibrated on); existing files are kept.
Not here: the list itself (zoo.py), running them (bench/peers, `octile bench`).

    .venv/bin/python bench/models/make.py build/models
    .venv/bin/python bench/models/make.py build/models --names resnet50,ocr_rec --forms qdq_s8s8
    .venv/bin/python bench/models/make.py build/families --families
"""

import argparse
import pathlib

import numpy as np
import ocr
import onnx
import quantize
import zoo


def make_net(name, entry, folder, forms, seed):
    base = folder / f"{name}.onnx"
    if not base.exists():
        onnx.save(entry.build(seed), base)
    rng = np.random.default_rng(seed + 1)
    *samples, held_out = [{"x": rng.normal(0, 1, entry.input).astype(np.float32)} for _ in range(4)]
    for form in forms:
        path = folder / f"{name}.{form}.onnx"
        if not path.exists():
            print(f"quantizing {name} ({form})", flush=True)
            quantize.quantize(base, path, samples, form)
    save_input(folder / f"{name}.npz", held_out["x"])


def make_ocr(names, folder, forms):
    """Pictures of other text than the calibration's, cropped to the shape that stands for the model."""
    ocr.make(folder, forms, names)
    if all((folder / f"{name}.npz").exists() for name in names):
        return
    recorded = ocr.calibration_inputs(count=1, seed=12)
    for name in names:
        shape = zoo.MODELS[name].input
        fitting = [feed["x"] for feed in recorded[name] if all(np.greater_equal(feed["x"].shape, shape))]
        save_input(folder / f"{name}.npz", fitting[0][tuple(slice(extent) for extent in shape)])


def save_input(path, array):
    if not path.exists():
        np.savez(path, x=array)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--names", help="comma separated; default: all")
    parser.add_argument("--families", action="store_true", help="networks of other families than the list's")
    parser.add_argument("--forms", help="comma separated; default: every form each model has")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    known = zoo.FAMILIES if args.families else zoo.MODELS
    names = args.names.split(",") if args.names else tuple(known)
    forms = args.forms.split(",") if args.forms else tuple(quantize.FORMS)
    for unknown in [n for n in names if n not in known] + [f for f in forms if f not in quantize.FORMS]:
        parser.error(f"unknown {unknown}; names: {', '.join(known)}; forms: {', '.join(quantize.FORMS)}")
    args.folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {args.seed}")
    for name in names:
        entry = known[name]
        wanted = tuple(form for form in entry.forms if form in forms)
        if entry.build is not None:
            make_net(name, entry, args.folder, wanted, args.seed)
        else:
            make_ocr((name,), args.folder, wanted)


if __name__ == "__main__":
    main()
