"""What this machine is, which targets it can run, which pieces are installed and whether they fit together.

In:  the machine.  Out: a dictionary; `problems` lists what is wrong, each with its cure.
Not here: printing; probing the CPU (the program octile-doctor does).
"""

import importlib.metadata
import json
import platform

import onnxruntime as ort

from octile import programs, sessions
from octile.errors import UserError

PROGRAMS = ("octile-tune", "octile-pack", "octile-plan", "kernelc", "octile-runner")


def examine():
    report = {"octile": version("octile"), "python": platform.python_version(), "system": platform.platform()}
    report["onnxruntime"] = ort.__version__
    report["onnx"] = version("onnx")
    report["problems"] = problems = []
    try:
        report |= json.loads(programs.run("octile-doctor", []))
    except UserError as error:
        problems.append(f"{error.message}: {error.cure}")
    report["plugin"] = plugin(problems)
    report["programs"] = {name: location(name) for name in PROGRAMS}
    return report


def plugin(problems):
    """The plugin's library, whether ORT takes it, and what its default pack holds."""
    found = {"package": version("onnxruntime-ep-octile"), "library": None, "device": None, "default_pack": None}
    try:
        found["library"] = sessions.library_path()
        found["device"] = sessions.devices()[0].ep_name
        found["default_pack"] = default_pack()
    except UserError as error:
        problems.append(f"{error.message}" + (f": {error.cure}" if error.cure else ""))
    return found


def default_pack():
    import pathlib

    packs = sorted(pathlib.Path(sessions.library_path()).parent.glob("*.octpack"))
    if not packs:
        raise UserError("no default pack lies beside the plugin", "reinstall onnxruntime-ep-octile")
    programs.run("octile-pack", ["inspect", packs[0]])  # reads and verifies it, or says why not
    return str(packs[0])


def version(distribution):
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def location(name):
    try:
        return str(programs.find(name))
    except UserError:
        return None
