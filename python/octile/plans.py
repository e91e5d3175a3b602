"""Plans: compiling a model into a .octplan file, and running such a file without ONNX Runtime.

In:  a quantized model, or a plan.  Out: a file with the one region the model is; outputs of a run.
Not here: the format (octile-plan inspects it), kernels.

The file is the payload of the EPContext node that the provider writes when ONNX Runtime saves a compiled model, so both
ways to compile give the same bytes.
"""

import collections
import concurrent.futures
import ctypes
import os
import pathlib
import tempfile

import numpy as np
import onnx

from octile import explain, inputs, programs, sessions
from octile.errors import UserError

MAGIC = b"OCTPLAN1"
SHOWN = 12  # nodes named in an error; the rest are counted


def is_plan(path):
    """By its first bytes, or by its name where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC or str(path).endswith(".octplan")
    except OSError:
        return str(path).endswith(".octplan")


def compile_model(model, shape_texts, output):
    """Writes the plan of `model`; `shape_texts` name shapes to plan for when it is loaded."""
    with tempfile.TemporaryDirectory(prefix="octile-compile-") as folder:
        compiled = pathlib.Path(folder) / "compiled.onnx"
        entries = {
            "ep.context_enable": "1",
            "ep.context_file_path": compiled,
            "ep.context_embed_mode": "1",
        }
        options = {"ready": ready(model, shape_texts), "when_slower": "keep"}
        report, session = explain.open_explained(model, options=options, entries=entries)
        decisions = report.read()
        del session
        payload = only_region(model, compiled, decisions)
    write(output, payload)


def ready(model, shape_texts):
    """--shape texts as the plugin's option, checked against the model's inputs; None without any."""
    if not shape_texts:
        return None
    declarations = sessions.open_session(model, "cpu").get_inputs()
    feeds = inputs.feeds(model, declarations, shape_texts)
    return ";".join(
        ",".join(f"{name}={'x'.join(map(str, value.shape))}" for name, value in feed.items()) for feed in feeds
    )


def only_region(model, compiled, decisions):
    """The payload of the one EPContext node that is the whole compiled model."""
    graph = onnx.load(compiled).graph if compiled.is_file() else onnx.GraphProto()
    regions = [n for n in graph.node if n.op_type == "EPContext" and text(n, "source") == sessions.EP_NAME.encode()]
    others = [n for n in graph.node if n not in regions]
    if len(regions) == 1 and not others and {o.name for o in graph.output} == set(regions[0].output):
        return text(regions[0], "ep_cache_context")
    left = [n for n in decisions["nodes"] if not n["taken"]]
    if not regions:
        raise UserError(f"{model}: no part of it can be compiled\n{listed(left)}", "octile explain says more")
    if not left:
        what = f"its nodes form {len(regions)} regions that cannot be joined" if len(regions) > 1 else "odd outputs"
        raise UserError(f"{model}: does not fit into one plan: {what}", "run it through ONNX Runtime")
    regions_text = f"{len(regions)} region{'s' if len(regions) > 1 else ''}"
    raise UserError(
        f"{model}: a plan is one region and nothing else; this model is {regions_text} and these nodes:\n"
        f"{listed(left)}",
        "run it through ONNX Runtime (its own ep.context_enable compiles the regions), or change the model",
    )


def listed(nodes):
    """Nodes left, one per line with the reason; those of one kind and reason together when there are many."""
    if len(nodes) <= SHOWN:
        lines = [f"  {n['op_type']} '{n['name']}': {why(n)}" for n in nodes]
    else:
        counts = collections.Counter((n["op_type"], n["reason"]) for n in nodes)
        lines = [f"  {count} {op}: {reason}" for (op, reason), count in counts.most_common(SHOWN)]
        if len(counts) > SHOWN:
            lines.append(f"  and {len(counts) - SHOWN} more kinds")
    return "\n".join(lines)


def why(node):
    return node["reason"] + (f" ({node['detail']})" if node.get("detail") else "")


def text(node, name):
    return next((a.s for a in node.attribute if a.name == name), b"")


def write(path, payload):
    """The whole file or none of it."""
    path = pathlib.Path(path)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
            file.write(payload)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as error:
        raise UserError(f"{path}: cannot write ({error.strerror})") from error


# The C API, plugin/c_api/octile.h. Its structs, field by field.
MAX_RANK = 16
TYPES = (np.uint8, np.int8, np.int32, np.float32, np.int64)
PARALLEL_FOR = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t)
LOG = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p)


class Options(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("pack_count", ctypes.c_uint32),
        ("packs", ctypes.POINTER(ctypes.c_char_p)),
        ("target", ctypes.c_char_p),
        ("allocator", ctypes.c_void_p * 3),
        ("log_context", ctypes.c_void_p),
        ("log", LOG),
        ("threads_context", ctypes.c_void_p),
        ("parallel_for", PARALLEL_FOR),
        ("threads", ctypes.c_int32),
    ]


class TensorInfo(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("type", ctypes.c_int32),
        ("name", ctypes.c_char_p),
        ("rank", ctypes.c_int32),
        ("zero", ctypes.c_uint32),
        ("dims", ctypes.POINTER(ctypes.c_int64)),
    ]


class Shape(ctypes.Structure):
    _fields_ = [("rank", ctypes.c_size_t), ("dims", ctypes.c_int64 * MAX_RANK)]


class Tensor(ctypes.Structure):
    """octile_input and octile_output."""

    _fields_ = [("data", ctypes.c_void_p), ("bytes", ctypes.c_size_t), ("shape", Shape)]


class Declaration:
    """A tensor at the border, described as ONNX Runtime's sessions do."""

    def __init__(self, info):
        self.name = info.name.decode(errors="replace")
        self.dtype = np.dtype(TYPES[info.type])
        self.type = f"tensor({'float' if self.dtype == np.float32 else self.dtype.name})"
        dims = [info.dims[i] for i in range(max(info.rank, 0))]
        self.shape = [d if d >= 0 else "?" for d in dims]


def library():
    """liboctile.so, beside the programs or beside the plugin."""
    folders = [*programs.folders(), pathlib.Path(sessions.library_path()).parent]
    for folder in folders:
        if (folder / "liboctile.so").is_file():
            return load_library(folder / "liboctile.so")
    raise UserError(
        f"liboctile.so was not found in {', '.join(map(str, folders))}",
        "build it (.venv/bin/cmake --build --preset release) or point OCTILE_BIN at the folder that holds it",
    )


def load_library(path):
    try:
        lib = ctypes.CDLL(str(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be loaded: {error}", "build it again") from error
    lib.octile_message.restype = ctypes.c_char_p
    lib.octile_plan_input_count.restype = lib.octile_plan_output_count.restype = ctypes.c_size_t
    for name in ("octile_plan_input_count", "octile_plan_output_count", "octile_plan_release"):
        getattr(lib, name).argtypes = [ctypes.c_void_p]
    return lib


class Plan:
    """A loaded plan; run(feed) answers like an ONNX Runtime session asked for all outputs."""

    def __init__(self, path, threads=1, pack=None, target=None, log=None):
        self.path, self.lib, self.handle = str(path), library(), ctypes.c_void_p()
        options = self._options(threads, pack, target, log)
        runtime = ctypes.c_void_p()
        self._check(self.lib.octile_runtime_create(ctypes.byref(options), ctypes.byref(runtime)), "")
        code = self.lib.octile_plan_load_file(runtime, os.fsencode(path), ctypes.byref(self.handle))
        self.lib.octile_runtime_release(runtime)
        self._check(code, "")
        self.inputs = self._declarations(self.lib.octile_plan_input_count, self.lib.octile_plan_input)
        self.outputs = self._declarations(self.lib.octile_plan_output_count, self.lib.octile_plan_output)

    def __del__(self):
        if getattr(self, "handle", None):
            self.lib.octile_plan_release(self.handle)

    def _options(self, threads, pack, target, log):
        options = Options(struct_size=ctypes.sizeof(Options))
        if pack:
            options.packs, options.pack_count = (ctypes.c_char_p * 1)(os.fsencode(pack)), 1
        if target and target != "host":
            options.target = target.encode()
        if log:
            options.log = LOG(lambda _, level, line: log(line.decode(errors="replace")))
        if threads > 1:
            self._pool = concurrent.futures.ThreadPoolExecutor(threads)
            options.parallel_for = PARALLEL_FOR(self._parallel_for)
            options.threads = threads
        self._options_alive = options  # the library keeps the callbacks
        return options

    def _parallel_for(self, _, task, argument, count):
        call = TASK(task)
        list(self._pool.map(lambda i: call(argument, i), range(count)))

    def _check(self, code, where):
        if code != 0:
            raise UserError(where + self.lib.octile_message().decode(errors="replace"))

    def _declarations(self, count, describe):
        result = []
        for i in range(count(self.handle)):
            info = TensorInfo(struct_size=ctypes.sizeof(TensorInfo))
            self._check(describe(self.handle, ctypes.c_size_t(i), ctypes.byref(info)), f"{self.path}: ")
            result.append(Declaration(info))
        return result

    def run(self, feed):
        given, kept = (Tensor * len(self.inputs))(), []
        for tensor, declaration in zip(given, self.inputs, strict=True):
            array = np.ascontiguousarray(feed[declaration.name], declaration.dtype)
            kept.append(array)
            if array.ndim > MAX_RANK:
                raise UserError(f"{self.path}: input {declaration.name} has more than {MAX_RANK} dimensions")
            tensor.data, tensor.bytes, tensor.shape.rank = array.ctypes.data, array.nbytes, array.ndim
            tensor.shape.dims[: array.ndim] = array.shape
        got = (Tensor * len(self.outputs))()
        counts = ctypes.c_size_t(len(given)), ctypes.c_size_t(len(got))
        self._check(self.lib.octile_plan_run(self.handle, given, counts[0], got, counts[1]), f"{self.path}: ")
        answer = {}
        for tensor, declaration in zip(got, self.outputs, strict=True):
            shape = tuple(tensor.shape.dims[: tensor.shape.rank])
            data = ctypes.string_at(tensor.data, tensor.bytes) if tensor.bytes else b""
            answer[declaration.name] = np.frombuffer(data, declaration.dtype).reshape(shape)
            self.lib.octile_output_release(self.handle, ctypes.byref(tensor))
        return answer
