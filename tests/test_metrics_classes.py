"""Metrics of recognized classes, and of intervals, against closed forms and draws."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from gan_jax import metrics
from gan_jax.metrics import estimate


def test_inception_score_of_written_out_cases():
    sure = np.log(np.eye(4) + 1e-30)
    np.testing.assert_allclose(metrics.inception_score(np.tile(sure, (5, 1))).value, 4)
    np.testing.assert_allclose(metrics.inception_score(np.zeros((10, 4))).value, 1)
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    mean = p.mean(axis=0)
    expected = np.exp(np.mean([(row * np.log(row / mean)).sum() for row in p]))
    np.testing.assert_allclose(metrics.inception_score(np.log(p) + 7).value, expected)


def test_inception_score_of_splits_is_the_mean_of_their_scores():
    logits = 3 * np.random.default_rng(0).standard_normal((101, 4)).astype(np.float32)
    bounds = [0, 33, 67, 101]
    scores = [metrics.inception_score(logits[i:j]).value for i, j in itertools.pairwise(bounds)]
    found = metrics.inception_score(logits, splits=3)
    np.testing.assert_allclose(found.value, np.mean(scores))
    expected = scipy.stats.ttest_1samp(scores, 0).confidence_interval(0.95)
    np.testing.assert_allclose((found.low, found.high), expected)
    with pytest.raises(ValueError, match="splits 51"):
        metrics.inception_score(logits, splits=51)


def test_inception_score_interval_holds_the_truth():
    rng = np.random.default_rng(1)
    draw = lambda n: 3 * rng.standard_normal((n, 4)) + [0, 0, 1, 2]
    truth = metrics.inception_score(draw(400_000)).value
    found = [metrics.inception_score(draw(500)) for _ in range(200)]
    assert 0.9 <= np.mean([e.low <= truth <= e.high for e in found]) <= 0.99


def test_classes_and_their_divergence_of_a_written_out_case():
    classes = np.array([0, 0, 0, 1])
    assert metrics.class_count(classes, 1000).value == 2
    uniform = metrics.class_divergence(classes, np.ones(4))
    np.testing.assert_allclose(uniform.value, 0.75 * np.log(3) + 0.25 * np.log(1))
    np.testing.assert_allclose(
        metrics.class_divergence(classes, np.array([6, 2, 0])).value, 0, atol=1e-15
    )
    impossible = metrics.class_divergence(classes, np.array([1, 0, 1]))
    assert impossible.value == np.inf and np.isnan(impossible.low)
    with pytest.raises(ValueError, match="between 0 and 1"):
        metrics.class_count(np.array([2]), 2)
    with pytest.raises(ValueError, match="non-negative and not all 0"):
        metrics.class_divergence(classes, np.array([2, -1]))


def test_the_effective_number_is_that_of_equally_frequent_classes():
    found = metrics.effective_classes(np.repeat([0, 3], 500), 5)
    np.testing.assert_allclose(found.value, 2)
    assert 1.98 < found.low < 2 < found.high < 2.02
    p = np.array([0.5, 0.3, 0.2])
    entropy = scipy.stats.entropy(p)
    found = metrics.effective_classes(np.repeat([0, 1, 2], [50, 30, 20]), 4)
    np.testing.assert_allclose(found.value, np.exp(entropy))
    rng = np.random.default_rng(2)
    draws = [metrics.effective_classes(rng.choice(3, 500, p=p), 3) for _ in range(300)]
    assert 0.9 <= np.mean([e.low <= np.exp(entropy) <= e.high for e in draws]) <= 0.99
    assert metrics.effective_classes(np.zeros(9, int), 5).low >= 1


def test_class_divergence_interval_holds_the_truth():
    rng = np.random.default_rng(2)
    p, q = np.array([0.5, 0.3, 0.15, 0.05]), np.ones(4)
    truth = (p * np.log(4 * p)).sum()
    found = [metrics.class_divergence(rng.choice(4, 1000, p=p), q) for _ in range(300)]
    assert 0.9 <= np.mean([e.low <= truth <= e.high for e in found]) <= 0.99


def test_intervals_of_shares_and_counts_are_the_textbook_ones():
    for right, n in [(0, 20), (7, 50), (50, 50)]:
        expected = scipy.stats.binomtest(right, n).proportion_ci(method="wilson")
        np.testing.assert_allclose(estimate.share(right / n, n)[1:], tuple(expected), atol=1e-12)
    low, high = estimate.count(7)[1:]
    np.testing.assert_allclose(
        [scipy.stats.poisson.sf(6, low), scipy.stats.poisson.cdf(7, high)], 0.025
    )
    assert scipy.stats.norm.ppf(0.975) == estimate.Z
    assert estimate.normal(0.1, 0.1, least=0.0) == (0.1, 0.0, pytest.approx(0.296, abs=1e-3))


def test_interval_of_a_mean_is_student_s():
    """Against the table of quantiles, t(4, 0.975) = 2.776, and scipy."""
    found = estimate.mean([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.776445 * math.sqrt(2.5) / math.sqrt(5)
    np.testing.assert_allclose(found, (3, 3 - half, 3 + half), rtol=1e-6)
    values = np.random.default_rng(0).standard_normal(12)
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(estimate.mean(values)[1:], expected, rtol=1e-12)
    assert estimate.mean([2.0]).value == 2 and math.isnan(estimate.mean([2.0]).low)
    assert math.isnan(estimate.mean([]).value)
