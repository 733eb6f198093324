"""The metrics against scipy, closed forms and brute force."""

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial.distance

from gan_jax import metrics


def gaussian(rng, n, mean, scale):
    """``n`` rows whose sample mean and covariance are exactly ``mean`` and ``diag(scale^2)``."""
    x = rng.standard_normal((n, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False)).T)
    return x * scale + mean


def by_scipy(a, b):
    """The textbook formula with a general matrix root."""
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(covariance_a @ covariance_b).real
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(covariance_a + covariance_b - 2 * root)


@pytest.mark.parametrize(("n", "m", "f"), [(300, 200, 16), (1000, 70, 64)])
def test_frechet_agrees_with_scipy(n, m, f):
    rng = np.random.default_rng(f)
    a = rng.standard_normal((n, f)) @ rng.standard_normal((f, f)) + rng.standard_normal(f)
    b = np.maximum(rng.standard_normal((m, f)) @ rng.standard_normal((f, f)), 0)
    expected = by_scipy(a, b)
    np.testing.assert_allclose(metrics.frechet_distance(a, b), expected, rtol=1e-9)
    np.testing.assert_allclose(
        metrics.frechet_distance_of_moments(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False)),
        expected,
        rtol=1e-9,
    )


@pytest.mark.parametrize(("n", "m"), [(20, 25), (20, 200), (200, 20)])
def test_frechet_with_fewer_images_than_features(n, m):
    rng = np.random.default_rng(0)
    f = 40
    a, b = rng.standard_normal((n, f)), rng.standard_normal((m, f)) * np.linspace(0.1, 2, f) + 1
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # The product has the rank of the smaller set; the eigenvalues beyond it are rounding, and scipy's root of them noise.
    eigenvalues = np.sort(scipy.linalg.eigvals(covariance_a @ covariance_b).real)[-(min(n, m) - 1) :]
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(covariance_a) + np.trace(covariance_b)
    expected -= 2 * np.sqrt(eigenvalues).sum()
    np.testing.assert_allclose(metrics.frechet_distance(a, b), expected, rtol=1e-9)


def test_frechet_of_diagonal_gaussians_is_the_closed_form():
    rng = np.random.default_rng(1)
    mean_a, mean_b = rng.standard_normal((2, 8))
    scale_a, scale_b = rng.uniform(0.1, 3, (2, 8))
    a, b = gaussian(rng, 500, mean_a, scale_a), gaussian(rng, 300, mean_b, scale_b)
    expected = ((mean_a - mean_b) ** 2).sum() + ((scale_a - scale_b) ** 2).sum()
    np.testing.assert_allclose(metrics.frechet_distance(a, b), expected, rtol=1e-9)


def test_frechet_is_symmetric_zero_for_equals_and_blind_to_rotation_and_shift():
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((100, 12)), rng.standard_normal((80, 12)) * 1.5 + 0.3
    distance = metrics.frechet_distance(a, b)
    rotation = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    np.testing.assert_allclose(metrics.frechet_distance(b, a), distance, rtol=1e-9)
    np.testing.assert_allclose(metrics.frechet_distance(a @ rotation + 7, b @ rotation + 7), distance, rtol=1e-9)
    np.testing.assert_allclose(metrics.frechet_distance(3 * a, 3 * b), 9 * distance, rtol=1e-9)
    np.testing.assert_allclose(metrics.frechet_distance(a, a[::-1]), 0, atol=1e-9)


def test_frechet_with_features_that_never_fire():
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((100, 6)), rng.standard_normal((90, 6)) + 1
    dead = np.zeros((1, 3))
    wide_a, wide_b = np.hstack([a, np.repeat(dead, 100, 0)]), np.hstack([b, np.repeat(dead, 90, 0)])
    np.testing.assert_allclose(metrics.frechet_distance(wide_a, wide_b), metrics.frechet_distance(a, b), rtol=1e-7)


def test_frechet_is_computed_in_float64():
    """Features far from the origin, where float32 sums would lose the distance."""
    rng = np.random.default_rng(4)
    a = (rng.standard_normal((5000, 4)) + 1000).astype(np.float32)
    b = (rng.standard_normal((5000, 4)) * 1.1 + 1000).astype(np.float32)
    expected = by_scipy(a.astype(np.float64), b.astype(np.float64))
    np.testing.assert_allclose(metrics.frechet_distance(a, b), expected, rtol=1e-6)


def test_frechet_refuses_wrong_features():
    ok = np.zeros((4, 3))
    with pytest.raises(ValueError, match=r"\(1, 3\)"):
        metrics.frechet_distance(ok[:1], ok)
    with pytest.raises(ValueError, match="3 of a against 2 of b"):
        metrics.frechet_distance(ok, ok[:, :2])
    with pytest.raises(ValueError, match="b: 12 feature values are not finite"):
        metrics.frechet_distance(ok, np.full((4, 3), np.nan))
    with pytest.raises(ValueError, match="negative"):
        metrics.frechet_distance_of_moments(np.zeros(2), np.diag([1.0, -1.0]), np.zeros(2), np.eye(2))


def test_label_scores_of_a_written_out_case():
    classes = np.array([0, 0, 1, 2, 2, 2])
    logits = 5.0 * np.eye(4)[classes] - 100
    labels = np.array([0, 1, 1, 2, 2, 0])
    assert metrics.label_agreement(logits, labels) == 4 / 6
    np.testing.assert_array_equal(metrics.class_shares(logits), [2 / 6, 1 / 6, 3 / 6, 0])
    np.testing.assert_array_equal(metrics.label_agreement_by_class(logits, labels), [1 / 2, 1 / 2, 1, np.nan])


@pytest.mark.parametrize("labels", [np.array([0, 4]), np.array([-1, 0]), np.array([0])])
def test_label_agreement_refuses_labels_outside_the_classes(labels):
    with pytest.raises(ValueError, match="needed"):
        metrics.label_agreement(np.zeros((2, 4)), labels)


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_nearest_neighbours_agree_with_brute_force(block):
    rng = np.random.default_rng(5)
    queries, references = rng.integers(0, 256, (5, 4, 4, 1)), rng.integers(0, 256, (40, 4, 4, 1)).astype(np.uint8)
    indices, distances = metrics.nearest_neighbours(queries, references, 6, block=block)
    every = scipy.spatial.distance.cdist(queries.reshape(5, -1).astype(float), references.reshape(40, -1).astype(float))
    np.testing.assert_array_equal(indices, np.argsort(every, axis=1, kind="stable")[:, :6])
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, :6])
    with pytest.raises(ValueError, match="1 to 40"):
        metrics.nearest_neighbours(queries, references, 41)


def test_measure_leaves_out_what_the_sample_cannot_tell():
    rng = np.random.default_rng(6)
    features, logits, labels = rng.standard_normal((30, 3)), rng.standard_normal((30, 4)), np.arange(30) % 4
    reference = metrics.Sample(rng.standard_normal((20, 3)))
    assert set(metrics.measure(metrics.Sample(features), reference)) == {"frechet_distance"}
    assert set(metrics.measure(metrics.Sample(features, logits), reference)) == {"frechet_distance", "class_shares"}
    assert set(metrics.measure(metrics.Sample(features, logits, labels), reference)) == set(metrics.METRICS)
