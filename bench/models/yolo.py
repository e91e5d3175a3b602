"""A detector built like YOLOv8n, as a float ONNX graph with seeded random weights.

In:  a seed.  Out: onnx.ModelProto, input `x` float 1x3x640x640, outputs `boxes` 1x64x8400 and `scores` 1x80x8400.
Not here: decoding the box distributions, suppression: deployments do both outside the network.
"""

from graph import GraphBuilder

IMAGE = [1, 3, 640, 640]
CLASSES, BOX = 80, 64


class Detector:
    def __init__(self, seed):
        self.b = GraphBuilder(seed)

    def conv(self, x, ic, oc, kernel, name, stride=1):
        return self.b.conv(x, ic, oc, kernel, name, stride=stride, post="silu")

    def c2f(self, x, ic, oc, repeats, name, shortcut):
        """Half the channels pass through a chain of bottlenecks; every stage of the chain is kept."""
        half = oc // 2
        parts = self.b.node(
            "Split", [self.conv(x, ic, oc, 1, f"{name}_cv1"), self.b.shape(half, half)], outputs=2, axis=1
        )
        for i in range(repeats):
            y = self.conv(parts[-1], half, half, 3, f"{name}_m{i}_cv1")
            y = self.conv(y, half, half, 3, f"{name}_m{i}_cv2")
            parts.append(self.b.node("Add", [parts[-1], y]) if shortcut else y)
        joined = self.b.node("Concat", parts, axis=1)
        return self.conv(joined, (2 + repeats) * half, oc, 1, f"{name}_cv2")

    def pyramid_pool(self, x, channels, name):
        half = channels // 2
        parts = [self.conv(x, channels, half, 1, f"{name}_cv1")]
        for _ in range(3):
            parts.append(self.b.node("MaxPool", [parts[-1]], kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1]))
        return self.conv(self.b.node("Concat", parts, axis=1), 4 * half, channels, 1, f"{name}_cv2")

    def above(self, x, other):
        scales = self.b.constant("twice", [1, 1, 2, 2])
        up = self.b.node(
            "Resize", [x, "", scales], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
        )
        return self.b.node("Concat", [up, other], axis=1)

    def branch(self, x, ic, width, oc, name):
        y = self.conv(x, ic, width, 3, f"{name}_0")
        y = self.conv(y, width, width, 3, f"{name}_1")
        y = self.b.conv(y, width, oc, 1, f"{name}_2")
        return self.b.node("Reshape", [y, self.b.shape(1, oc, -1)])


def yolo_v8n(seed=0):
    net = Detector(seed)
    b = net.b
    x = net.conv("x", 3, 16, 3, "m0", stride=2)
    x = net.conv(x, 16, 32, 3, "m1", stride=2)
    x = net.c2f(x, 32, 32, 1, "m2", True)
    x = net.conv(x, 32, 64, 3, "m3", stride=2)
    fine = net.c2f(x, 64, 64, 2, "m4", True)
    x = net.conv(fine, 64, 128, 3, "m5", stride=2)
    middle = net.c2f(x, 128, 128, 2, "m6", True)
    x = net.conv(middle, 128, 256, 3, "m7", stride=2)
    x = net.c2f(x, 256, 256, 1, "m8", True)
    coarse = net.pyramid_pool(x, 256, "m9")
    middle = net.c2f(net.above(coarse, middle), 384, 128, 1, "m12", False)
    fine = net.c2f(net.above(middle, fine), 192, 64, 1, "m15", False)
    down = net.conv(fine, 64, 64, 3, "m16", stride=2)
    middle = net.c2f(b.node("Concat", [down, middle], axis=1), 192, 128, 1, "m18", False)
    down = net.conv(middle, 128, 128, 3, "m19", stride=2)
    coarse = net.c2f(b.node("Concat", [down, coarse], axis=1), 384, 256, 1, "m21", False)
    boxes, scores = [], []
    for scale, (level, channels) in enumerate([(fine, 64), (middle, 128), (coarse, 256)]):
        boxes.append(net.branch(level, channels, 64, BOX, f"m22_{scale}_box"))
        scores.append(net.branch(level, channels, CLASSES, CLASSES, f"m22_{scale}_cls"))
    outputs = {
        "boxes": (b.node("Concat", boxes, axis=2), [1, BOX, 8400]),
        "scores": (b.node("Sigmoid", [b.node("Concat", scores, axis=2)]), [1, CLASSES, 8400]),
    }
    return b.finish("yolo_v8n", IMAGE, outputs)
