"""Encoder layers of BERT, as float ONNX graphs with seeded random weights.

In:  a seed, a size.  Out: onnx.ModelProto, input `x` float 1 x tokens x hidden (what the layer before hands on), output
     `y` likewise.
Not here: embeddings, the attention mask (one full sequence), the task's head.

Written as PyTorch exports it: linear layers as MatMul and Add, Gelu spelled with Erf, LayerNormalization as one node.
"""

import math
from typing import NamedTuple

import numpy as np
from graph import GraphBuilder


class Size(NamedTuple):
    tokens: int | str  # a name: any number
    hidden: int
    heads: int
    inner: int

    def sequence(self):
        return [1, self.tokens, self.hidden]

    def rows(self):
        return self.tokens if isinstance(self.tokens, int) else -1


BASE = Size(128, 768, 12, 3072)
MINI = Size("tokens", 384, 12, 1536)  # of MiniLM, which embeds sentences
SEQUENCE = BASE.sequence()


def norm(b, x, size, name):
    scale = b.constant(f"{name}:scale", b.rng.normal(1, 0.1, size.hidden))
    shift = b.constant(f"{name}:shift", b.rng.normal(0, 0.1, size.hidden))
    return b.node("LayerNormalization", [x, scale, shift], name, axis=-1, epsilon=1e-12)


def heads(b, x, size, name, order):
    extents = b.shape(1, size.rows(), size.heads, size.hidden // size.heads)
    return b.node("Transpose", [b.node("Reshape", [x, extents], f"{name}_split")], f"{name}_heads", perm=order)


def gelu(b, x):
    erf = b.node("Erf", [b.node("Div", [x, b.constant("sqrt2", math.sqrt(2))])])
    grown = b.node("Mul", [x, b.node("Add", [erf, b.constant("one", 1)])])
    return b.node("Mul", [grown, b.constant("half", 0.5)])


def attention(b, x, size, prefix=""):
    """Every token's mixture of all, through a linear layer."""
    hidden = size.hidden

    def linear(src, name):
        return b.linear(src, hidden, hidden, prefix + name)

    query = heads(b, linear(x, "query"), size, prefix + "query", [0, 2, 1, 3])
    key = heads(b, linear(x, "key"), size, prefix + "key", [0, 2, 3, 1])
    value = heads(b, linear(x, "value"), size, prefix + "value", [0, 2, 1, 3])
    scores = b.node("MatMul", [query, key], prefix + "scores")
    scores = b.node("Div", [scores, b.constant("root", np.sqrt(hidden // size.heads))], prefix + "scaled")
    weights = b.node("Softmax", [scores], prefix + "attention", axis=-1)
    context = b.node("MatMul", [weights, value], prefix + "context")
    context = b.node("Transpose", [context], prefix + "context_rows", perm=[0, 2, 1, 3])
    context = b.node("Reshape", [context, b.shape(1, size.rows(), hidden)], prefix + "context_joined")
    return linear(context, "output")


def layer(b, x, size, prefix=""):
    hidden = size.hidden
    x = norm(b, b.node("Add", [attention(b, x, size, prefix), x]), size, prefix + "norm1")
    y = gelu(b, b.linear(x, hidden, size.inner, prefix + "ffn1"))
    y = b.linear(y, size.inner, hidden, prefix + "ffn2")
    return norm(b, b.node("Add", [y, x]), size, prefix + "norm2")


def bert_layer(seed=0):
    b = GraphBuilder(seed)
    return b.finish("bert_layer", SEQUENCE, {"y": (layer(b, "x", BASE), SEQUENCE)})


def encoder(seed=0, size=MINI, layers=6):
    b = GraphBuilder(seed)
    x = "x"
    for i in range(layers):
        x = layer(b, x, size, f"layer{i}_")
    return b.finish("encoder", size.sequence(), {"y": (x, size.sequence())})
