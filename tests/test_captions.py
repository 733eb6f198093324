"""Coloured digits and the captions that describe them."""

import itertools

import numpy as np
import pytest

from gan_jax.data import combinations, dataset, describe, load
from gan_jax.data.combinations import BOXES, COLOURS, COMBINATIONS, COUNTS, GROUNDS
from gan_jax.data.dataset import Dataset
from gan_jax.data.embedded import coloured_mnist
from gan_jax.data.embedded.coloured_mnist import SPLITS, coloured

EVERY = np.arange(COMBINATIONS)


def digits(n=40):
    """Bright blocks on black, one of each class in turn; the block of class 1 is narrow."""
    images, labels = np.zeros((n, 28, 28, 1), np.uint8), np.arange(n, dtype=np.int32) % 10
    images[:, 4:24, 6:20] = 200
    images[labels == 1, :, 10:] = 0
    return images, labels


def test_combinations_are_numbered_as_documented():
    values = combinations.values_of(EVERY)
    assert values.max(0).tolist() == [count - 1 for count in COUNTS] == [9, 5, 1, 3, 2]
    digit, colour, size, place, ground = values.T
    np.testing.assert_array_equal(
        (((digit * 6 + colour) * 2 + size) * 4 + place) * 3 + ground, EVERY
    )
    np.testing.assert_array_equal(combinations.index_of(values), EVERY)
    index = int(combinations.index_of(np.array([7, 0, 0, 0, 0])))
    assert combinations.name_of(index) == "large red seven at the top left on black"
    assert len(set(map(combinations.name_of, EVERY))) == COMBINATIONS


def test_a_fifth_is_held_out_and_every_pair_of_values_is_seen():
    values, out = combinations.values_of(EVERY), combinations.held_out(EVERY)
    assert out.sum() == COMBINATIONS // 5
    for a, b in itertools.combinations(range(5), 2):
        together = np.zeros((COUNTS[a], COUNTS[b], 2), int)
        np.add.at(together, (values[:, a], values[:, b], out.astype(int)), 1)
        share = together[..., 1] / together.sum(-1)
        assert share.min() > 0.1 and share.max() < 0.3, (a, b)


@pytest.mark.parametrize("name", SPLITS)
def test_images_show_their_combination(name):
    images, labels = coloured(*digits(), np.arange(400), SPLITS[name])
    assert images.shape == (400, 32, 32, 3) and images.dtype == np.uint8
    assert (combinations.held_out(labels) == (name == "held_out")).all()
    for image, (digit, colour, size, place, ground) in zip(
        images, combinations.values_of(labels), strict=True
    ):
        inside = (image != GROUNDS[ground]).any(-1)
        rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
        sides = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert max(sides) == BOXES[size] and (sides[1] < 0.4 * sides[0]) == (digit == 1)
        middle = (rows.mean() > 15.5) * 2 + (columns.mean() > 15.5)
        assert middle == place and not inside[[0, -1]].any() and not inside[:, [0, -1]].any()
        assert (image == COLOURS[colour]).all(-1).sum() > 0.5 * inside.sum()


def test_an_example_depends_on_its_split_and_number_alone():
    index = np.arange(60)
    images, labels = coloured(*digits(), index, SPLITS["test"])
    again = coloured(*digits(), index[40:50], SPLITS["test"])
    np.testing.assert_array_equal(images[40:50], again[0])
    np.testing.assert_array_equal(labels[40:50], again[1])
    assert (labels != coloured(*digits(), index, SPLITS["train"])[1]).any()


def test_coloured_mnist_is_made_from_mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    asked = []

    def loaded(name, split):
        asked.append((name, split))
        return Dataset(*digits(), None)

    monkeypatch.setattr(dataset, "load", loaded)
    few = {name: split._replace(examples=30) for name, split in SPLITS.items()}
    monkeypatch.setattr(coloured_mnist, "SPLITS", few)
    data = load("coloured_mnist", "held_out")
    images, labels = coloured(*digits(), np.arange(30), few["held_out"])
    np.testing.assert_array_equal(data.examples, images)
    np.testing.assert_array_equal(data.labels, labels)
    assert set(asked) == {("mnist", "train"), ("mnist", "test")}
    about = describe("coloured_mnist")
    assert about.splits == {"train": 30, "test": 30, "held_out": 30}
    assert about.class_names == tuple(map(combinations.name_of, EVERY))
