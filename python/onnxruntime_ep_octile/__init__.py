"""Octile for ONNX Runtime: where the plugin library is and what its provider is called.

In:  nothing.  Out: names and a path to hand to onnxruntime.register_execution_provider_library.
Not here: registration (the caller's), the `octile` command.

    import onnxruntime as ort, onnxruntime_ep_octile as ep
    ort.register_execution_provider_library(ep.get_ep_name(), ep.get_library_path())
"""

import pathlib

__all__ = ["get_ep_name", "get_ep_names", "get_library_path"]

_HERE = pathlib.Path(__file__).resolve().parent


def get_ep_name() -> str:
    """The provider's name in ONNX Runtime."""
    return "OctileExecutionProvider"


def get_ep_names() -> list[str]:
    """All provider names the library offers: one."""
    return [get_ep_name()]


def get_library_path() -> str:
    """The plugin library beside this file or, in a checkout, the one its build made; the default pack is there."""
    found = sorted(_HERE.glob("libonnxruntime_providers_octile*"))
    if not found:
        found = _of_build_tree()
    if len(found) == 1:
        return str(found[0])
    if found:
        names = ", ".join(path.name for path in found)
        raise RuntimeError(f"{_HERE} holds several plugin libraries ({names}): reinstall onnxruntime-ep-octile")
    raise RuntimeError(
        f"no plugin library in {_HERE}: reinstall onnxruntime-ep-octile, or build the octile_product target"
    )


def _of_build_tree():
    note = _HERE.parents[1] / "build" / "plugin-library.txt"  # written when a build is configured
    if not note.is_file():
        return []
    library = pathlib.Path(note.read_text().strip())
    return [library] if library.is_file() else []
