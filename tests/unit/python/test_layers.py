"""The per-layer report, from profiles written by hand."""

import json

import pytest
from octile import layers, roofline, tables
from octile.errors import UserError

PEAK = {
    "yardstick": "mix",
    "loops": [{"name": "words", "gmac_per_s": {"1": 50.0}}, {"name": "mix", "gmac_per_s": {"1": 100.0, "2": 190.0}}],
    "memory": [
        {"bytes": 1 << 18, "read_gb_per_s": {"1": 80.0, "2": 150.0}},
        {"bytes": 1 << 28, "read_gb_per_s": {"1": 10.0, "2": 12.0}},
    ],
}
STEPS = [
    {"node": "stem", "op": "conv2d a", "us": 90, "best_us": 20, "calls": 3, "macs": 1_000_000, "bytes": 10_000},
    {"node": "stem", "kind": "convert", "op": "conv2d a", "us": 4, "calls": 4, "bytes": 10_000},
    {"node": "add", "op": "add b", "us": 8.0, "calls": 4, "bytes": 80_000},
    {"node": "fc", "op": "dense c", "us": 30, "calls": 3, "macs": 40_000, "bytes": 40_000},
]


UNITS = {"stem": "stem", "stem_quantize": "stem", "add": "add", "relu": "add", "scale": "scale"}


def event(name, op, dur, cat="Node"):
    return {"cat": cat, "name": name, "dur": dur, "args": {"op_name": op}}


EVENTS = [
    event("model_run", "", 999, cat="Session"),
    event("stem_token_7_kernel_time", "QLinearConv", 60),
    event("stem_token_7_kernel_time", "QLinearConv", 50),
    event("stem_token_7_fence_before", "QLinearConv", 1),
    event("relu_kernel_time", "Relu", 3),
    event("add_kernel_time", "QLinearAdd", 4),
    event("scale_token_1_kernel_time", "QLinearMul", 5),
    event("Transpose_kernel_time", "Transpose", 9),
    event("Transpose_token_3_kernel_time", "Transpose", 2),
]


@pytest.fixture
def files(tmp_path):
    ours, theirs = tmp_path / "ours.jsonl", tmp_path / "ort.json"
    ours.write_text("".join(json.dumps(step) + "\n" for step in STEPS))
    theirs.write_text(json.dumps(EVENTS))
    return ours, theirs


@pytest.fixture
def report(files):
    ours, theirs = files
    steps, machine = layers.read_profile(ours), layers.peaks(PEAK, 1)
    folded, elsewhere = layers.join(steps, layers.read_ort_profile(theirs), UNITS)
    judged = [layers.judge(step, machine) for step in steps]
    facts = {"model": "m.onnx", "threads": 1, "machine": machine}
    return {**facts, "layers": judged, "ort_folded_us": folded, "ort_elsewhere_us": elsewhere}


def test_a_step_counts_by_its_fastest_call_else_by_the_mean(files):
    assert [step["us"] for step in layers.read_profile(files[0])] == [20, 1.0, 2.0, 10]


@pytest.mark.parametrize("line", ["{", "[]", '{"node":"a"}', '{"node":"a","op":"b","us":"x","calls":1}'])
def test_a_broken_profile_is_named_with_its_line(tmp_path, line):
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(STEPS[0]) + "\n" + line + "\n")
    with pytest.raises(UserError, match=r"p\.jsonl:2"):
        layers.read_profile(path)


def test_ort_s_time_goes_to_the_step_that_stands_for_the_node(report):
    assert [layer["ort_us"] for layer in report["layers"]] == [50, None, 7, None]
    assert report["ort_elsewhere_us"] == {"Transpose": 11} and report["ort_folded_us"] == {"QLinearMul": 5}


def test_the_peak_is_the_yardstick_s_at_these_threads():
    assert layers.peaks(PEAK, 2) == {"gmac_per_s": 190.0, "loop": "mix", "memory": [(1 << 19, 150.0), (1 << 29, 12.0)]}
    with pytest.raises(UserError):
        layers.peaks(PEAK, 4)


def test_bandwidth_is_that_of_the_smallest_working_set_that_holds_the_bytes():
    machine = layers.peaks(PEAK, 1)
    assert [layers.bandwidth(machine, b) for b in (1, 1 << 18, (1 << 18) + 1, 1 << 40)] == [80.0, 80.0, 10.0, 10.0]


def test_a_step_is_bound_by_the_slower_of_the_two(report):
    stem, cast, add, fc = report["layers"]
    assert cast["op"] == "convert"
    assert (stem["bound"], stem["gmac_per_s"], stem["peak_share"], stem["bound_share"]) == ("compute", 50.0, 0.5, 0.5)
    assert (add["bound"], add["peak_share"], add["bound_share"]) == ("memory", 0.0, 0.5)  # 1 us at 80 GB/s, took 2
    assert fc["bound"] == "memory" and fc["bound_share"] == 0.05


def test_the_table_has_a_line_per_layer_and_ort_s_rest(report, capsys):
    tables.layered(report)
    text = capsys.readouterr().out
    assert (
        "stem" in text and "2.50" in text and "Transpose nodes elsewhere" in text and "QLinearMul nodes folded" in text
    )
    assert "0.033 ms in 4 layers, 0.32 of the peak" in text


def test_the_roofline_shows_layers_that_multiply(report, tmp_path):
    assert [p[0] for p in roofline.points(report)] == [100.0, 1.0]
    roofline.draw(report, tmp_path / "r.svg")
    assert (tmp_path / "r.svg").stat().st_size > 1000


def test_a_plot_nobody_can_write_is_an_error_of_the_user(report, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        roofline.draw(report, tmp_path / "nowhere" / "r.svg")


def test_a_plot_needs_layers(octile, relu_model):
    result = octile("bench", relu_model, "--plot", "x.svg")
    assert result.exit_code == 1 and "--layers" in result.output
