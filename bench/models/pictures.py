"""Pictures of text, rendered with DejaVu Sans: what the OCR models are calibrated on and shown.

In:  lines of text or a seed.  Out: RGB pictures as arrays.
Not here: reading them (ocr.py).
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONT = "DejaVuSans.ttf"

TEXT = (
    "tiles of octets carry whole networks across small machines and every answer stays exact while kernels are "
    "tuned packed signed shipped measured Invoice Total Street Number Order Receipt Monday Customer Delivery Price "
    "2024 2025 1,299.00 48-17 A4 B12 No.7 50% #301 10:45 x86 int8 Conv MatMul Softmax Resize"
)
WORDS = TEXT.split()

# The picture the demonstration reads.
DEMO_LINES = (
    "Octile makes int8 pay",
    "Keep ONNX Runtime, bring a quantized model",
    "tune once per device, ship one pack",
    "Order 48-17: 12 tiles at 3.50, total 42.00",
    "The quick brown fox jumps over the lazy dog",
    "exact on every machine, 1 2 3 4 5 6 7 8 9 0",
)


def font(size):
    try:
        return ImageFont.truetype(FONT, size)
    except OSError as error:
        raise SystemExit(f"{FONT} not found: install Debian's fonts-dejavu-core (scripts/setup.sh does)") from error


def render(lines, size=32, width=800, ink=(20, 20, 20), paper=(250, 250, 245)):
    """One picture with a line of text per row."""
    row = int(size * 1.8)
    picture = Image.new("RGB", (width, row * len(lines) + size), paper)
    draw = ImageDraw.Draw(picture)
    for i, line in enumerate(lines):
        draw.text((size, size // 2 + i * row), line, font=font(size), fill=ink)
    return np.asarray(picture)


def random_pictures(count, seed):
    """Pictures of random words in random sizes, inks and papers."""
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        size = int(rng.integers(20, 48))
        lines = [" ".join(rng.choice(WORDS, rng.integers(2, 6))) for _ in range(rng.integers(4, 9))]
        ink = tuple(int(v) for v in rng.integers(0, 110, 3))
        paper = tuple(int(v) for v in rng.integers(190, 256, 3))
        if rng.random() < 0.25:
            ink, paper = paper, ink
        pictures.append(render(lines, size, int(rng.integers(640, 1000)), ink, paper))
    return pictures


def demo_picture():
    return render(DEMO_LINES)
