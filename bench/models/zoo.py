"""The list of benchmark models: how each is made, in which quantized forms, which shape file describes it.

In:  nothing.  Out: MODELS, in the order tables show them; FAMILIES, which no table has and no shape file describes.
Not here: writing files (make.py), running them (bench/peers).
"""

from collections.abc import Callable
from typing import NamedTuple

import bert
import families
import imagenet
import yolo


class Entry(NamedTuple):
    shapes: str  # workload/shapes/NAME.txt, if not empty
    input: tuple[int, ...]  # of `x`; the OCR models take others too
    build: Callable | None  # seed -> float model; none: it comes out of a package (ocr.py)
    forms: tuple[str, ...]
    layers_in_file: int = 1  # how often the shape file repeats what the model has once


QDQ = ("qdq_u8s8", "qdq_s8s8")
QOPERATOR = ("qop_u8s8", "qop_s8s8")
DYNAMIC = ("dynamic_u8u8",)
OCR = (*QDQ, "dot_s8s8", *DYNAMIC)  # their QOperator form as the quantizer writes it is not a valid model

MODELS = {
    "resnet50": Entry("resnet_50", tuple(imagenet.IMAGE), imagenet.resnet50, QDQ + QOPERATOR + DYNAMIC),
    "mobilenet_v1": Entry("mobilenet_v1", tuple(imagenet.IMAGE), imagenet.mobilenet_v1, QDQ + QOPERATOR),
    "mobilenet_v2": Entry("mobilenet_v2", tuple(imagenet.IMAGE), imagenet.mobilenet_v2, QDQ + QOPERATOR + DYNAMIC),
    "mobilenet_v3": Entry("mobilenet_v3", tuple(imagenet.IMAGE), imagenet.mobilenet_v3, QDQ + QOPERATOR + DYNAMIC),
    "efficientnet_lite0": Entry(
        "efficientnet_lite0", tuple(imagenet.IMAGE), imagenet.efficientnet_lite0, QDQ + QOPERATOR
    ),
    "yolo_v8n": Entry("yolo_v8n", tuple(yolo.IMAGE), yolo.yolo_v8n, QDQ + QOPERATOR),
    "bert_layer": Entry(
        "bert_base", tuple(bert.SEQUENCE), bert.bert_layer, (*QDQ, *QOPERATOR, "dot_s8s8", "dynamic_u8s8"), 12
    ),
    "ocr_det": Entry("ppocr_det", (1, 3, 640, 640), None, OCR),
    "ocr_cls": Entry("ppocr_cls", (1, 3, 48, 192), None, OCR),
    "ocr_rec": Entry("ppocr_rec", (1, 3, 48, 320), None, OCR),
}

FAMILIES = {
    name: Entry("", shape, build, ("qdq_u8s8", "inputs_s8s8", "dot_s8s8", "dynamic_u8u8"))
    for name, shape, build in (
        ("resnext", families.IMAGE, families.resnext),
        ("shufflenet", families.IMAGE, families.shufflenet),
        ("densenet", families.IMAGE, families.densenet),
        ("inception", families.IMAGE, families.inception),
        ("xcit", families.IMAGE, families.xcit),
        ("efficientnet_b0", families.IMAGE, families.efficientnet_b0),
        ("convnext", families.IMAGE, families.convnext),
        ("vit", families.IMAGE, families.vit),
        ("speech", (1, 80, 1000), families.speech),
        ("llama", (1, 128, 512), families.llama),
        ("tcn", (1, 80, 400), families.tcn),
        ("unet", (1, 3, 192, 192), families.unet),
        ("deeplab", (1, 3, 264, 264), families.deeplab),
        ("segment", (1, 3, 256, 256), families.segment),
        ("ssd", (1, 3, 288, 288), families.ssd),
        ("face", (1, 3, 112, 112), families.face),
    )
}
