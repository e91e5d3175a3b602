"""Options, packs good and bad, reports, threads: nothing a user sets can break a session.

In:  options as users write them.  Out: sessions that answer rightly, files, lines in the log.
Not here: the ops themselves.
"""

import gc
import json
import shutil
import subprocess
import sys
import threading

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import EP, ROOT, cpu_session, library_path
from nets import Net
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic


def small_net(seed=1):
    net = Net(seed)
    net.output(net.dequantize(net.conv(net.quantize(net.float_input(["N", 3, 8, 8]), "uint8"), 3, 8)))
    return net


def logged(options, library, severity=2):
    """The host's log lines of a session in a process of its own (the log goes to its stderr)."""
    net = small_net()
    feeds = net.feeds(N=1)
    code = f"""
import sys, numpy as np, onnxruntime as ort
ort.set_default_logger_severity(3)
ort.register_execution_provider_library("octile", {str(library)!r})
settings = ort.SessionOptions()
settings.log_severity_level = {severity}
settings.add_provider_for_devices([d for d in ort.get_ep_devices() if d.ep_name.startswith("Octile")][:1], {options!r})
session = ort.InferenceSession({net.model().SerializeToString()!r}, settings)
x = np.array({next(iter(feeds.values())).tolist()!r}, np.float32)
y = session.run(None, {{{next(iter(feeds))!r}: x}})[0]
np.save(sys.argv[1], y)
"""
    return code, net, feeds


@pytest.fixture
def run_logged(tmp_path, library):
    def run(options, severity=2, plugin=None, taken=True):
        code, net, feeds = logged(options, plugin or library, severity)
        script = tmp_path / "session.py"
        script.write_text(code)
        answer = tmp_path / "y.npy"
        done = subprocess.run([sys.executable, script, answer], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        # The host's own int8 saturates on CPUs without VNNI: a model left to it answers as it does there.
        wanted = net.expected(feeds) if taken else cpu_session(net.model().SerializeToString()).run(None, feeds)
        np.testing.assert_array_equal(np.load(answer), wanted[0])
        return "\n".join(line for line in done.stderr.splitlines() if "octile:" in line)

    return run


def test_why_nodes_are_left_is_logged(run_logged):
    assert "took 7 of 7 nodes in 1 regions" in run_logged({"target": "portable"}, severity=1)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"threads": "many"}, "option threads: 'many' is not a number"),
        ({"threads": "0"}, "option threads: '0' is not a number"),
        ({"threads": "99999999999999999999"}, "is not a number"),
        ({"target": "pdp11"}, "unknown target 'pdp11'; known: host, portable"),
        ({"threds": "1"}, "unknown option 'threds'; known: pack, target, threads"),
        ({"explain": "/no/such/folder/x.json"}, "option explain: /no/such/folder"),
        ({"log_workloads": "/no/such/folder/x.txt"}, "option log_workloads: /no/such/folder"),
        ({"profile": "/no/such/folder/x.jsonl"}, "option profile: /no/such/folder"),
        ({"pack": "/no/such.octpack"}, "pack /no/such.octpack is not used"),
        ({"weights_cache": "/proc/no/such"}, "option weights_cache: /proc/no/such/"),
    ],
)
def test_bad_options_are_named(run_logged, options, complaint):
    assert complaint in run_logged({"target": "portable", **options})


def test_without_any_pack_nothing_is_taken(run_logged, library, tmp_path):
    alone = shutil.copy(library, tmp_path / library.name)
    text = run_logged({}, severity=1, plugin=alone, taken=False)
    assert "octile-default.octpack: reinstall onnxruntime-ep-octile" in text
    assert "took 0 of 7 nodes" in text
    assert "no usable kernel pack" in text


DAMAGES = {
    "empty": lambda data: b"",
    "text": lambda data: b"this is not a pack\n" * 1000,
    "first byte": lambda data: flipped(data, 0),
    "manifest size": lambda data: flipped(data, 10),
    "manifest": lambda data: flipped(data, 60),
    "cut in the manifest": lambda data: data[:1000],
    "cut in the middle": lambda data: data[: len(data) // 2],
    "cut at the end": lambda data: data[:-5000],
    "every member": lambda data: data[:4096] + bytes(b ^ 1 for b in data[4096:]),
}


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_packs(run_logged, library, default_pack, tmp_path, damage):
    if not default_pack.is_file():
        pytest.skip(f"{default_pack}: not built")
    bad = tmp_path / "bad.octpack"
    bad.write_bytes(DAMAGES[damage](default_pack.read_bytes()))
    text = run_logged({"pack": str(bad)}, severity=1)
    assert f"pack {bad} is not used" in text
    assert "took 7 of 7" in text  # by the default pack
    # Where the default pack itself is the damaged one, the host runs the model without us.
    alone = shutil.copy(library, tmp_path / library.name)
    shutil.copy(bad, tmp_path / "octile-default.octpack")
    text = run_logged({}, severity=1, plugin=alone, taken=False)
    assert "octile-default.octpack is not used" in text
    assert "took 0 of 7" in text


def test_several_packs(run_logged, default_pack, tmp_path):
    if not default_pack.is_file():
        pytest.skip(f"{default_pack}: not built")
    copy = shutil.copy(default_pack, tmp_path / "copy.octpack")
    assert "is not used" not in run_logged({"pack": f"{copy}:{default_pack}"}, severity=1)
    text = run_logged({"pack": f"{copy}:/no/such:{default_pack}:"}, severity=1)
    assert text.count("is not used") == 1


def test_weights_cache(run_logged, tmp_path):
    folder = tmp_path / "packed weights"
    options = {"target": "portable", "weights_cache": str(folder)}
    files = lambda: {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}  # noqa: E731
    assert "weights_cache" not in run_logged(options)
    first = files()
    assert first
    assert "weights_cache" not in run_logged(options)  # in a process that packs nothing
    assert files() == first
    for path, (_, data) in first.items():
        path.write_bytes(flipped(data, len(data) // 2))
    text = run_logged(options)
    assert f"option weights_cache: {folder}" in text
    assert "the weights are packed again" in text
    assert {path: data for path, (_, data) in files().items()} == {path: data for path, (_, data) in first.items()}


def test_explain(open_session, target, tmp_path):
    path = tmp_path / "explain.json"
    net = small_net()
    session = open_session(net.model().SerializeToString(), {**target, "explain": path, "threads": 1})
    report = json.loads(path.read_text())
    assert (report["nodes_taken"], report["nodes_total"]) == (7, 7)
    assert not any("kernels" in n for n in report["nodes"])  # no shape is known yet
    for extent in (1, 2, 1):
        session.run(None, net.feeds(N=extent))
    conv = next(n for n in json.loads(path.read_text())["nodes"] if n["op_type"] == "Conv")
    assert conv["op"].startswith("conv2d mb2")
    assert [s["op"].split("g1")[0] for s in conv["shapes"]] == ["conv2d mb1", "conv2d mb2"]
    assert conv["kernels"][0]["kernel"] and conv["kernels"][0]["target"] and conv["kernels"][0]["reason"]


def test_explain_where_the_host_writes_out_functions(decisions, tmp_path):
    """The host has no HardSwish: it writes it out and asks again about a graph that holds our fused nodes."""
    rng = np.random.default_rng(3)
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4, 80, 80]) for name in ("x", "y")}
    weights = [numpy_helper.from_array(rng.normal(0, 0.3, (4, 4, 1, 1)).astype(np.float32), f"w{i}") for i in (0, 1)]
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["c"], "first"),
        helper.make_node("LRN", ["c"], ["m"], "norm", size=3),
        helper.make_node("HardSwish", ["m"], ["h"], "swish"),
        helper.make_node("Conv", ["h", "w1"], ["y"], "second"),
    ]
    graph = helper.make_graph(nodes, "net", [values["x"]], [values["y"]], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "f.onnx")
    quantize_dynamic(tmp_path / "f.onnx", tmp_path / "q.onnx", weight_type=QuantType.QUInt8)
    report = decisions((tmp_path / "q.onnx").read_bytes())
    left = {node["op_type"] for node in report["nodes"] if not node["taken"]}
    assert left in ({"LRN", "HardSwish"}, {"LRN", "HardSigmoid", "Mul"})
    assert report["nodes_taken"] == 10
    assert [region["region"] for region in report["regions"]] == [0, 1]
    assert {node["region"] for node in report["nodes"] if node["taken"]} == {0, 1}


def test_explain_says_what_is_not_used(open_session, tmp_path):
    path, bad = tmp_path / "explain.json", tmp_path / "bad.octpack"
    bad.write_bytes(b"this is not a pack")
    open_session(small_net().model().SerializeToString(), {"target": "pdp11", "pack": bad, "explain": path})
    target, pack = json.loads(path.read_text())["warnings"]
    assert "unknown target 'pdp11'" in target and f"pack {bad} is not used" in pack


def test_explain_knows_static_shapes_before_the_first_run(decisions):
    net = Net(2)
    net.output(net.conv(net.code_input([1, 3, 8, 8], "uint8"), 3, 8))
    conv = next(n for n in decisions(net.model().SerializeToString())["nodes"] if n["op_type"] == "Conv")
    assert conv["kernels"]


def test_log_workloads(open_session, target, tmp_path):
    path = tmp_path / "workloads.txt"
    net = Net(3)
    x = net.quantize(net.float_input(["N", 8, 8, 8]), "int8")
    for _ in range(3):
        x = net.conv(x, 8, 8, dst_zp=x.zp)
    net.output(net.dequantize(x))
    options = {**target, "log_workloads": path}
    session = open_session(net.model().SerializeToString(), options)
    assert not path.exists()
    for extent in (1, 1, 4, 1):
        session.run(None, net.feeds(N=extent))
    lines = path.read_text().splitlines()
    assert [line.split("g1")[0] for line in lines] == ["conv2d mb1", "conv2d mb4"]
    assert all(line.endswith('*3"') and ' n"net:Conv' in line for line in lines), lines
    open_session(net.model().SerializeToString(), options).run(None, net.feeds(N=1))
    assert len(path.read_text().splitlines()) == 3  # another session appends


def test_profile(open_session, target, tmp_path):
    path = tmp_path / "profile.jsonl"
    net = Net(4)
    net.output(net.conv(net.code_input([1, 8, 6, 6], "uint8"), 8, 4))
    session = open_session(net.model().SerializeToString(), {**target, "profile": path})
    for _ in range(3):
        session.run(None, net.feeds())
    assert path.read_text() == ""  # written when the session ends
    del session
    gc.collect()
    steps = [json.loads(line) for line in path.read_text().splitlines()]
    (conv,) = [step for step in steps if step["macs"]]
    assert conv["node"].startswith("Conv") and conv["op"].startswith("conv2d mb1") and conv["kind"] == "dot"
    assert (conv["calls"], conv["macs"]) == (3, 6 * 6 * 4 * 8 * 9)
    assert all(step["calls"] == 3 and step["bytes"] > 0 and 0 < step["best_us"] <= step["us"] for step in steps)


def test_one_session_in_many_threads(open_session, target):
    net = small_net()
    session = open_session(net.model().SerializeToString(), target, full=True, threads=2)
    feeds = [net.feeds(N=1 + i % 3) for i in range(8)]
    wanted = [net.expected(f)[0] for f in feeds]
    wrong = []

    def work(i):
        for _ in range(40):
            if not np.array_equal(session.run(None, feeds[i])[0], wanted[i]):
                wrong.append(i)

    pool = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    assert not wrong


def test_many_sessions(open_session, target):
    nets = [small_net(seed) for seed in range(6)]
    sessions = [open_session(net.model().SerializeToString(), {**target, "threads": i + 1}, threads=1 + i % 3)
                for i, net in enumerate(nets)]  # fmt: skip
    for _ in range(2):
        for net, session in zip(nets, sessions, strict=True):
            feeds = net.feeds(N=2)
            np.testing.assert_array_equal(session.run(None, feeds)[0], net.expected(feeds)[0])
        sessions = sessions[::-1]
        nets = nets[::-1]


def test_a_failed_run_leaves_the_session_alive(open_session, target):
    """A shape the model cannot take: an error that names the node, then business as usual."""
    net = Net(4)
    net.output(net.conv(net.code_input(["N", 3, "H", "W"], "uint8"), 3, 4, kernel=(3, 3), pads=(0, 0, 0, 0)))
    session = open_session(net.model().SerializeToString(), target, full=True)
    for _ in range(3):
        with pytest.raises(Exception, match="Conv"):
            session.run(None, net.feeds(N=1, H=2, W=2))
        feeds = net.feeds(N=1, H=5, W=4)
        np.testing.assert_array_equal(session.run(None, feeds)[0], net.expected(feeds)[0])


def test_by_name(open_session, devices):
    """providers=[...] knows registered libraries from 1.25 on."""
    if tuple(int(v) for v in ort.__version__.split(".")[:2]) < (1, 25):
        pytest.skip("older hosts list built-in providers only")
    net = small_net()
    providers = [(EP, {"target": "portable"}), "CPUExecutionProvider"]
    session = ort.InferenceSession(net.model().SerializeToString(), providers=providers)
    assert session.get_providers() == [EP, "CPUExecutionProvider"]
    feeds = net.feeds(N=2)
    np.testing.assert_array_equal(session.run(None, feeds)[0], net.expected(feeds)[0])


def test_the_package(library, monkeypatch, tmp_path):
    """onnxruntime_ep_octile: names, and exactly one library or a clear error."""
    code = (
        "import onnxruntime_ep_octile as ep; print(ep.get_ep_name(), ep.get_ep_names()); print(ep.get_library_path())"
    )
    folder = tmp_path / "onnxruntime_ep_octile"
    folder.mkdir()
    shutil.copy(ROOT / "python/onnxruntime_ep_octile/__init__.py", folder)

    def run():
        return subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)

    assert "reinstall onnxruntime-ep-octile, or build" in run().stderr
    shutil.copy(library, folder / library.name)
    assert run().stdout.split() == [
        "OctileExecutionProvider", "['OctileExecutionProvider']", str(folder / library.name)
    ]  # fmt: skip
    shutil.copy(library, folder / library.name.replace(".so", ".1.so"))
    assert "several plugin libraries" in run().stderr
    assert library_path()


def slower_net():
    """Two filters for each channel: vectors of ours hold two channels at a time, whatever the CPU."""
    net = Net(9)
    net.output(net.conv(net.code_input([1, 64, 28, 28], "uint8"), 64, 128, groups=64))
    return net.model().SerializeToString()


def judged(open_session, tmp_path, model, **options):
    path = tmp_path / "explain.json"
    open_session(model, {"explain": path, **options})
    return json.loads(path.read_text())


@pytest.mark.parametrize("when_slower", ["keep_exact", "leave", "keep"])
@pytest.mark.parametrize("cpu", ["avx2", "avxvnni", "avx512vnni", "avx512amx"])
def test_slower_regions(open_session, default_pack, tmp_path, cpu, when_slower):
    if not default_pack.is_file():
        pytest.skip(f"{default_pack}: not built")
    report = judged(open_session, tmp_path, slower_net(), judge_for=cpu, when_slower=when_slower)
    (region,) = report["regions"] + report["regions_left"]
    assert region["cycles"] > region["host_cycles"] > 0
    left = when_slower == "leave" or (when_slower == "keep_exact" and cpu != "avx2")
    assert len(report["regions_left"]) == (1 if left else 0)
    assert region["decision"].startswith("slower here" if left else "slower here, kept")
    reasons = {node.get("reason") for node in report["nodes"]}
    assert ("the host runs its region faster" in reasons) == left


def test_measured_regions(open_session, default_pack, tmp_path):
    if not default_pack.is_file():
        pytest.skip(f"{default_pack}: not built")
    net = small_net()
    (predicted,) = judged(open_session, tmp_path, net.model().SerializeToString())["regions"]
    (measured,) = judged(open_session, tmp_path, net.model().SerializeToString(), measure=1)["regions"]
    assert not predicted["measured"]
    assert measured["measured"]
    assert measured["host_cycles"] == predicted["host_cycles"]
    assert measured["cycles"] != predicted["cycles"]


def test_unknown_shapes_are_not_judged(open_session, default_pack, tmp_path):
    net = Net(10)
    net.output(net.conv(net.code_input([1, 4, "H", 8], "uint8"), 4, 8))
    (region,) = judged(open_session, tmp_path, net.model().SerializeToString())["regions"]
    if default_pack.is_file():
        assert region["decision"] == "shapes are not known before the first run"
