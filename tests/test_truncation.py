"""The truncation curve against the moments of the truncated normal distribution."""

import numpy as np
import pytest
import scipy.stats

from gan_jax.evaluation.truncation import truncation_curve
from gan_jax.metrics import Sample
from gan_jax.modality import labels_in_turn
from gan_jax.parts.priors import Normal

SIZE, COUNT = 4, 4_000
ANY = np.zeros(COUNT, np.int32)


def curve(features=lambda z, y: z, **options):
    real = np.random.default_rng(0).normal(size=(50_000, SIZE)).astype(np.float32)
    return truncation_curve(features, Sample(real), Normal(SIZE), ANY, **options)


@pytest.fixture(scope="module")
def normal():
    return {point["psi"]: point for point in curve()}


def test_frechet_distance_is_that_of_truncated_latents(normal):
    """Of independent coordinates: the sum of the squared differences of the standard deviations."""
    for psi in (0.25, 0.5, 0.75, 1.0):
        expected = SIZE * (1 - scipy.stats.truncnorm(-psi, psi).std()) ** 2
        np.testing.assert_allclose(normal[psi]["frechet_distance"], expected, rtol=0.02)
        low, high = normal[psi]["intervals"]["frechet_distance"]
        assert low < expected < high
    assert normal[None]["frechet_distance"] < 0.01


def test_truncation_loses_recall(normal):
    points = list(normal.values())
    assert [point["psi"] for point in points] == [0.25, 0.5, 0.75, 1.0, None]
    recall = [point["recall"] for point in points]
    assert recall == sorted(recall) and recall[0] < 0.05 and recall[-1] > 0.9


def test_truncation_gains_precision_where_the_tails_are_wrong():
    near, whole = curve(lambda z, y: 2 * z, psis=(0.5, None))
    assert near["precision"] > 0.95 > 0.7 > whole["precision"]


def test_labels_come_in_equal_shares_and_the_seed_decides():
    told = []

    def features(latents, labels):
        told.append(np.bincount(labels, minlength=3))
        return latents

    real = Sample(np.random.default_rng(0).normal(size=(200, SIZE)).astype(np.float32))
    make = lambda seed: truncation_curve(
        features, real, Normal(SIZE), labels_in_turn(99, 3), psis=(0.5,), seed=seed
    )
    assert make(1) == make(1) != make(2)
    np.testing.assert_array_equal(told, 33)


def test_too_few_samples_have_no_distance():
    real = Sample(np.random.default_rng(0).normal(size=(200, 80)).astype(np.float32))
    (point,) = truncation_curve(lambda z, y: z, real, Normal(80), ANY[:50], psis=(None,))
    assert point["frechet_distance"] is None and 0 <= point["precision"] <= 1
    assert set(point["intervals"]) == {"precision", "recall"}
