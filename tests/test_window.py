"""The steps since the last line of metrics, through a checkpoint."""

import json

import numpy as np

from gan_jax.training.window import Chunk, Window


def chunk(steps, value, seconds=1.0):
    return Chunk(steps, {"a": np.asarray(value, np.float64)}, seconds)


def test_a_window_goes_on_where_a_checkpoint_left_it():
    whole, before = Window(), Window()
    for window in (whole, before):
        window.add(chunk(1, [0.5, np.nan]))
        window.add(chunk(3, [0.25, 8.0]))
    after = Window(json.loads(json.dumps(before.notes())))
    for window in (whole, after):
        window.add(chunk(2, [0.75, 1.0], 0.5))
    assert len(after) == 6 and after.seconds == 2.5
    np.testing.assert_array_equal(after.means()["a"], whole.means()["a"])
    np.testing.assert_array_equal(after.means()["a"], [(0.5 + 0.75 + 1.5) / 6, np.nan])


def test_an_empty_window_has_no_notes():
    window = Window()
    assert window.notes() is None and len(Window(window.notes())) == 0
    window.add(chunk(1, 2.0))
    window.clear()
    assert window.notes() is None
