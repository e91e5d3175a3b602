"""Fakes for the command's tests: programs that are small scripts, models of one node.

In:  nothing.  Out: fixtures.  Not here: the real programs and the plugin (tests/integration).
"""

import os
import stat
import textwrap

import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper


@pytest.fixture
def octile():
    """Runs the command in this process: octile('bench', 'x.onnx') -> result."""
    from octile import cli

    runner = CliRunner()
    return lambda *args: runner.invoke(cli.cli, [str(a) for a in args])


@pytest.fixture
def fake_program(tmp_path, monkeypatch):
    """fake_program('octile-pack', 'python source'): installs a script under that name, found through OCTILE_BIN."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("OCTILE_BIN", str(folder))

    def install(name, source):
        path = folder / name
        path.write_text("#!/usr/bin/env python3\nimport json, sys, time\n" + textwrap.dedent(source))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return install


@pytest.fixture
def relu_model(tmp_path):
    """y = Relu(x), x float [N, 3, 4]."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, 4])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    path = tmp_path / "relu.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert os.getcwd() == str(tmp_path)
