"""The metrics against scipy, closed forms and brute force."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.spatial.distance

from gan_jax import metrics
from gan_jax.metrics import frechet


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
        metrics.frechet_distance_of_moments(
            a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False)
        ),
        expected,
        rtol=1e-9,
    )


@pytest.mark.parametrize(("n", "m"), [(20, 25), (20, 200), (200, 20)])
def test_frechet_with_fewer_images_than_features(n, m):
    rng = np.random.default_rng(0)
    f = 40
    a, b = rng.standard_normal((n, f)), rng.standard_normal((m, f)) * np.linspace(0.1, 2, f) + 1
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # The product has the rank of the smaller set; the eigenvalues beyond it are rounding, and
    # scipy's root of them noise.
    eigenvalues = np.sort(scipy.linalg.eigvals(covariance_a @ covariance_b).real)[
        -(min(n, m) - 1) :
    ]
    expected = (
        ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(covariance_a) + np.trace(covariance_b)
    )
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
    np.testing.assert_allclose(
        metrics.frechet_distance(a @ rotation + 7, b @ rotation + 7), distance, rtol=1e-9
    )
    np.testing.assert_allclose(metrics.frechet_distance(3 * a, 3 * b), 9 * distance, rtol=1e-9)
    np.testing.assert_allclose(metrics.frechet_distance(a, a[::-1]), 0, atol=1e-9)


def test_frechet_with_features_that_never_fire():
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((100, 6)), rng.standard_normal((90, 6)) + 1
    dead = np.zeros((1, 3))
    wide_a, wide_b = np.hstack([a, np.repeat(dead, 100, 0)]), np.hstack([b, np.repeat(dead, 90, 0)])
    np.testing.assert_allclose(
        metrics.frechet_distance(wide_a, wide_b), metrics.frechet_distance(a, b), rtol=1e-7
    )


def test_frechet_is_computed_in_float64():
    """Features far from the origin, where float32 sums would lose the distance."""
    rng = np.random.default_rng(4)
    a = (rng.standard_normal((5000, 4)) + 1000).astype(np.float32)
    b = (rng.standard_normal((5000, 4)) * 1.1 + 1000).astype(np.float32)
    expected = by_scipy(a.astype(np.float64), b.astype(np.float64))
    np.testing.assert_allclose(metrics.frechet_distance(a, b), expected, rtol=1e-9)


def test_frechet_refuses_wrong_features():
    ok = np.zeros((4, 3))
    with pytest.raises(ValueError, match=r"\(1, 3\)"):
        metrics.frechet_distance(ok[:1], ok)
    with pytest.raises(ValueError, match="3 of a against 2 of b"):
        metrics.frechet_distance(ok, ok[:, :2])
    with pytest.raises(ValueError, match="b: 12 feature values are not finite"):
        metrics.frechet_distance(ok, np.full((4, 3), np.nan))
    with pytest.raises(ValueError, match="negative"):
        metrics.frechet_distance_of_moments(
            np.zeros(2), np.diag([1.0, -1.0]), np.zeros(2), np.eye(2)
        )


def test_label_scores_of_a_written_out_case():
    classes = np.array([0, 0, 1, 2, 2, 2])
    logits = 5.0 * np.eye(4)[classes] - 100
    labels = np.array([0, 1, 1, 2, 2, 0])
    assert metrics.label_agreement(logits, labels) == 4 / 6
    np.testing.assert_array_equal(metrics.class_shares(logits), [2 / 6, 1 / 6, 3 / 6, 0])
    np.testing.assert_array_equal(
        metrics.label_agreement_by_class(logits, labels), [1 / 2, 1 / 2, 1, np.nan]
    )


@pytest.mark.parametrize("labels", [np.array([0, 4]), np.array([-1, 0]), np.array([0])])
def test_label_agreement_refuses_labels_outside_the_classes(labels):
    with pytest.raises(ValueError, match="labels must have the shape"):
        metrics.label_agreement(np.zeros((2, 4)), labels)


@pytest.mark.parametrize("block", [1, 7, 300, 4096])
def test_streamed_moments_agree_with_float64(block):
    rng = np.random.default_rng(7)
    x = (rng.standard_normal((1000, 5)) * [1, 1e-3, 10, 0, 1] + [1000, 1, -3, 2, 0]).astype(
        np.float32
    )
    found = metrics.moments(x, block=block)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(
        found.covariance, np.cov(exact, rowvar=False), rtol=1e-10, atol=1e-12
    )
    in_float32 = np.cov(x, rowvar=False, dtype=np.float32)
    assert (
        abs(in_float32 - np.cov(exact, rowvar=False)).max() > 1e-7
    )  # so the agreement is not for nothing
    blocks = (jnp.asarray(x[i : i + 100]) for i in range(0, 1000, 100))
    np.testing.assert_allclose(
        metrics.moments_of_blocks(blocks).scatter, found.scatter, rtol=1e-10, atol=1e-8
    )
    with pytest.raises(ValueError, match="none"):
        metrics.moments_of_blocks([])
    assert jnp.ones(1).dtype == jnp.float32  # the program around it keeps its precision


def test_frechet_influence_is_the_derivative():
    """A little more weight on one image moves the distance by that image's influence."""
    rng = np.random.default_rng(8)
    a, b = (
        rng.standard_normal((60, 5)) @ rng.standard_normal((5, 5)),
        rng.standard_normal((80, 5)) + 1,
    )
    gaussian_a, gaussian_b = frechet.fitted(a, b)
    _, left, right = frechet._distance(gaussian_a, gaussian_b)
    found = frechet._influence(a, gaussian_a, gaussian_b, left @ right)

    def distance(weights):
        covariance = np.cov(a, rowvar=False, aweights=weights, ddof=0) * 60 / 59
        return metrics.frechet_distance_of_moments(
            weights @ a, covariance, b.mean(axis=0), np.cov(b, rowvar=False)
        )

    uniform, step = np.full(60, 1 / 60), 1e-5
    tilted = [(1 - s) * uniform + s * np.eye(60) for s in (step, -step)]
    expected = np.array(
        [(distance(more) - distance(less)) / (2 * step) for more, less in zip(*tilted, strict=True)]
    )
    # The sample covariance's 60/59 stretches the quadratic part of the influence.
    np.testing.assert_allclose(
        found - found.mean(), expected, rtol=0.02, atol=0.02 * expected.std()
    )


def hit_rate(estimates, truth):
    return np.mean([e.low <= truth <= e.high for e in estimates])


def test_frechet_interval_holds_the_spread_over_draws():
    rng = np.random.default_rng(9)
    f, scale, n = 4, np.array([1, 1.5, 0.5, 2]), 2000
    draws = [
        (rng.standard_normal((n, f)), rng.standard_normal((n // 2, f)) * scale + 0.3)
        for _ in range(200)
    ]
    estimates = [metrics.frechet_estimate(*draw) for draw in draws]
    truth = f * 0.3**2 + ((scale - 1) ** 2).sum()
    assert 0.9 <= hit_rate(estimates, truth) <= 0.99
    assert estimates[0].value == metrics.frechet_distance(*draws[0])


def test_frechet_interval_survives_dead_features_and_few_images():
    rng = np.random.default_rng(10)
    a, b = rng.standard_normal((100, 6)), rng.standard_normal((90, 6)) + 1
    wide = [np.hstack([x, np.zeros((len(x), 3))]) for x in (a, b)]
    np.testing.assert_allclose(
        metrics.frechet_estimate(*wide), metrics.frechet_estimate(a, b), rtol=1e-6
    )
    few = metrics.frechet_estimate(rng.standard_normal((20, 40)), rng.standard_normal((300, 40)))
    assert few.low < few.value < few.high


def test_frechet_infinity_has_no_bias_of_n():
    rng = np.random.default_rng(11)
    f, n = 16, 2000
    reference = gaussian(rng, 20_000, np.zeros(f), np.ones(f))
    draws = [rng.standard_normal((n, f)) * 1.2 + 0.1 for _ in range(40)]
    truth = f * 0.1**2 + f * 0.2**2
    estimates = [metrics.frechet_infinity(a, reference) for a in draws]
    plain = np.mean([metrics.frechet_distance(a, reference) for a in draws])
    assert plain > truth + 0.03  # what is to be removed
    assert abs(np.mean([e.value for e in estimates]) - truth) < 0.01
    assert hit_rate(estimates, truth) > 0.85
    assert metrics.frechet_infinity(draws[0], reference, seed=1) == metrics.frechet_infinity(
        draws[0], reference, seed=1
    )
    with pytest.raises(ValueError, match="at least 170 images"):
        metrics.frechet_infinity(draws[0][:169], reference)


def test_frechet_by_class_is_the_frechet_distance_of_each_class():
    rng = np.random.default_rng(12)
    a, b, labels = rng.standard_normal((90, 3)), rng.standard_normal((120, 3)), np.arange(120) % 3
    mean, by_class = metrics.frechet_by_class(a, labels[:90], b, labels, 3)
    expected = [by_scipy(a[i::3], b[i::3]) for i in range(3)]
    np.testing.assert_allclose(by_class.value, expected, rtol=1e-9)
    np.testing.assert_allclose(mean.value, np.mean(expected), rtol=1e-9)
    widths = by_class.high - by_class.value
    np.testing.assert_allclose(mean.high - mean.value, np.sqrt((widths**2).sum()) / 3)


def test_measure_leaves_out_what_the_sample_cannot_tell():
    rng = np.random.default_rng(6)
    features, logits, labels = (
        rng.standard_normal((30, 3)),
        rng.standard_normal((30, 4)),
        np.arange(30) % 4,
    )
    reference = metrics.Sample(rng.standard_normal((20, 3)))
    basic = {score for name in metrics.BASIC for score in metrics.METRICS[name].scores}
    modes = metrics.Modes(labels, labels > 0, np.full(4, 0.25))
    for sample, expected in [
        (metrics.Sample(features), {"frechet_distance"}),
        (metrics.Sample(features, logits), {"frechet_distance", "class_shares"}),
        (metrics.Sample(features, logits, labels), basic - set(metrics.METRICS["modes"].scores)),
        (metrics.Sample(features, logits, labels, modes), basic),
    ]:
        inputs = metrics.Inputs(sample, reference)
        assert set(metrics.measure(inputs)) == expected
        assert set(metrics.left_out(inputs)) == basic - expected
