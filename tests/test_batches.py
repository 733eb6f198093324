"""Batches are a function of seed and number."""

import dataclasses
import itertools

import numpy as np
import pytest
from numbered import numbered, numbers

from gan_jax.config import Config
from gan_jax.data import batches, batching, streams
from gan_jax.errors import ConfigError


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbered")
    numbered(folder / "tfds")
    return folder


@pytest.fixture
def numbered_set(prepared, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(prepared / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared / "tfds"))


def test_every_example_once_an_epoch(numbered_set):
    config = Config(
        dataset="numbered", batch_size=32, d_steps=2, seed=3
    )  # 300 is no multiple of 64
    drawn = list(itertools.islice(batches(config), 15))
    assert all(b.x.shape == (2, 32, 5, 3, 1) and b.x.dtype == np.uint8 for b in drawn)
    assert all(
        b.y.shape == (2, 32) and b.y.dtype == np.int32 and type(b.x) is np.ndarray for b in drawn
    )
    seen = np.concatenate([numbers(b.x).ravel() for b in drawn])
    np.testing.assert_array_equal(np.concatenate([b.y.ravel() for b in drawn]), seen % 2)
    epochs = seen[:900].reshape(3, 300)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(300), (3, 1)))
    assert (epochs[0] != epochs[1]).any() and (epochs[1] != epochs[2]).any()


@pytest.mark.parametrize("ahead", [0, 5])
@pytest.mark.parametrize("start", [1, 7, 1000])
def test_start_skips(numbered_set, start, ahead):
    config = Config(dataset="numbered", batch_size=7, d_steps=3, flip=True)
    from_there = itertools.islice(batches(config, start, ahead=ahead), 3)
    passed_by = itertools.islice(batches(config), start, start + 3)
    for a, b in zip(from_there, passed_by, strict=True):
        np.testing.assert_array_equal(a.x, b.x)
        np.testing.assert_array_equal(a.y, b.y)


def test_threads_read_ahead_in_the_same_order(numbered_set, monkeypatch):
    monkeypatch.setattr(
        batching, "_TOGETHER", 50
    )  # many blocks, so that threads meet at their borders
    config, rows = Config(dataset="numbered", batch_size=8, d_steps=2), np.array([1, 2, 6])
    ahead, plain = batches(config, 2, rows, ahead=7), batches(config, 2)
    for a, b in itertools.islice(zip(ahead, plain, strict=True), 200):
        np.testing.assert_array_equal(a.x, b.x[:, rows])
        np.testing.assert_array_equal(a.y, b.y[:, rows])


def test_what_reading_raises_comes_with_its_batch(numbered_set, monkeypatch):
    def torn(position, *_):
        if position[0] >= 100:
            raise OSError("the disk is gone")
        return position

    monkeypatch.setattr(batching, "_TOGETHER", 50)
    monkeypatch.setattr(streams, "shuffled", torn)
    ahead = batches(Config(dataset="numbered", batch_size=50), ahead=7)
    assert [next(ahead).y.shape for _ in range(2)] == [(1, 50)] * 2
    with pytest.raises(OSError, match="the disk is gone"):
        next(ahead)


def test_batch_is_a_function_of_seed_and_number(numbered_set):
    config = Config(dataset="numbered", batch_size=8)
    far = 10**12  # at once, and beyond 32 bits
    first, again = (next(batches(config, far)) for _ in range(2))
    np.testing.assert_array_equal(first.x, again.x)
    assert (next(batches(dataclasses.replace(config, seed=1), far)).x != first.x).any()
    whole = next(batches(dataclasses.replace(config, batch_size=300), far * 8 // 300))
    assert sorted(numbers(whole.x).ravel()) == list(range(300))


def test_more_steps_than_are_shuffled_at_once(numbered_set):
    config = Config(dataset="numbered", batch_size=100)
    seen = np.stack([numbers(b.x).ravel() for b in itertools.islice(batches(config), 600)])
    np.testing.assert_array_equal(
        np.sort(seen.reshape(200, 300)), np.tile(np.arange(300), (200, 1))
    )


@pytest.mark.parametrize(
    "changes, start, words",
    [
        ({"batch_size": 0}, 0, "batch_size must be at least 1, not 0"),
        ({"d_steps": -1}, 0, "d_steps must be at least 1, not -1"),
        ({}, -1, "start must be at least 0, not -1"),
        ({"dataset": "digitz"}, 0, "did you mean 'digits'"),
        ({"split": "trian"}, 0, "split 'trian' is unknown"),
        ({"size": 7}, 0, "size 7 is smaller than the images, which are 8x8"),
    ],
)
def test_batches_refuse_at_once(changes, start, words):
    for ahead in (0, 2):
        with pytest.raises(ConfigError, match=words):
            batches(dataclasses.replace(Config(), **changes), start, ahead=ahead)
