"""Post-training quantization with ONNX Runtime's own quantizer, in the forms the benchmarks and the demonstration use.

In:  a float ONNX file, calibration inputs, a form.  Out: a quantized ONNX file.
Not here: building nets (imagenet.py), fetching the OCR models (ocr.py).
"""

import logging
import pathlib
import tempfile
from typing import NamedTuple

import onnx
import onnx.version_converter
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

DOT_OPS = ("Conv", "MatMul", "Gemm")


class Form(NamedTuple):
    """Weights are s8 per channel at full +-127, unless said."""

    format: QuantFormat | None  # none: dynamic, activations get their scale at run time
    activation: QuantType
    ops: tuple[str, ...] | None = None  # None: every op the quantizer knows
    float_first: bool = False  # the first convolution, which sees the picture, stays float
    weights: QuantType = QuantType.QInt8
    inputs_only: bool = False  # of the ops nothing but what they read; symmetric


# dot_*: only convolutions and matmuls are quantized, the first one and the tails between them stay float. It keeps the
# OCR models readable: with every op quantized the recognizer loses spaces and letters under any provider.
# inputs_s8s8: what tools write whose models are for TensorRT: results, sums and activations between stay floats.
# dynamic_u8u8: what networks of convolutions want, ONNX Runtime takes several times as long with signed weights.
FORMS = {
    "qdq_u8s8": Form(QuantFormat.QDQ, QuantType.QUInt8),
    "qdq_s8s8": Form(QuantFormat.QDQ, QuantType.QInt8),
    "qop_u8s8": Form(QuantFormat.QOperator, QuantType.QUInt8),
    "qop_s8s8": Form(QuantFormat.QOperator, QuantType.QInt8),
    "dynamic_u8s8": Form(None, QuantType.QUInt8),
    "dynamic_u8u8": Form(None, QuantType.QUInt8, weights=QuantType.QUInt8),
    "dot_s8s8": Form(QuantFormat.QDQ, QuantType.QInt8, DOT_OPS, float_first=True),
    "inputs_s8s8": Form(QuantFormat.QDQ, QuantType.QInt8, DOT_OPS, inputs_only=True),
}


class Samples(CalibrationDataReader):
    """A list of {input name: array}, handed out one by one."""

    def __init__(self, samples):
        self.samples = iter(samples)

    def get_next(self):
        return next(self.samples, None)


def prepare(source, destination, opset=17):
    """Raises the opset (per-channel QDQ needs 13), lets ORT fold and fuse; keeps dynamic shapes and metadata."""
    model = onnx.load(source)
    metadata = [(p.key, p.value) for p in model.metadata_props]
    model = onnx.version_converter.convert_version(model, opset)
    with tempfile.TemporaryDirectory() as folder:
        raised = pathlib.Path(folder) / "raised.onnx"
        onnx.save(model, raised)
        quant_pre_process(str(raised), str(destination), skip_symbolic_shape=True)
    restore_metadata(destination, metadata)


def restore_metadata(path, metadata):
    model = onnx.load(path)
    have = {p.key for p in model.metadata_props}
    for key, value in metadata:
        if key not in have:
            model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)


def quantize(source, destination, samples, form):
    """Writes `destination`, once it is whole; `samples` is a list of {input name: array}, `form` a key of FORMS."""
    chosen = FORMS[form]
    part = destination.with_suffix(".part")
    model = onnx.load(source, load_external_data=False)
    metadata = [(p.key, p.value) for p in model.metadata_props]
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    root_level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)  # the quantizer advises pre-processing on every call
    try:
        if chosen.format is None:
            quantize_dynamic(str(source), str(part), per_channel=True, weight_type=chosen.weights)
        else:
            quantize_statically(source, part, samples, chosen, convolutions)
    finally:
        logging.getLogger().setLevel(root_level)
    restore_metadata(part, metadata)
    part.rename(destination)


def quantize_statically(source, destination, samples, chosen, convolutions):
    quantize_static(
        str(source),
        str(destination),
        Samples(samples),
        quant_format=chosen.format,
        per_channel=True,
        reduce_range=False,
        activation_type=chosen.activation,
        weight_type=chosen.weights,
        op_types_to_quantize=chosen.ops and list(chosen.ops),
        nodes_to_exclude=convolutions[:1] if chosen.float_first else [],
        extra_options=(
            {"OpTypesToExcludeOutputQuantization": list(DOT_OPS), "ActivationSymmetric": True}
            if chosen.inputs_only
            else {}
        ),
    )
