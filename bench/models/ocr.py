"""The three PP-OCRv4 models out of the rapidocr-onnxruntime package, quantized, and their pipeline.

In:  the installed package, calibration pictures.  Out: int8 ONNX files; RapidOCR with the sessions of the caller.
Not here: quantization itself (quantize.py), which provider runs the sessions.

The models keep their dynamic shapes: the detector sees whole pictures, the recognizer batches of lines of any width.
They are calibrated on what the float pipeline really feeds them.
"""

import importlib.util
import pathlib

import onnxruntime as ort
import pictures
import quantize

SOURCES = {
    "ocr_det": "ch_PP-OCRv4_det_infer.onnx",
    "ocr_cls": "ch_ppocr_mobile_v2.0_cls_infer.onnx",
    "ocr_rec": "ch_PP-OCRv4_rec_infer.onnx",
}


def source(name):
    spec = importlib.util.find_spec("rapidocr_onnxruntime")
    if spec is None:
        raise SystemExit("rapidocr-onnxruntime is not installed: run scripts/setup.sh --demo")
    return pathlib.Path(spec.origin).parent / "models" / SOURCES[name]


class Recorder:
    """A session that keeps every input it was given."""

    def __init__(self, session):
        self.session, self.inputs = session, []

    def run(self, outputs, feed):
        self.inputs.append(feed)
        return self.session.run(outputs, feed)

    def __getattr__(self, name):
        return getattr(self.session, name)


def pipeline(sessions):
    """RapidOCR running on {"ocr_det": session, "ocr_cls": session, "ocr_rec": session}."""
    from rapidocr_onnxruntime import RapidOCR

    engine = RapidOCR()  # makes float sessions of its own, replaced here; the recognizer's alphabet is read from them
    engine.text_det.infer.session = sessions["ocr_det"]
    engine.text_cls.infer.session = sessions["ocr_cls"]
    engine.text_rec.session.session = sessions["ocr_rec"]
    return engine


def cpu_session(path, threads=0):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def calibration_inputs(count=6, seed=11):
    """What the float pipeline feeds its three models when it reads `count` random pictures."""
    recorders = {name: Recorder(cpu_session(source(name))) for name in SOURCES}
    engine = pipeline(recorders)
    for picture in pictures.random_pictures(count, seed):
        engine(picture)
    return {name: recorder.inputs for name, recorder in recorders.items()}


def make(folder, forms=("dot_s8s8",), names=tuple(SOURCES), log=print):
    """Writes NAME.onnx (float, opset 17) and NAME.FORM.onnx for whatever is not there yet; returns their paths."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {(name, form): folder / f"{name}.{form}.onnx" for name in names for form in forms}
    if all(path.exists() for path in paths.values()):
        return paths
    log("calibrating on rendered pictures of text")
    samples = calibration_inputs()
    for name in names:
        base = folder / f"{name}.onnx"
        if not base.exists():
            quantize.prepare(source(name), base)
        for form in forms:
            if not paths[name, form].exists():
                log(f"quantizing {name} ({form}, {len(samples[name])} samples)")
                quantize.quantize(base, paths[name, form], samples[name], form)
    return paths
