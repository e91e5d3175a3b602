"""One encoder layer of BERT-base, as a float ONNX graph with seeded random weights.

In:  a seed.  Out: onnx.ModelProto, input `x` float 1x128x768 (what the layer before hands on), output `y` likewise.
Not here: embeddings, the attention mask (one full sequence), the task's head.

Written as PyTorch exports it: linear layers as MatMul and Add, Gelu spelled with Erf, LayerNormalization as one node.
"""

import math

import numpy as np
from graph import GraphBuilder

TOKENS, HIDDEN, HEADS, INNER = 128, 768, 12, 3072
SEQUENCE = [1, TOKENS, HIDDEN]


def norm(b, x, name):
    scale = b.constant(f"{name}:scale", b.rng.normal(1, 0.1, HIDDEN))
    shift = b.constant(f"{name}:shift", b.rng.normal(0, 0.1, HIDDEN))
    return b.node("LayerNormalization", [x, scale, shift], name, axis=-1, epsilon=1e-12)


def heads(b, x, name, order):
    split = b.node("Reshape", [x, b.shape(1, TOKENS, HEADS, HIDDEN // HEADS)], f"{name}_split")
    return b.node("Transpose", [split], f"{name}_heads", perm=order)


def gelu(b, x):
    erf = b.node("Erf", [b.node("Div", [x, b.constant("sqrt2", math.sqrt(2))])])
    grown = b.node("Mul", [x, b.node("Add", [erf, b.constant("one", 1)])])
    return b.node("Mul", [grown, b.constant("half", 0.5)])


def bert_layer(seed=0):
    b = GraphBuilder(seed)
    query = heads(b, b.linear("x", HIDDEN, HIDDEN, "query"), "query", [0, 2, 1, 3])
    key = heads(b, b.linear("x", HIDDEN, HIDDEN, "key"), "key", [0, 2, 3, 1])
    value = heads(b, b.linear("x", HIDDEN, HIDDEN, "value"), "value", [0, 2, 1, 3])
    scores = b.node("MatMul", [query, key], "scores")
    scores = b.node("Div", [scores, b.constant("root", np.sqrt(HIDDEN // HEADS))], "scaled")
    weights = b.node("Softmax", [scores], "attention", axis=-1)
    context = b.node("Transpose", [b.node("MatMul", [weights, value], "context")], "context_rows", perm=[0, 2, 1, 3])
    context = b.node("Reshape", [context, b.shape(*SEQUENCE)], "context_joined")
    x = norm(b, b.node("Add", [b.linear(context, HIDDEN, HIDDEN, "output"), "x"]), "norm1")
    y = b.linear(gelu(b, b.linear(x, HIDDEN, INNER, "ffn1")), INNER, HIDDEN, "ffn2")
    y = norm(b, b.node("Add", [y, x]), "norm2")
    return b.finish("bert_layer", SEQUENCE, {"y": (y, SEQUENCE)})
