"""The octile command on the built plugin: what a user can get wrong is an error that names it, never a silent fallback.

In:  command lines.  Out: exit status and message.  Not here: commands on fake programs (tests/unit/python).
"""

import pathlib
import subprocess
import sys

import onnx
import onnxruntime as ort
import pytest
from nets import Net


@pytest.fixture
def octile(library):
    """octile(arguments…) -> exit status, standard output and error: a process of its own, as users have it."""
    command = pathlib.Path(sys.executable).with_name("octile")

    def run(*arguments):
        done = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def model(tmp_path):
    net = Net(1)
    net.output(net.dequantize(net.conv(net.quantize(net.float_input([1, 3, 8, 8]), "uint8"), 3, 8)))
    onnx.save(net.model(), tmp_path / "small.onnx")
    return tmp_path / "small.onnx"


COMMANDS = ["run", "bench", "explain"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_truncated_pack_is_named(octile, model, default_pack, tmp_path, command):
    bad = tmp_path / "bad.octpack"
    bad.write_bytes(default_pack.read_bytes()[:-5000])
    status, _, complaint = octile(command, model, "--pack", bad)
    assert status == 1
    assert f"pack {bad} is not used" in complaint and "truncated" in complaint


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_target_is_named(octile, model, command):
    status, _, complaint = octile(command, model, "--target", "pdp11")
    assert status == 1 and "unknown target 'pdp11'; known: host, portable" in complaint


def test_run_says_what_came_out(octile, model):
    status, text, complaint = octile("run", model, "--target", "portable")
    assert status == 0, complaint
    assert "float32 1x8x8x8" in text


def test_compiled_models_are_explained_and_run(octile, model, devices, tmp_path):
    compiled = tmp_path / "compiled.onnx"
    settings = ort.SessionOptions()
    settings.add_session_config_entry("ep.context_enable", "1")
    settings.add_session_config_entry("ep.context_file_path", str(compiled))
    settings.add_provider_for_devices(devices, {"target": "portable"})
    ort.InferenceSession(str(model), settings)
    for command, said in (("run", "float32 1x8x8x8"), ("explain", "inside compiled ones")):
        status, text, complaint = octile(command, compiled, "--target", "portable")
        assert status == 0, complaint
        assert said in text
    status, _, complaint = octile("bench", compiled, "--target", "portable")
    assert status == 1
    assert "give the model it was compiled from" in complaint
