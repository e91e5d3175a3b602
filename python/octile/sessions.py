"""ONNX Runtime sessions, with the Octile plugin or with ORT's CPU provider alone.

In:  a model file, threads, plugin options.  Out: onnxruntime.InferenceSession, or a UserError.
Not here: inputs, timing.
"""

import os
import pathlib

import onnxruntime as ort

from octile.errors import UserError

EP_NAME = "OctileExecutionProvider"
MINIMUM_ORT = (1, 23)
_registered = []


def library_path():
    """The plugin library: $OCTILE_PLUGIN, or the one of the installed onnxruntime_ep_octile package."""
    if "OCTILE_PLUGIN" in os.environ:
        return os.environ["OCTILE_PLUGIN"]
    try:
        import onnxruntime_ep_octile
    except ImportError as error:
        raise UserError(
            "the package onnxruntime_ep_octile is not installed",
            "pip install onnxruntime-ep-octile, or in a checkout: scripts/package.sh after the build",
        ) from error
    return onnxruntime_ep_octile.get_library_path()


def register():
    """Makes the provider known to ONNX Runtime once per process."""
    if _registered:
        return
    if tuple(int(v) for v in ort.__version__.split(".")[:2]) < MINIMUM_ORT:
        raise UserError(
            f"onnxruntime {ort.__version__} is too old for plugin providers", "pip install 'onnxruntime>=1.23'"
        )
    path = library_path()
    if not pathlib.Path(path).exists():
        raise UserError(f"{path}: no such plugin library", "reinstall onnxruntime-ep-octile, or unset OCTILE_PLUGIN")
    try:
        ort.register_execution_provider_library("octile", path)
    except Exception as error:  # onnxruntime raises classes of its own, all directly under Exception
        raise UserError(f"{path}: ONNX Runtime refused the plugin: {first_line(error)}") from error
    _registered.append(path)


def devices():
    register()
    found = [device for device in ort.get_ep_devices() if device.ep_name == EP_NAME]
    if not found:
        raise UserError(f"ONNX Runtime {ort.__version__} lists no device of {EP_NAME}", "see octile doctor")
    return found


def open_session(model, provider="octile", threads=1, options=None, profile=None, entries=None):
    """A session on `provider` ("octile" or "cpu"); `options` are the plugin's, `entries` ORT's; `profile` begins its
    files."""
    path = pathlib.Path(model)
    if not path.is_file():
        raise UserError(f"{model}: no such file", "give the path of an ONNX model")
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    if profile:
        settings.enable_profiling = True
        settings.profile_file_prefix = profile
    # Two sessions taking turns must not burn each other's cores between their runs.
    for key, value in {"session.force_spinning_stop": "1", **(entries or {})}.items():
        settings.add_session_config_entry(key, str(value))
    try:
        if provider == "octile":
            chosen = devices()[:1]
            settings.add_provider_for_devices(
                chosen, {k: str(v) for k, v in {"threads": threads, **(options or {})}.items() if v is not None}
            )
            return ort.InferenceSession(str(path), settings)
        return ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    except UserError:
        raise
    except Exception as error:
        if provider == "cpu" and "EPContext" in str(error):
            raise UserError(
                f"{model}: a compiled model: ONNX Runtime's own provider cannot run it",
                "for that give the model it was compiled from",
            ) from error
        raise UserError(f"{model}: ONNX Runtime cannot load it: {first_line(error)}") from error


def run(model, session, feed):
    try:
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, feed), strict=True))
    except Exception as error:
        raise UserError(f"{model}: the run failed: {first_line(error)}") from error


def first_line(error):
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
