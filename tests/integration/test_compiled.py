"""Compiled models: EPContext nodes written by the plugin, loaded by it, and every way such a model can be broken.

In:  nets, damaged payloads.  Out: answers equal to the session that compiled, or errors that name file and cure.
Not here: the octile command (test_plans.py), the format (tests/unit/plan_file).
"""

import gc
import hashlib
import json
import pathlib
import tempfile

import numpy as np
import onnx
import pytest
from nets import Net

ENABLE = ("ep.context_enable", "1")


def convs(seed=1, between=None):
    """Two convolutions, perhaps with an op between them that is left to the host."""
    net = Net(seed)
    x = net.quantize(net.float_input(["N", 3, 8, 8]), "uint8")
    y = net.conv(x, 3, 8)
    if between:
        y = net.quantize(net.node(between, [net.dequantize(y)]), "uint8")
    net.output(net.dequantize(net.conv(y, 8, 4)))
    return net


@pytest.fixture
def compile_net(open_session, target, tmp_path):
    """compile_net(net, embed) -> (path of the compiled model, feeds, what the compiling session answered)."""

    def run(net, embed, options=None):
        path = pathlib.Path(tempfile.mkdtemp(dir=tmp_path)) / "net_ctx.onnx"  # the host refuses to overwrite
        entries = [ENABLE, ("ep.context_file_path", str(path)), ("ep.context_embed_mode", str(embed))]
        session = open_session(net.model().SerializeToString(), {**target, **(options or {})}, entries=entries)
        feeds = net.feeds(N=2)
        return path, feeds, session.run(None, feeds)

    return run


def context_nodes(model):
    return [n for n in model.graph.node if n.op_type == "EPContext"]


def attribute(node, name):
    return next(a for a in node.attribute if a.name == name)


def payloads(path):
    """The plans of a compiled model, wherever they are."""
    for node in context_nodes(onnx.load(path)):
        data = attribute(node, "ep_cache_context").s
        yield data if attribute(node, "embed_mode").i else (path.parent / data.decode()).read_bytes()


@pytest.mark.parametrize("embed", [0, 1])
def test_a_compiled_model_answers_the_same(compile_net, open_session, target, embed):
    net = convs()
    path, feeds, wanted = compile_net(net, embed)
    (node,) = context_nodes(onnx.load(path))
    assert node.domain == "com.microsoft" and attribute(node, "source").s == b"OctileExecutionProvider"
    (plan,) = payloads(path)
    assert plan.startswith(b"OCTPLAN1")
    session = open_session(path, target, full=True)  # every node is ours
    np.testing.assert_array_equal(session.run(None, feeds)[0], wanted[0])
    np.testing.assert_array_equal(wanted[0], net.expected(feeds)[0])
    other = net.feeds(N=5)  # shapes stay free
    np.testing.assert_array_equal(session.run(None, other)[0], net.expected(other)[0])


def test_cached_weights_answer_the_same(compile_net, open_session, target, tmp_path):
    net, folder = convs(7), tmp_path / "weights"
    path, feeds, wanted = compile_net(net, 0)
    for _ in range(2):  # packs and keeps, then maps
        gc.collect()  # what the sessions before share
        session = open_session(path, {**target, "weights_cache": folder}, full=True)
        np.testing.assert_array_equal(session.run(None, feeds)[0], wanted[0])
        del session
        assert len(list(folder.iterdir())) == 2


def test_what_is_inside_is_explained(compile_net, open_session, target, tmp_path):
    path, feeds, _ = compile_net(convs(), 0)
    report = tmp_path / "decisions.json"
    open_session(path, {**target, "explain": report}).run(None, feeds)
    decisions = json.loads(report.read_text())
    assert [node["op_type"] for node in decisions["nodes"]] == ["EPContext"]
    inside = decisions["compiled"]
    products = [unit for unit in inside if unit["op"].startswith("conv2d")]
    assert len(products) == 2
    assert all(unit["kernels"][0]["kernel"] and unit["name"] for unit in products)


def test_both_ways_and_every_run_give_the_same_bytes(compile_net):
    files = [list(payloads(compile_net(convs(), embed)[0])) for embed in (0, 1, 1)]
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize("embed", [0, 1])
def test_regions_around_a_node_of_the_host(compile_net, open_session, target, embed):
    path, feeds, wanted = compile_net(convs(between="Cos"), embed)
    model = onnx.load(path)
    assert len(context_nodes(model)) == 2
    assert any(n.op_type == "Cos" for n in model.graph.node)
    assert len(list(path.parent.iterdir())) == (3 if embed == 0 else 1)
    np.testing.assert_array_equal(open_session(path, target).run(None, feeds)[0], wanted[0])


def test_a_model_in_memory_with_other_names(compile_net, open_session, target):
    """Tensors are found by their place on the node: whoever edits the model may rename them."""
    path, feeds, wanted = compile_net(convs(), 1)
    model = onnx.load(path)
    (node,) = context_nodes(model)
    (old,) = feeds
    model.graph.input[0].name = node.input[0] = "renamed"
    session = open_session(model.SerializeToString(), target, full=True)
    np.testing.assert_array_equal(session.run(None, {"renamed": feeds[old]})[0], wanted[0])


def reseal(plan):
    return plan[:-32] + hashlib.sha256(plan[:-32]).digest()


def flipped(plan, at):
    return plan[:at] + bytes([plan[at] ^ 4]) + plan[at + 1 :]


DAMAGE = {
    "flipped": (lambda plan: flipped(plan, len(plan) // 2), "its SHA-256 is wrong"),
    "truncated": (lambda plan: plan[: len(plan) // 2], "truncated"),
    "empty": (lambda plan: b"", "is no plan, only 0 bytes"),
    "foreign": (lambda plan: b"\x7fELF" + plan[4:], "does not start with OCTPLAN1"),
    "newer": (lambda plan: reseal(plan[:8] + b"\x63" + plan[9:]), "is a plan of format 99"),
    "forged": (lambda plan: reseal(plan[:40] + b"\xff" * 8 + plan[48:]), "longer than the file"),
}


@pytest.mark.parametrize("embed", [0, 1])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_broken_payload_is_named(compile_net, open_session, target, damage, embed):
    path, feeds, wanted = compile_net(convs(), embed)
    change, complaint = DAMAGE[damage]
    model = onnx.load(path)
    (node,) = context_nodes(model)
    (plan,) = payloads(path)
    if embed:
        attribute(node, "ep_cache_context").s = change(plan)
        onnx.save(model, path)
        place = "net_ctx.onnx, node"
    else:
        file = path.parent / attribute(node, "ep_cache_context").s.decode()
        file.write_bytes(change(plan))
        place = file.name
    with pytest.raises(Exception, match=complaint) as error:
        open_session(path, target)
    assert place in str(error.value) and "compile the model again" in str(error.value)
    assert open_session(convs().model().SerializeToString(), target, full=True)  # the process lives


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("gone.bin", "gone.bin: cannot open"), ("../x.bin", "not a file beside"), ("/etc/passwd", "not a file beside")],
)
def test_a_payload_elsewhere(compile_net, open_session, target, name, complaint):
    path, _, _ = compile_net(convs(), 0)
    model = onnx.load(path)
    attribute(context_nodes(model)[0], "ep_cache_context").s = name.encode()
    onnx.save(model, path)
    with pytest.raises(Exception, match=complaint):
        open_session(path, target)


def test_a_plan_of_another_model(compile_net, open_session, target):
    path, _, _ = compile_net(convs(), 1)
    net = Net(5)
    net.output(net.conv(net.code_input([1, 3, 8, 8], "uint8"), 3, 8))
    (foreign,) = payloads(compile_net(net, 0)[0])
    model = onnx.load(path)
    attribute(context_nodes(model)[0], "ep_cache_context").s = foreign
    onnx.save(model, path)
    with pytest.raises(Exception, match="is not of the plan's type"):
        open_session(path, target)


def test_another_providers_node_is_not_ours(compile_net, open_session, target):
    path, _, _ = compile_net(convs(), 1)
    model = onnx.load(path)
    attribute(context_nodes(model)[0], "source").s = b"SomeoneElse"
    onnx.save(model, path)
    with pytest.raises(Exception, match="EPContext"):  # nobody runs it
        open_session(path, target)


def test_shapes_to_be_ready_for(compile_net, decisions, tmp_path):
    net = convs()
    name = net.inputs[0].name
    ready = {"ready": f"{name}=3x3x8x8;{name}=1x3x8x8;{name}=1x9x8x8;other=1"}
    plain = decisions(net.model().SerializeToString())
    assert not any("kernels" in n for n in plain["nodes"])
    (plan,) = payloads(compile_net(net, 1, ready)[0])
    assert np.array([3, 3, 8, 8], np.int64).tobytes() in plan
    assert np.array([1, 9, 8, 8], np.int64).tobytes() not in plan  # fits no input


def test_what_a_compiled_model_needs_is_recorded(compile_net):
    model = onnx.load(compile_net(convs(), 1)[0])
    facts = {p.key: p.value for p in model.metadata_props}
    recorded = facts.get("ep_compatibility_info.OctileExecutionProvider")
    assert recorded is None or recorded.endswith(", plan 1")  # hosts before 1.24 may keep none
