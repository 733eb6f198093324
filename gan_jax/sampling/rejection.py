"""Discriminator rejection sampling (Azadi et al. 2019, "Discriminator rejection sampling"): keeps
samples according to the density ratio.

Pure functions of scores. The logit of an optimal discriminator is ``log p(x) / q(x)``, the log
ratio of the data density and the generator density; `calibrate` adjusts the scores of a trained
discriminator to it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NEWTON_STEPS = 50


class Calibration(NamedTuple):
    """``log p / q = slope * score + intercept``."""

    slope: float
    intercept: float


class Rule(NamedTuple):
    """The rejection rule: the calibration, the maximum expected log ratio, and ``gamma``, as in
    `acceptance`.
    """

    calibration: Calibration
    log_max: float
    gamma: float


def calibrate(real: np.ndarray, fake: np.ndarray) -> Calibration:
    """Logistic regression of "real" on the score, with equal weight for both sides (Platt 1999).

    It turns any monotone score into log-odds, for instance the score of a hinge critic or an
    overconfident logit.

    Args:
      real, fake: scores ``[n]``, ``[m]``.
    """
    real, fake = (np.asarray(a, np.float64) for a in (real, fake))
    scores = np.concatenate([real, fake])
    mean, spread = scores.mean(), scores.std() or 1.0
    x = np.stack([(scores - mean) / spread, np.ones_like(scores)], axis=1)
    y = np.repeat([1.0, 0.0], [len(real), len(fake)])
    weight = np.repeat([0.5 / len(real), 0.5 / len(fake)], [len(real), len(fake)])
    # The weak ridge only matters if the scores separate real from fake perfectly, which has no
    # finite solution.
    ridge, w = 1e-6, np.zeros(2)
    for _ in range(NEWTON_STEPS):
        p = _sigmoid(x @ w)
        gradient = x.T @ (weight * (p - y)) + ridge * w
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + ridge * np.eye(2)
        move = np.linalg.solve(hessian, gradient)
        w = w - move * min(1.0, 5.0 / np.abs(move).max(initial=1e-300))
        if np.abs(move).max() < 1e-10:
            break
    return Calibration(float(w[0] / spread), float(w[1] - w[0] * mean / spread))


def rule(real: np.ndarray, fake: np.ndarray, percentile: float) -> Rule:
    """The rule from scores of real images ``[n]`` and of a first draw of samples ``[m]``.

    Args:
      percentile: ``gamma`` is set to this percentile of the samples' acceptance logits; a sample
        there is kept with probability 0.5. Higher values keep fewer and better samples; 0 keeps
        nearly all.
    """
    calibration = calibrate(real, fake)
    ratios = log_ratios(calibration, fake)
    log_max = float(ratios.max())
    return Rule(calibration, log_max, float(np.percentile(_logits(ratios, log_max), percentile)))


def log_ratios(calibration: Calibration, scores: np.ndarray) -> np.ndarray:
    """``log p / q`` of samples, from their scores, float64 ``[n]``."""
    return calibration.slope * np.asarray(scores, np.float64) + calibration.intercept


def acceptance(ratios: np.ndarray, log_max: float, gamma: float = 0.0) -> np.ndarray:
    """The probability ``[n]`` of keeping each sample: ``sigmoid(F)``, where ``F = d - m - log(1 -
    exp(d - m - eps)) - gamma``.

    With ``gamma`` 0 this is ``exp(d - m)``, plain rejection sampling, which turns the generator
    density into the data density if ``log_max`` is the true maximum of the log ratio. In high
    dimensions it keeps almost nothing; a negative ``gamma`` keeps more.

    Args:
      ratios: ``d``, the log ratios of the samples ``[n]``.
      log_max: ``m``; higher ratios are clipped to it.
      gamma: the shift of the logit.
    """
    return _sigmoid(_logits(ratios, log_max) - gamma)


def _logits(ratios: np.ndarray, log_max: float) -> np.ndarray:
    below = np.minimum(np.asarray(ratios, np.float64) - log_max, 0.0)
    return below - np.log(-np.expm1(below - 1e-14))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0.0, -x))
