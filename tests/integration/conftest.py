"""The built plugin inside pip's ONNX Runtime.

In:  the library named by $OCTILE_PLUGIN, or the one onnxruntime_ep_octile finds.  Out: fixtures that open sessions.
Not here: models (nets.py).  Everything is skipped, with a reason, where the plugin is not built.
"""

import json
import os
import pathlib
import sys

import numpy as np
import onnxruntime as ort
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(pathlib.Path(__file__).parent), str(ROOT / "python")]
EP = "OctileExecutionProvider"
FULL = ("session.disable_cpu_ep_fallback", "1")  # creation fails unless every node is ours


def library_path():
    if "OCTILE_PLUGIN" in os.environ:
        return os.environ["OCTILE_PLUGIN"]
    import onnxruntime_ep_octile

    return onnxruntime_ep_octile.get_library_path()


@pytest.fixture(scope="session")
def library():
    try:
        path = pathlib.Path(library_path())
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"the plugin is not built: {error}")
    if not path.is_file():
        pytest.skip(f"{path}: the plugin is not built")
    ort.set_default_logger_severity(3)
    ort.register_execution_provider_library("octile", str(path))
    return path


@pytest.fixture(scope="session")
def devices(library):
    return [d for d in ort.get_ep_devices() if d.ep_name == EP][:1]


@pytest.fixture(scope="session")
def default_pack(library):
    return library.parent / "octile-default.octpack"


@pytest.fixture
def open_session(devices):
    """open_session(model or path, options, full=, threads=, level=, entries=): a session on the plugin."""

    def open_one(model, options=None, full=False, threads=1, level=None, entries=(), severity=3):
        settings = ort.SessionOptions()
        settings.log_severity_level = severity
        settings.intra_op_num_threads = threads
        if level is not None:
            settings.graph_optimization_level = level
        for key, value in [*entries, *([FULL] if full else [])]:
            settings.add_session_config_entry(key, value)
        # Small nets may be faster in the host; here they are about answers.
        settings.add_provider_for_devices(
            devices, {k: str(v) for k, v in {"when_slower": "keep", **(options or {})}.items()}
        )
        return ort.InferenceSession(model if isinstance(model, bytes) else str(model), settings)

    return open_one


@pytest.fixture(params=["portable", "host"])
def target(request, default_pack):
    """Each test runs with portable C and, where a default pack lies beside the plugin, with this machine's kernels."""
    if request.param == "host" and not default_pack.is_file():
        pytest.skip(f"{default_pack}: not built")
    return {"target": request.param}


@pytest.fixture
def check(open_session, target):
    """check(net, extents…, full=): the plugin's answers are the oracle's, bit for bit."""

    def run(net, full=True, options=None, runs=({},), **settings):
        session = open_session(net.model().SerializeToString(), {**target, **(options or {})}, full, **settings)
        for extents in runs:
            feeds = net.feeds(**extents)
            got = session.run(None, feeds)
            for output, actual, wanted in zip(net.outputs, got, net.expected(feeds), strict=True):
                assert actual.dtype == wanted.dtype
                np.testing.assert_array_equal(actual, wanted, err_msg=f"{output.name} at {extents}")
        return session

    return run


@pytest.fixture
def check_near(open_session, decisions, target):
    """check_near(net, near, extents…): all is one region of the plugin, and what it answers is right.

    `near`: the Quantized outputs whose codes are within `quanta` of the host's, which reads every op literally at its
    lowest optimisation level. What the net's own steps compute from them is equal, bit for bit.
    """

    def run(net, near, quanta=1, regions=1, runs=({},)):
        for value in near:
            net.output(value)
        model = net.model().SerializeToString()
        taken = [n for n in decisions(model, full=True)["nodes"] if n["taken"]]
        assert len({n["region"] for n in taken}) == regions
        session = open_session(model, target, full=True)
        host = cpu_session(model, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
        names = [o.name for o in net.outputs]
        for extents in runs:
            feeds = net.feeds(**extents)
            got, wanted = (dict(zip(names, s.run(None, feeds), strict=True)) for s in (session, host))
            for value in near:
                assert got[value.name].dtype == wanted[value.name].dtype
                off = np.abs(got[value.name].astype(np.float64) - wanted[value.name].astype(np.float64))
                assert off.size == 0 or off.max() <= quanta, value.name
            known = {**feeds, **{v.name: got[v.name] for v in near}}
            for name, step in net.steps:
                known[name] = step(known)
            for name in names:
                np.testing.assert_array_equal(got[name], known[name], err_msg=name)

    return run


@pytest.fixture
def decisions(open_session, target, tmp_path):
    """decisions(model) -> what the plugin says it did, without a run."""

    def read(model, **settings):
        path = tmp_path / "explain.json"
        session = open_session(model, {**target, "explain": path}, **settings)
        del session
        return json.loads(path.read_text())

    return read


def cpu_session(model, level=None):
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    settings.intra_op_num_threads = 1
    if level is not None:
        settings.graph_optimization_level = level
    model = model if isinstance(model, bytes) else str(model)
    return ort.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
