"""The kernel distance against the definition in float64, and its interval against draws."""

import numpy as np
import pytest

from gan_jax import metrics
from gan_jax.metrics import kernel


def by_definition(a, b):
    """All pairs of different rows, in float64."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    k = lambda x, y: (x @ y.T / x.shape[1] + 1) ** 3
    mean = lambda square: (square.sum() - np.trace(square)) / (len(square) * (len(square) - 1))
    return mean(k(a, a)) + mean(k(b, b)) - 2 * k(a, b).mean()


@pytest.mark.parametrize(
    ("block", "n", "m"), [(4096, 300, 200), (64, 300, 200), (64, 128, 129), (7, 20, 30)]
)
def test_full_statistic_agrees_with_the_definition(monkeypatch, block, n, m):
    monkeypatch.setattr(kernel, "FEATURE_BLOCK", block)
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((n, 8)) + 1, np.maximum(rng.standard_normal((m, 8)), 0) + 1.1
    a, b = a.astype(np.float32), b.astype(np.float32)
    np.testing.assert_allclose(metrics.kernel_distance(a, b).value, by_definition(a, b), rtol=2e-6)
    np.testing.assert_allclose(metrics.kernel_distance(b, a).value, by_definition(a, b), rtol=2e-6)


def test_small_distances_of_large_features_keep_their_digits():
    rng = np.random.default_rng(1)
    a, b = (
        np.maximum(rng.standard_normal((4000, 64)) + at, 0).astype(np.float32) for at in (1, 1.05)
    )
    expected = by_definition(a, b)
    assert (
        expected < 0.02 * ((a @ b.T / 64 + 1) ** 3).mean()
    )  # the means that cancel are much larger
    np.testing.assert_allclose(metrics.kernel_distance(a, b).value, expected, rtol=1e-5)


def test_block_average_is_the_mean_over_the_subsets():
    rng = np.random.default_rng(2)
    a, b = (
        rng.standard_normal((300, 5)).astype(np.float32),
        rng.standard_normal((200, 5)).astype(np.float32) + 1,
    )
    subsets = list(metrics.draw_subsets(300, 200, subsets=7, size=50, seed=3))
    assert [(len(set(i)), len(set(j))) for i, j in subsets] == [(50, 50)] * 7
    values = [by_definition(a[i], b[j]) for i, j in subsets]
    found = metrics.kernel_distance_of_subsets(a, b, subsets)
    np.testing.assert_allclose(found.value, np.mean(values), rtol=2e-6)
    np.testing.assert_allclose(
        found.high - found.low, 2 * 1.96 * np.std(values, ddof=1) / np.sqrt(7), rtol=1e-4
    )


def of_normals(apart, f=3):
    """The distance of N(apart, 1) and N(0, 1) by Gauss-Hermite quadrature, which is exact for
    moments of the third order.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(4)
    grid = np.stack(np.meshgrid(*[nodes] * f), axis=-1).reshape(-1, f)
    weights = np.prod(np.stack(np.meshgrid(*[weights] * f), axis=-1).reshape(-1, f), axis=1)
    x = np.concatenate([grid + apart, grid])
    weights = np.concatenate([weights, -weights]) / weights.sum()
    return weights @ (x @ x.T / f + 1) ** 3 @ weights


@pytest.mark.parametrize("apart", [0, 0.1, 0.5])
def test_interval_holds_the_truth_for_equal_and_for_different_distributions(apart):
    rng = np.random.default_rng(4)
    draw = lambda: (rng.standard_normal((400, 3)) + apart, rng.standard_normal((300, 3)))
    found = [metrics.kernel_distance(*draw()) for _ in range(200)]
    values, truth = np.array([e.value for e in found]), of_normals(apart)
    assert abs(values.mean() - truth) < 4 * values.std() / np.sqrt(200)
    # Where the distance is about as small as its error, estimate and error move together, and 89 %
    # hold the truth.
    assert np.mean([e.low <= truth <= e.high for e in found]) >= 0.85
    assert np.mean([e.high - e.value for e in found]) / 1.96 == pytest.approx(values.std(), rel=0.2)


def test_kernel_refuses_wrong_features():
    with pytest.raises(ValueError, match="same number of features, not 3 and 2"):
        metrics.kernel_distance(np.zeros((4, 3)), np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"b must be features .*, not of shape \(1, 3\)"):
        metrics.kernel_distance(np.zeros((4, 3)), np.zeros((1, 3)))
