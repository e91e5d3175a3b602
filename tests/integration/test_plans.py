"""Plans through the octile command and the C API: compile, inspect, run, and why a model cannot be one.

In:  nets.  Out: files, texts, answers equal to ONNX Runtime's with the provider.
Not here: EPContext models (test_compiled.py), the C API from C (tests/unit/c_api).
"""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from nets import Net
from octile import cli, plans, programs, sessions
from test_compiled import compile_net, convs, payloads  # noqa: F401  (a fixture)


@pytest.fixture
def octile(library, monkeypatch):
    """octile(arguments…) -> click's result; programs are those beside the plugin."""
    monkeypatch.setenv("OCTILE_BIN", str(library.parent))
    monkeypatch.setattr(sessions, "_registered", [str(library)])
    if not (library.parent / "octile-plan").is_file():
        pytest.skip(f"{library.parent}/octile-plan: not built")
    return lambda *arguments: CliRunner().invoke(cli.cli, [str(a) for a in arguments])


@pytest.fixture
def compiled(octile, tmp_path):
    """A net, and its plan."""
    net = convs()
    model, plan = tmp_path / "net.onnx", tmp_path / "net.octplan"
    model.write_bytes(net.model().SerializeToString())
    name = net.inputs[0].name
    result = octile("compile", model, "-o", plan, "--shape", f"{name}=2x3x8x8")
    assert result.exit_code == 0, result.output
    return net, plan


def test_the_file_is_the_payload(compiled, compile_net, octile, tmp_path):  # noqa: F811
    net, plan = compiled
    bare = tmp_path / "bare.octplan"
    assert octile("compile", tmp_path / "net.onnx", "-o", bare).exit_code == 0
    (payload,) = payloads(compile_net(net, 1)[0])
    assert bare.read_bytes() == payload
    assert plan.read_bytes() != payload  # it also holds the shapes to be ready for


@pytest.mark.parametrize("threads", [1, 3])
def test_the_c_api_answers_like_the_provider(compiled, threads):
    net, path = compiled
    plan = plans.Plan(path, threads)
    assert [d.name for d in plan.inputs] == [v.name for v in net.inputs]
    assert [d.name for d in plan.outputs] == [v.name for v in net.outputs]
    for batch in (2, 1, 5):
        feeds = net.feeds(N=batch)
        answer = plan.run(feeds)
        for output, wanted in zip(net.outputs, net.expected(feeds), strict=True):
            np.testing.assert_array_equal(answer[output.name], wanted)


def test_inspect(compiled, octile):
    net, plan = compiled
    text = octile("inspect", plan).output
    assert "verified" in text and "conv2d" in text and net.inputs[0].name in text and "[2,3,8,8]" in text
    facts = json.loads(octile("inspect", plan, "--json").output)
    assert facts["inputs"][0] == {"name": net.inputs[0].name, "type": "f32", "shape": [-1, 3, 8, 8]}
    assert [n["kind"] for n in facts["nodes"]].count("conv2d") == 2
    assert facts["ready"] == [[[2, 3, 8, 8]]]


def test_run(compiled, octile, tmp_path):
    net, plan = compiled
    feeds = net.feeds(N=1)
    np.savez(tmp_path / "in.npz", **feeds)
    result = octile("run", plan, "--input", tmp_path / "in.npz", "--output", tmp_path / "out.npz")
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "out.npz") as out:
        np.testing.assert_array_equal(out[net.outputs[0].name], net.expected(feeds)[0])
    result = octile("run", plan, "--shape", f"{net.inputs[0].name}=1x4x8x8")
    assert result.exit_code == 1 and "does not fit input" in result.output


def test_a_model_with_nodes_of_the_host_is_refused(octile, tmp_path):
    model, plan = tmp_path / "net.onnx", tmp_path / "net.octplan"
    model.write_bytes(convs(between="Cos").model().SerializeToString())
    result = octile("compile", model, "-o", plan)
    assert result.exit_code == 1 and not plan.exists()
    assert "2 regions and these nodes" in result.output and "Cos" in result.output and "Traceback" not in result.output


def test_a_model_without_anything_to_compile(octile, tmp_path):
    net = Net(1)
    net.output(net.node("Cos", [net.float_input([4])]))
    (tmp_path / "cos.onnx").write_bytes(net.model().SerializeToString())
    result = octile("compile", tmp_path / "cos.onnx", "-o", tmp_path / "cos.octplan")
    assert result.exit_code == 1 and "no part of it can be compiled" in result.output and "Cos" in result.output


@pytest.mark.parametrize("command", [("inspect",), ("run",)])
def test_broken_plans_are_named(compiled, octile, command, tmp_path):
    _, plan = compiled
    data = plan.read_bytes()
    for name, bad in [("cut", data[:-7]), ("flipped", data[:99] + bytes([data[99] ^ 1]) + data[100:])]:
        path = tmp_path / f"{name}.octplan"
        path.write_bytes(bad)
        result = octile(*command, path)
        assert result.exit_code == 1 and f"{name}.octplan" in result.output and "octile compile" in result.output
    result = octile(*command, tmp_path / "gone.octplan")
    assert result.exit_code == 1 and "gone.octplan" in result.output


def test_wrong_shapes_are_named(octile, tmp_path):
    (tmp_path / "net.onnx").write_bytes(convs().model().SerializeToString())
    result = octile("compile", tmp_path / "net.onnx", "-o", tmp_path / "x.octplan", "--shape", "nothing=1x2")
    assert result.exit_code == 1 and "no input nothing" in result.output
    assert programs.find("octile-plan")
