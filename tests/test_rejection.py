"""Rejection by a known density ratio in one dimension, and by a discriminator's scores."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from gan_jax.sampling.rejection import Calibration, acceptance, calibrate, log_ratios, rule

DATA, MODEL = scipy.stats.norm(0.5, 0.7), scipy.stats.norm(0, 1)


def log_ratio(x):
    return DATA.logpdf(x) - MODEL.logpdf(x)


LOG_MAX = log_ratio(0.5 / (1 - 0.49))  # where its derivative, x - (x - 0.5) / 0.49, is zero


def test_kept_samples_have_the_density_of_the_data():
    """With the true ratio, its true maximum and gamma 0: against the data's distribution, and the
    rate that the maximum gives.
    """
    rng = np.random.default_rng(0)
    x = MODEL.rvs(100_000, random_state=rng)
    chances = acceptance(log_ratio(x), LOG_MAX)
    np.testing.assert_allclose(chances, np.exp(log_ratio(x) - LOG_MAX), rtol=1e-9)
    kept = x[rng.random(len(x)) < chances]
    assert scipy.stats.kstest(kept, DATA.cdf).pvalue > 0.01
    assert scipy.stats.kstest(x, DATA.cdf).pvalue < 1e-9
    np.testing.assert_allclose(len(kept) / len(x), np.exp(-LOG_MAX), rtol=0.02)


def test_gamma_shifts_the_logit():
    x = np.linspace(-2, 2, 9)
    plain = scipy.special.logit(acceptance(log_ratio(x), LOG_MAX))
    shifted = scipy.special.logit(acceptance(log_ratio(x), LOG_MAX, gamma=-1.5))
    np.testing.assert_allclose(shifted, plain + 1.5, atol=1e-8)
    assert np.all(np.isfinite(acceptance(np.array([LOG_MAX, LOG_MAX + 9, -1e9]), LOG_MAX)))
    np.testing.assert_allclose(
        acceptance(np.array([LOG_MAX + 9, -1e9]), LOG_MAX), [1, 0], atol=1e-9
    )


def test_calibration_finds_the_log_ratio():
    """Of two normal densities of one variance the log ratio is linear, whatever linear score of x a
    discriminator gives.
    """
    rng = np.random.default_rng(1)
    real, fake = rng.normal(1, 1, 40_000), rng.normal(0, 1, 20_000)  # log p / q = x - 1/2
    slope, intercept = calibrate(real, fake)
    np.testing.assert_allclose([slope, intercept], [1, -0.5], atol=0.05)
    scaled = calibrate(7 * real - 3, 7 * fake - 3)
    np.testing.assert_allclose(
        log_ratios(scaled, 7 * real - 3), log_ratios(Calibration(slope, intercept), real), atol=1e-5
    )


def test_calibration_of_scores_without_overlap_is_finite():
    slope, intercept = calibrate(np.array([2.0, 3.0]), np.array([0.0, 1.0]))
    assert slope > 0 and np.isfinite([slope, intercept]).all()
    assert np.isfinite(calibrate(np.ones(3), np.ones(4))).all()


@pytest.mark.parametrize("percentile", [0, 50, 90])
def test_rule_keeps_half_at_its_percentile(percentile):
    rng = np.random.default_rng(2)
    real, fake = rng.normal(1, 1, 3_000), rng.normal(0, 1, 3_001)
    made = rule(real, fake, percentile)
    at = np.percentile(fake, percentile)
    np.testing.assert_allclose(
        acceptance(log_ratios(made.calibration, at), made.log_max, made.gamma), 0.5, atol=1e-3
    )
    assert made.log_max == log_ratios(made.calibration, fake).max()
