"""Inputs made from --shape texts and .npz files."""

from collections import namedtuple

import numpy as np
import pytest
from octile import inputs
from octile.errors import UserError

Declaration = namedtuple("Declaration", "name type shape")
X = Declaration("x", "tensor(float)", ["N", 3, None])
IDS = Declaration("ids", "tensor(int64)", [1, 4])


def test_shapes_of_two_inputs_form_one_set():
    assert inputs.parse_shapes(["a=1x2", "b=3"]) == [{"a": (1, 2), "b": (3,)}]


def test_a_name_met_again_begins_the_next_set_and_keeps_the_others():
    sets = inputs.parse_shapes(["a=1", "b=2", "a=5"])
    assert sets == [{"a": (1,), "b": (2,)}, {"a": (5,), "b": (2,)}]


@pytest.mark.parametrize("text", ["x", "x=", "x=1x", "x=axb", "=1x2", "x=-1"])
def test_a_malformed_shape_is_named(text):
    with pytest.raises(UserError, match="--shape"):
        inputs.parse_shapes([text])


def test_random_values_follow_type_shape_and_seed():
    (feed,) = inputs.feeds("m.onnx", [X, IDS], ["x=2x3x5"], seed=4)
    (again,) = inputs.feeds("m.onnx", [X, IDS], ["x=2x3x5"], seed=4)
    assert feed["x"].dtype == np.float32 and feed["x"].shape == (2, 3, 5)
    assert feed["ids"].dtype == np.int64 and feed["ids"].shape == (1, 4)
    assert np.array_equal(feed["x"], again["x"])


def test_eight_bit_inputs_use_the_full_range():
    (feed,) = inputs.feeds("m.onnx", [Declaration("q", "tensor(int8)", [1, 4000])])
    assert feed["q"].min() < -120 and feed["q"].max() > 120


def test_a_free_dimension_without_shape_names_the_option_to_give():
    with pytest.raises(UserError) as caught:
        inputs.feeds("m.onnx", [X])
    assert "--shape x=Nx3xN" in caught.value.cure


def test_a_shape_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match="does not fit"):
        inputs.feeds("m.onnx", [X], ["x=1x4x5"])


def test_an_unknown_input_lists_the_known_ones():
    with pytest.raises(UserError) as caught:
        inputs.feeds("m.onnx", [IDS], ["z=1"])
    assert "ids" in caught.value.cure


def test_npz_files_are_fed_as_they_are(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(1, 3, 2)
    np.savez(tmp_path / "in.npz", x=array)
    (feed,) = inputs.feeds("m.onnx", [X], files=[tmp_path / "in.npz"])
    assert np.array_equal(feed["x"], array)


def test_npz_files_with_other_names_or_junk_are_refused(tmp_path):
    np.savez(tmp_path / "in.npz", wrong=np.zeros(1))
    (tmp_path / "junk.npz").write_text("not a zip")
    for name in ("in.npz", "junk.npz", "missing.npz"):
        with pytest.raises(UserError, match=name):
            inputs.feeds("m.onnx", [X], files=[tmp_path / name])
