"""Inputs of a model: from shapes given on the command line with seeded random values, or from .npz files.

In:  the session's input declarations, --shape texts, files.  Out: one or more {name: array}, called a feed.
Not here: sessions.
"""

import pathlib
import re

import numpy as np

from octile.errors import UserError

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


def parse_shapes(texts):
    """['x=1x3x8x8', 'x=2x3x8x8'] -> [{'x': (1,3,8,8)}, {'x': (2,3,8,8)}]: a name met again begins the next set."""
    sets = []
    for text in texts:
        match = re.fullmatch(r"([^=]+)=(\d+(?:x\d+)*)", text)
        if match is None:
            raise UserError(f"--shape {text}: not of the form name=1x3x640x640", "write one extent per dimension")
        name, shape = match[1], tuple(int(v) for v in match[2].split("x"))
        if not sets or name in sets[-1]:
            sets.append(dict(sets[-1]) if sets else {})
            for known in list(sets[-1]):
                if known == name:
                    del sets[-1][known]
        sets[-1][name] = shape
    return sets or [{}]


def describe(declaration):
    return f"{declaration.name}: {declaration.type} [{', '.join(str(d) for d in declaration.shape)}]"


def feeds(model, declarations, shape_texts=(), files=(), seed=0):
    """One feed per set of shapes and one per file; with neither, one of the model's own fixed shapes."""
    names = {d.name for d in declarations}
    result = [load(model, declarations, path) for path in files]
    if shape_texts or not files:
        for shapes in parse_shapes(shape_texts):
            for name in shapes:
                if name not in names:
                    raise UserError(
                        f"{model}: no input {name}", f"its inputs: {', '.join(map(describe, declarations))}"
                    )
            rng = np.random.default_rng(seed)
            result.append({d.name: random_value(model, d, shapes.get(d.name), rng) for d in declarations})
    return result


def random_value(model, declaration, shape, rng):
    dtype = DTYPES.get(declaration.type)
    if dtype is None:
        raise UserError(
            f"{model}: cannot make up a {declaration.type} for input {declaration.name}",
            "give it with --input FILE.npz",
        )
    fixed = [d if isinstance(d, int) and d > 0 else None for d in declaration.shape]
    if shape is None:
        if None in fixed:
            raise UserError(
                f"{model}: input {describe(declaration)} has free dimensions",
                f"give its shape: --shape {declaration.name}={'x'.join(str(d or 'N') for d in fixed)}",
            )
        shape = tuple(fixed)
    if len(shape) != len(fixed) or any(f is not None and f != s for f, s in zip(fixed, shape, strict=True)):
        raise UserError(f"{model}: shape {'x'.join(map(str, shape))} does not fit input {describe(declaration)}")
    if np.issubdtype(dtype, np.floating):
        return rng.normal(0, 1, shape).astype(dtype)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(dtype)
    small = np.iinfo(dtype).bits == 8
    return rng.integers(np.iinfo(dtype).min if small else 0, np.iinfo(dtype).max if small else 8, shape).astype(dtype)


def load(model, declarations, path):
    try:
        with np.load(path) as archive:
            arrays = dict(archive)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable .npz file ({error})", "write it with numpy.savez") from error
    wanted = {d.name for d in declarations}
    if set(arrays) != wanted:
        raise UserError(
            f"{path}: holds {', '.join(sorted(arrays)) or 'nothing'}; {model} wants {', '.join(sorted(wanted))}",
            "name each array after the input it feeds: numpy.savez(path, x=array)",
        )
    return arrays


def save(path, arrays):
    path = pathlib.Path(path)
    try:
        with path.open("wb") as file:
            np.savez(file, **arrays)
    except OSError as error:
        raise UserError(f"{path}: cannot write ({error.strerror})") from error


def shapes_text(feed):
    return " ".join(f"{name}={'x'.join(map(str, value.shape)) or 'scalar'}" for name, value in feed.items())
