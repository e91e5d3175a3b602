"""What bench/peers makes of times and answers."""

import fcntl
import io
import json
import subprocess
import sys

import bench_path
import chart
import compare
import kinds
import numpy as np
import pools
import progress
import pytest
import readme
import run
import session
import texts
import tuned


def peers(**best):
    return {label: {"best_ms": ms} for label, ms in best.items()}


def test_a_summary_has_the_fastest_the_median_and_the_spread():
    found = compare.summary([2.0, 2.5, 3.0, 9.0])
    assert found == {"best_ms": 2.0, "median_ms": 3.0, "spread_percent": 50.0, "repeats": 4}


@pytest.mark.parametrize(
    "arguments",
    [
        ["session.py", "no.qdq_u8s8.onnx"],
        ["ops.py", "no.txt"],
        ["costs.py", "--against", "no.json"],
        ["shapes.py", "ocr_rec.no.onnx"],
    ],
)
def test_a_file_that_is_not_there_is_named(arguments):
    program = bench_path.ROOT / "bench" / "peers" / arguments[0]
    ended = subprocess.run([sys.executable, program, *arguments[1:]], capture_output=True, text=True)
    assert ended.returncode == 1
    assert f"octile: {arguments[-1]}: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_best_peer_is_the_fastest_other_system_int8_or_fp32():
    times = peers(octile=1.0, ort_int8=4.0, openvino_fp32=3.0)
    assert compare.best_peer(times) == "openvino_fp32"
    assert compare.ratio(times, "openvino_fp32") == 3.0
    assert compare.best_peer(peers(octile=1.0)) is None


def test_files_that_octile_did_not_run_are_named():
    rows = [
        {"model": "a", "form": "qdq", "failed": {"openvino_int8": "no such op"}},
        {"model": "b", "form": "qdq", "failed": {"octile@2": "broken"}},
    ]
    assert compare.without_octile(rows) == ["b.qdq"]


def test_a_ratio_without_one_of_the_two_is_none():
    assert compare.ratio(peers(ort_int8=4.0), "ort_int8") is None
    assert compare.ratio(peers(octile=4.0), None) is None


def test_the_geometric_mean_of_inverses_is_one():
    assert compare.geometric_mean([2.0, 0.5, 4.0, 0.25]) == pytest.approx(1.0)
    assert compare.geometric_mean([]) is None


def test_distances_to_the_float_answers():
    want = [np.array([[1.0, 2.0, 3.0]]), np.zeros((1, 2, 2, 2))]
    got = [np.array([[1.0, 4.0, 3.0]]), np.zeros((1, 2, 2, 2))]
    found = compare.answers({"ort_fp32": want, "octile": got, "ort_int8": want}, ("ort_fp32",))
    assert set(found) == {"octile", "ort_int8"}
    assert found["octile"]["max_abs_diff"] == 2.0 and found["octile"]["top1"] == 0.0
    assert found["octile"]["cosine"] == pytest.approx(18 / np.sqrt(26 * 14), abs=1e-6)
    assert found["ort_int8"] == {"max_abs_diff": 0.0, "cosine": 1.0, "top1": 1.0}


def test_answers_that_hardly_resemble_the_float_model_s_are_named():
    found = {"octile": {"cosine": 0.99}, "ort_int8": {"cosine": 0.2}, "openvino_int8": {"cosine": float("nan")}}
    assert list(compare.far(found)) == ["ort_int8", "openvino_int8"]


def test_answers_of_another_shape_are_infinitely_far():
    a, b = [np.zeros((1, 3))], [np.zeros((1, 4))]
    assert compare.largest_difference(a, b) == float("inf")
    assert compare.top1(a, b) is None and np.isnan(compare.cosine(a, b))


def test_without_a_float_model_there_are_no_distances():
    assert compare.answers({"octile": [np.zeros(1)]}, ("ort_fp32", "openvino_fp32")) == {}


def test_scaling_is_each_peers_own():
    times = {"octile@1": {"best_ms": 8.0}, "octile@2": {"best_ms": 5.0}, "ort_int8@1": {"best_ms": 6.0}}
    assert compare.scaling(times) == {"octile": {2: 1.6}, "ort_int8": {}}


def test_scaling_rows_fall_apart_into_rows_per_number_of_threads():
    row = {"model": "m", "form": "f", "peers": peers(**{"octile@1": 3.0, "ort_int8@1": 4.0, "octile@12": 2.0})}
    one, twelve = compare.by_threads([row])
    assert (one["threads"], compare.ratio(one["peers"], "ort_int8")) == (1, 1.333)
    assert (twelve["threads"], list(twelve["peers"])) == (12, ["octile"])


def test_slower_rows_are_those_beyond_the_margin():
    rows = [{"peers": peers(octile=o, ort_int8=1.0)} for o in (0.5, 1.0, 1.02, 1.2)]
    rows.append({"peers": peers(octile=9.0)})
    assert [r["peers"]["octile"]["best_ms"] for r, _ in compare.slower(rows, 0.03)] == [1.2]


def test_panels_are_counted_by_how_weights_are_packed():
    nodes = [
        {"kernels": [{"kernel": "a", "panels": 3}, {"kernel": "b", "panels": 1}]},
        {"kernels": [{"kernel": "c", "panels": 4}]},
        {},
    ]
    modes = {"a": "layout=k4n8 group=4", "b": "layout=k2n8w", "c": "layout=k4n8 group=4"}
    assert compare.panels_by_mode({"nodes": nodes}, modes) == {"layout=k2n8w": 0.125, "layout=k4n8 group=4": 0.875}


def test_names_of_files():
    assert run.split_name("some/resnet50.qdq_u8s8.onnx") == ("resnet50", "qdq_u8s8")
    assert run.split_name("plain.onnx") == ("plain", "-")


def test_a_quantized_file_finds_its_float_model(tmp_path):
    quantized = tmp_path / "net.qdq_u8s8.onnx"
    assert run.files_of(quantized) == {"int8": quantized, "fp32": None}
    (tmp_path / "net.onnx").touch()
    assert run.files_of(quantized)["fp32"] == tmp_path / "net.onnx"
    assert run.files_of(tmp_path / "net.onnx")["fp32"] is None


def test_a_peer_that_fails_is_noted_and_the_others_run(relu_model):
    pool = pools.Pool({"x": np.ones((2, 3, 4), np.float32)})
    broken = relu_model.with_name("broken.onnx")
    broken.write_bytes(b"not a model")
    pool.add("ort_int8", "ort_int8", {"int8": broken})
    pool.add("ort_fp32", "ort_fp32", {"int8": broken, "fp32": relu_model})
    assert list(pool.runners) == ["ort_fp32"] and list(pool.failed) == ["ort_int8"]
    assert np.array_equal(pool.answers["ort_fp32"][0], np.ones((2, 3, 4)))
    assert len(pool.times(3)["ort_fp32"]) >= 3


def test_a_peer_without_its_file_says_so():
    pool = pools.Pool({})
    pool.add("ort_fp32", "ort_fp32", {"int8": "x.onnx", "fp32": None})
    assert pool.failed["ort_fp32"] == "no fp32 file of this model"


def test_progress_estimates_from_the_average():
    ticks, out = iter([0.0, 30.0, 90.0]), io.StringIO()
    shown = progress.Progress(3, out, lambda: next(ticks))
    shown.finished("a")
    shown.finished("b")
    assert out.getvalue().splitlines() == ["[1/3] a, 0:30 so far, 1:00 left", "[2/3] b, 1:30 so far, 0:45 left"]


def rows():
    times = {"octile": {"best_ms": 1.0}, "ort_int8": {"best_ms": 4.0}, "openvino_fp32": {"best_ms": 2.0}}
    return [{"model": "net", "form": "qdq_u8s8", "peers": times, "best_peer": "openvino_fp32"}]


def test_bars_are_speeds_relative_to_the_best_peer():
    assert chart.relative_speeds(rows()[0]) == {"octile": 2.0, "ort_int8": 0.5, "openvino_fp32": 1.0}


def test_the_chart_names_the_model_and_the_peers_that_ran(tmp_path):
    text = chart.draw(rows(), tmp_path / "c.svg", "some CPU").read_text()
    assert "ONNX Runtime int8" in text and "net" in text and "OpenVINO int8" not in text


def test_the_readme_s_table_is_made_from_its_record(tmp_path):
    row = {**rows()[0], "ratio": 2.0, "threads": 1}
    facts = {"date": "2026-01-02", "machine": {"cpu": "C", "target": "t"}, "versions": {"onnxruntime": "9"}}
    (tmp_path / "r.json").write_text(json.dumps({**facts, "rows": [row, {**row, "form": "other"}]}))
    text = "before\n<!-- measured r.json qdq_u8s8 -->\nold\n<!-- end -->\nafter\n"
    made = readme.renewed(text, tmp_path)
    assert "| net | qdq_u8s8 | 1 | 4 | - | - | **2** | 2.00 |" in made and "old" not in made and "other" not in made
    assert "C (t), 1 thread, onnxruntime 9, 2026-01-02." in made
    assert readme.renewed(made, tmp_path) == made


def test_the_readme_in_the_repository_agrees_with_the_records():
    text = (bench_path.ROOT / "README.md").read_text()
    assert readme.renewed(text, bench_path.ROOT / "bench" / "records") == text


def test_memory_is_read_from_the_pss_line():
    assert session.pss_kib("Rss: 99 kB\nPss:            1234 kB\nPss_Dirty: 5 kB\n") == 1234


def test_sessions_are_summed_up_by_fastest_creation_and_median_growth():
    def said(create, grown):
        return {"create_ms": create, "first_run_ms": 1.0, "grown_kib": grown}

    row = session.summarize(
        {
            "octile": [said(8, 2048), said(5, 1024), said(6, 1024)],
            "cached": [said(5, 2048)],
            "compiled": [said(1, 512)],
            "ort": [said(10, 2048), said(12, 2048), said(11, 9999)],
        }
    )
    assert row["octile"]["create_ratio"] == 0.5 and row["octile"]["memory_ratio"] == 0.5
    assert row["compiled"]["create_ratio"] == 0.1 and row["compiled"]["memory_ratio"] == 0.25
    assert json.dumps(row)


class Counting:
    """A session that notes the lengths it ran."""

    def __init__(self, ran):
        self.ran = ran

    def run(self, _, feed):
        self.ran.append(feed["x"])


def test_texts_take_turns_by_provider_each_after_a_run_that_does_not_count():
    ran = {"octile": [], "cpu": []}
    opened = {name: Counting(notes) for name, notes in ran.items()}
    row = texts.row_of("two", opened, [{"x": 3}, {"x": 5}], rounds=2)
    assert ran == {"octile": [5, 3, 5, 5, 3, 5], "cpu": [5, 3, 5, 5, 3, 5]}
    assert row["texts"] == "two"
    assert min(row["octile_ms"], row["ort_ms"]) >= 0


def test_kinds_of_products_are_read_off_op_lines():
    assert kinds.kind_of("conv2d mb1g32ic32ih112iw112oc32kh3kw3pt1pl1pb1pr1 src=u8") == "depthwise 3x3"
    assert kinds.kind_of("conv2d mb1g144ic144ih56iw56oc144kh5kw5sh2sw2pt2 src=u8") == "depthwise 5x5 stride 2"
    assert kinds.kind_of("conv2d mb1g1ic1ih28iw28oc16kh3kw3 src=u8") == "conv 3x3"
    assert kinds.kind_of("conv2d mb1g2ic64ih56iw56oc64kh1kw1 src=u8") == "conv 1x1"
    assert kinds.kind_of("dense mb1m128k768n768 src=u8") == "dense"
    assert kinds.kind_of("softmax_codes") is None


def test_kinds_leave_out_what_ort_cannot_time():
    def row(kind, us, ort_us, share):
        return {"kind": kind, "us": us, "ort_us": ort_us, "ratio": ort_us / us, "peak_share": share}

    rows = [row("depthwise 3x3", 10, 20, 0.4), row("depthwise 5x5", 10, 80, 0.2), row("conv 1x1", 1, 3, 0.1)]
    found = kinds.summarize(rows, least=5)
    assert set(found) == {"depthwise", "depthwise 3x3", "depthwise 5x5"}
    assert found["depthwise"]["layers"] == 2 and round(found["depthwise"]["ratio"], 6) == 4
    assert found["depthwise"]["peak_share"] == 0.3


def test_tuned_kernels_count_where_the_clock_does_not():
    def row(us, bound_share, ratio):
        return {"default": {"us": us, "bound_share": bound_share}, "ratio": ratio}

    found = tuned.means([row(50, 0.9, 1.0), row(50, 0.5, 4.0), row(5, 0.5, 0.1)], least=20)
    assert found == {"all": 2.0, "far_from_bound": pytest.approx(4.0), "far_from_bound_ops": 1, "least": 1.0}
    assert tuned.means([], least=20)["all"] is None


def test_a_turn_holds_the_lock_and_hands_it_on_when_it_is_over(tmp_path, monkeypatch):
    path, now = tmp_path / "lock", [0.0]
    monkeypatch.setenv("OCTILE_BENCH_LOCK", str(path))

    def taken():
        with path.open() as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    with progress.Turn(clock=lambda: now[0]) as turn:
        first = turn.file
        turn.over()
        assert turn.file is first and taken()
        now[0] = 1000.0
        turn.over()
        assert turn.file is not first and taken()
    assert not taken()
