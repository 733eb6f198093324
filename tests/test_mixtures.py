"""Scores against a known truth: closed forms, numpy, and many GANs at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats

from gan_jax.data import TRUTHS
from gan_jax.data.truths import gaussians
from gan_jax.metrics.mixtures import (
    equal_modes,
    mixture_scores,
    mode_divergence,
    mode_logits,
    modes_covered,
    nearest_modes,
)

N = 20_000
# Of the truth: within three standard deviations lie 1 - exp(-9/2) of a Gaussian in the plane; all
# of a point mass or a board; along a curve three standard deviations across it, and nearly the same
# at its bends.
SHARES = {
    "dirac": 1,
    "ring8": 1 - np.exp(-4.5),
    "grid25": 1 - np.exp(-4.5),
    "swiss_roll": 0.9973,
    "checkerboard": 1,
}


def drawn(name, n=N, seed=5):
    return TRUTHS[name].draw(np.random.default_rng(seed), n)[0]


def by_numpy(points, truth):
    """Mode of the nearest centre and whether it is near, by scipy's distances."""
    metric = "chebyshev" if truth.largest_coordinate else "euclidean"
    distances = scipy.spatial.distance.cdist(points.astype(np.float64), truth.centres, metric)
    return truth.modes[distances.argmin(1)], distances.min(1) <= truth.radius


def scores(points, truth, **options):
    return {name: float(score) for name, score in mixture_scores(points, truth, **options).items()}


@pytest.mark.parametrize("name", TRUTHS)
def test_the_truth_scores_as_the_truth(name):
    truth, found = TRUTHS[name], scores(drawn(name), TRUTHS[name])
    k = len(truth.weights)
    assert found["modes_covered"] == k
    assert found["high_quality_share"] == pytest.approx(SHARES[name], abs=0.002)
    assert -1e-6 < found["mode_divergence"] < 3 * k / (2 * N)


@pytest.mark.parametrize("name", TRUTHS)
def test_against_numpy(name):
    truth, rng = TRUTHS[name], np.random.default_rng(1)
    x = np.concatenate(
        [drawn(name, 500), rng.uniform(-1.2, 1.2, (300, *truth.centres.shape[1:]))]
    ).astype(np.float32)
    mode, good = by_numpy(x, truth)
    found = nearest_modes(x, truth)
    assert (np.asarray(found.nearest) == mode).mean() > 0.999 and (
        np.asarray(found.good) == good
    ).mean() > 0.999
    k = len(truth.weights)
    shares = np.bincount(found.nearest, minlength=k) / len(x)
    expected = {
        "modes_covered": (np.bincount(mode[good], minlength=k) >= 3).sum(),
        "high_quality_share": good.mean(),
        "mode_divergence": scipy.stats.entropy(shares, truth.weights),
    }
    assert scores(x, truth, least=3) == pytest.approx(expected, abs=2e-3, rel=1e-4)


@pytest.mark.parametrize("name", ["ring8", "grid25"])
def test_known_failures(name):
    truth = TRUTHS[name]
    k = len(truth.weights)
    collapsed = scores(np.repeat(truth.centres[:1], 100, axis=0), truth)
    assert collapsed == pytest.approx(
        {"modes_covered": 1, "high_quality_share": 1, "mode_divergence": np.log(k)}
    )
    half = scores(truth.centres[: k // 2].repeat(4, axis=0), truth)
    assert half == pytest.approx(
        {"modes_covered": k // 2, "high_quality_share": 1, "mode_divergence": np.log(k / (k // 2))}
    )
    between = scores((truth.centres + truth.centres[1]) / 2 + 0.04, truth)
    assert between["modes_covered"] == 0 and between["high_quality_share"] == 0
    lost = scores(np.full((10, 2), np.nan, np.float32), truth)
    assert lost["modes_covered"] == 0 and lost["high_quality_share"] == 0


def test_three_standard_deviations_are_the_border():
    truth = gaussians(np.array([[0.0, 0.0], [1.0, 0.0]]), sigma=0.1)
    x = np.float32([[0.299, 0], [0.301, 0], [1, 0.299], [1, 0.301], [0.49, 0]])
    found = nearest_modes(x, truth)
    assert found.good.tolist() == [True, False, True, False, False]
    assert found.nearest.tolist() == [0, 0, 1, 1, 0]
    assert float(mode_divergence(found)) == pytest.approx(
        0.6 * np.log(1.2) + 0.4 * np.log(0.8), rel=1e-5
    )
    assert [int(modes_covered(found, least)) for least in (1, 2)] == [2, 0]


def test_logits_are_log_densities_but_for_a_constant():
    truth, x = TRUTHS["ring8"], drawn("ring8", 50)
    densities = [
        scipy.stats.multivariate_normal(c, 0.01**2).logpdf(x) for c in truth.centres.astype(float)
    ]
    expected = np.stack(densities, axis=1)
    expected -= scipy.stats.multivariate_normal(np.zeros(2), 0.01**2).logpdf(np.zeros(2))
    np.testing.assert_allclose(mode_logits(x, truth), expected, rtol=1e-3, atol=1e-3)


def test_board_between_the_squares_is_off_the_support():
    truth = TRUTHS["checkerboard"]
    x = np.random.default_rng(0).uniform(-1, 1, (N, 2)).astype(np.float32)
    assert scores(x, truth)["high_quality_share"] == pytest.approx(0.5, abs=0.02)
    assert (
        scores(x[(x < 0).all(1)], truth)["modes_covered"] == 32
    )  # one quarter of the board: two squares of 16 cells


@pytest.mark.parametrize("name", TRUTHS)
def test_many_gans_at_once_score_as_each_alone(name):
    truth = TRUTHS[name]
    x = np.stack([drawn(name, 200, seed) * scale for seed, scale in enumerate((1, 0.5, 3))])
    together = jax.jit(jax.vmap(lambda points: mixture_scores(points, truth)))(jnp.asarray(x))
    for i, points in enumerate(x):
        alone = mixture_scores(points, truth)
        for score in alone:
            np.testing.assert_allclose(together[score][i], alone[score], rtol=1e-5, atol=1e-6)


def test_stacked_modes():
    def scores(predicted):
        modes = equal_modes(predicted, 1000)
        return modes_covered(modes), mode_divergence(modes)

    assert [float(v) for v in scores(np.arange(1000).repeat(3))] == pytest.approx(
        [1000, 0], abs=1e-5
    )
    modes, kl = scores(np.zeros(50, np.int32))
    assert int(modes) == 1 and float(kl) == pytest.approx(np.log(1000), rel=1e-6)
    predicted = np.random.default_rng(0).integers(1000, size=25_600)
    modes, kl = scores(predicted)
    assert int(modes) == 1000 and float(kl) == pytest.approx(999 / (2 * 25_600), rel=0.15)
    assert float(kl) == pytest.approx(
        scipy.stats.entropy(np.bincount(predicted), np.full(1000, 1e-3)), rel=1e-3
    )
    assert equal_modes(predicted, 1000).good.all()
