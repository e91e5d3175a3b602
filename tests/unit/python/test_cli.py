"""The command with fake programs: what it passes on, how it fails."""

import json
import pathlib

import numpy as np
import pytest
from octile import measure, tune
from octile.errors import UserError

COMMANDS = ("tune", "pack", "compile", "inspect", "run", "bench", "explain", "doctor")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(octile, command):
    result = octile(command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output and f"octile {command}" in result.output


@pytest.mark.parametrize("arguments", [("run",), ("bench",), ("explain",), ("tune",), ("compile", "-o", "x.octplan")])
def test_a_missing_model_is_named_with_a_cure_and_no_traceback(octile, arguments):
    result = octile(*arguments, "missing.onnx")
    assert result.exit_code == 1
    assert "missing.onnx" in result.output and "Traceback" not in result.output


def test_a_broken_model_is_an_error_of_the_file(octile, tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"this is no model")
    result = octile("run", "broken.onnx", "--provider", "cpu")
    assert result.exit_code == 1 and "broken.onnx" in result.output


def test_run_on_the_cpu_provider_writes_the_outputs(octile, relu_model, tmp_path):
    array = np.array([[[-1, 2, -3, 4]] * 3], np.float32)
    np.savez("in.npz", x=array)
    result = octile("run", relu_model, "--provider", "cpu", "--input", "in.npz", "--output", "out.npz")
    assert result.exit_code == 0, result.output
    with np.load("out.npz") as out:
        assert np.array_equal(out["y"], np.maximum(array, 0))


def test_a_missing_pack_is_named(octile, relu_model):
    result = octile("bench", relu_model, "--shape", "x=1x3x4", "--pack", "gone.octpack")
    assert result.exit_code == 1 and "gone.octpack" in result.output


def test_a_missing_program_says_where_it_was_looked_for(octile, tmp_path, monkeypatch):
    monkeypatch.setenv("OCTILE_BIN", str(tmp_path))
    result = octile("inspect", "x.octpack")
    assert result.exit_code == 1 and str(tmp_path) in result.output


def test_a_failing_program_s_last_words_are_the_error(octile, fake_program):
    fake_program("octile-pack", "sys.exit('octile-pack: x.octpack: truncated manifest')")
    result = octile("inspect", "x.octpack")
    assert result.exit_code == 1
    assert "x.octpack: truncated manifest" in result.output


def test_plans_are_inspected_by_their_own_program(octile, fake_program, tmp_path):
    fake_program("octile-plan", "print('a plan', sys.argv[1:])")
    (tmp_path / "other.name").write_bytes(b"OCTPLAN1 and more")
    for name in ("gone.octplan", str(tmp_path / "other.name")):
        result = octile("inspect", name, "--json")
        assert result.exit_code == 0 and "a plan ['inspect'" in result.output and "--json" in result.output


def test_the_documented_example_is_the_tested_one():
    root = pathlib.Path(__file__).resolve().parents[3]
    assert (root / "tests/unit/c_api/example.c").read_text() in (root / "docs/c-api.md").read_text()


def test_a_program_that_dies_by_a_signal_says_so(octile, fake_program):
    fake_program("octile-pack", "import os; os.kill(os.getpid(), 11)")
    result = octile("inspect", "x.octpack")
    assert result.exit_code == 1 and "SIGSEGV" in result.output


def test_tune_passes_workloads_and_budget_and_shows_the_end(octile, fake_program, tmp_path):
    fake_program(
        "octile-tune",
        """
        arguments = sys.argv[1:]
        ops = open(arguments[arguments.index("--ops") + 1]).read()
        json.dump({"arguments": arguments, "ops": ops}, open("seen.json", "w"))
        print(json.dumps({"elapsed_s": 1, "trials": 3, "ok": 2}), flush=True)
        print("a line that is not JSON", flush=True)
        print(json.dumps({"event": "summary", "trials": 7, "ok": 6, "gain": 1.25}), flush=True)
        """,
    )
    (tmp_path / "ops.txt").write_text("# comment\ndense mb1m8k8n8 src=u8:zp wei=s8 dst=s32\n\n")
    result = octile("tune", "--ops", "ops.txt", "--budget", "2m", "--target", "avx2", "--log", "t.jsonl")
    assert result.exit_code == 0, result.output
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["ops"] == "dense mb1m8k8n8 src=u8:zp wei=s8 dst=s32\n"
    for option, value in [("--target", "avx2"), ("--log", "t.jsonl")]:
        assert seen["arguments"][seen["arguments"].index(option) + 1] == value
    assert seen["arguments"][seen["arguments"].index("--budget") + 1] == "120s"
    assert "7 candidates measured" in result.output


def test_a_failing_tuner_fails_the_command(octile, fake_program, tmp_path):
    fake_program("octile-tune", "sys.exit(3)")
    (tmp_path / "ops.txt").write_text("dense mb1m8k8n8 src=u8:zp wei=s8 dst=s32\n")
    assert octile("tune", "--ops", "ops.txt").exit_code == 1


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400)])
def test_budgets(text, seconds):
    assert tune.parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1m", "5d", "m"])
def test_malformed_budgets_are_refused(text):
    with pytest.raises(UserError, match="--budget"):
        tune.parse_budget(text)


def test_difference_counts_nan_and_shape_disagreement_as_infinite():
    a = {"y": np.array([1.0, np.nan, np.inf])}
    assert measure.difference(a, a) == 0
    assert measure.difference(a, {"y": np.array([1.5, np.nan, np.inf])}) == 0.5
    assert measure.difference(a, {"y": np.array([1.0, 2.0, np.inf])}) == np.inf
    assert measure.difference(a, {"y": np.zeros(2)}) == np.inf


def test_sessions_take_turns():
    order = []

    class Session:
        def __init__(self, name):
            self.name = name

        def run(self, _outputs, _feed):
            order.append(self.name)

    times = measure.interleave({"octile": Session("o"), "cpu": Session("c")}, {}, repeats=3, seconds=60)
    assert "".join(order) == "oc" + "ocococ"
    assert len(times["octile"]) == len(times["cpu"]) == 3
