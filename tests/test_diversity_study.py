"""The study of the diversity of samples of one condition."""

from types import SimpleNamespace

import numpy as np
import pytest

from gan_jax import ConfigError
from gan_jax.config import Config
from gan_jax.data import Dataset
from gan_jax.parts.priors import Normal
from gan_jax.studies import diversity
from gan_jax.types import Batch

PIXELS = SimpleNamespace(features=lambda images: (np.reshape(images, (len(images), -1)), None))
"""A feature network whose features are the pixels."""


def test_distances_within_real_classes():
    """3 in class 0, and (1 + 3 + 2) / 3 in class 2; class 1 has one image."""
    images = np.array([0.0, 3.0, 50.0, 1.0, 2.0, 4.0])[:, None, None, None]
    labels = np.array([0, 0, 1, 2, 2, 2])
    assert diversity.apart_in_classes(PIXELS, images, labels) == pytest.approx(2.5)
    with pytest.raises(ConfigError, match=r"^runs: no class of the data set has two held-out"):
        diversity.apart_in_classes(PIXELS, images, np.arange(6))


def test_samples_of_a_condition_are_compared_with_each_other(monkeypatch):
    """Samples are 10 times their condition plus 0, 1, 2 and 3, whose mean distance is 5 / 3; real
    images of a class, and those with the nearest conditions, are 2 apart."""
    values = np.array([0.0, 2.0, 50.0, 52.0])[:, None, None, None]
    data = Dataset(values, np.array([0, 0, 1, 1]), None)
    monkeypatch.setattr("gan_jax.data.load", lambda *_: data)
    monkeypatch.setattr("gan_jax.data.splits.held_out_split", lambda *_: "test")
    seen = lambda gan, batch, seed: Batch(batch.x, batch.x[:, 0, 0])
    monkeypatch.setattr("gan_jax.sampling.conditions.as_seen", seen)

    def generated(gan, state, z, y):
        assert z.shape == (12, 5) and y.shape == (12, 1)
        return 10 * y + np.tile(np.arange(4.0), 3)[:, None]

    monkeypatch.setattr("gan_jax.sampling.draw.generated", generated)
    options = diversity.Options((), conditions=3, samples=4)
    gan = SimpleNamespace(prior=Normal(5))
    found, near = diversity.relative_diversity(gan, None, Config(), PIXELS, options)
    assert found.value == pytest.approx(5 / 6) and found.low == pytest.approx(5 / 6)
    assert near.value == pytest.approx(1)
    words = lambda *a: Batch(None, seen(*a).y.astype(np.int32))
    monkeypatch.setattr("gan_jax.sampling.conditions.as_seen", words)
    same, near = diversity.relative_diversity(gan, None, Config(), PIXELS, options)
    assert same == found and near is None


def test_nearest_conditions():
    """The squared distances are 101 (first to second), 50 (first to third) and 141; of the leaf a
    alone, 1 and 50."""
    y = {"a": np.array([[0, 1], [0, 2], [5, 6]]), "b": np.array([0.0, 10.0, 0.0])}
    np.testing.assert_array_equal(diversity.nearest(y, 3), [2, 0, 0])
    np.testing.assert_array_equal(diversity.nearest(y["a"], 2), [1, 0])
