"""Discriminator rejection sampling (Azadi et al. 2019, "Discriminator rejection sampling"): keep
samples as the density ratio says.

Pure functions of scores. An optimal discriminator's logit is ``log p(x) / q(x)``, of the data's
density to the generator's; a trained one's is made so by `calibrate`.
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
    """What decides on a sample: the calibration, the highest log ratio that is expected, and
    ``gamma``, as in `acceptance`.
    """

    calibration: Calibration
    log_max: float
    gamma: float


def calibrate(real: np.ndarray, fake: np.ndarray) -> Calibration:
    """Logistic regression of "real" on the score, both sides of equal weight (Platt 1999).

    Any monotone score becomes log-odds by it: a hinge critic's, or that of a logit that is too sure
    of itself.

    Args:
      real, fake: scores ``[n]``, ``[m]``.
    """
    real, fake = (np.asarray(a, np.float64) for a in (real, fake))
    scores = np.concatenate([real, fake])
    mean, spread = scores.mean(), scores.std() or 1.0
    x = np.stack([(scores - mean) / spread, np.ones_like(scores)], axis=1)
    y = np.repeat([1.0, 0.0], [len(real), len(fake)])
    weight = np.repeat([0.5 / len(real), 0.5 / len(fake)], [len(real), len(fake)])
    # So weak a ridge as to matter only where scores part real from fake without an overlap, which
    # has no finite solution.
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
    """The rule that scores of real images ``[n]`` and of a first draw of samples ``[m]`` give.

    Args:
      percentile: of the samples' acceptance logits, that ``gamma`` is set to; a sample there is
        kept in half of the cases. The higher, the fewer are kept, and the better they are; 0 keeps
        nearly all.
    """
    calibration = calibrate(real, fake)
    ratios = log_ratios(calibration, fake)
    log_max = float(ratios.max())
    return Rule(calibration, log_max, float(np.percentile(_logits(ratios, log_max), percentile)))


def log_ratios(calibration: Calibration, scores: np.ndarray) -> np.ndarray:
    """``log p / q`` of samples by their scores, float64 ``[n]``."""
    return calibration.slope * np.asarray(scores, np.float64) + calibration.intercept


def acceptance(ratios: np.ndarray, log_max: float, gamma: float = 0.0) -> np.ndarray:
    """The probability ``[n]`` to keep each sample: ``sigmoid(F)``, where ``F = d - m - log(1 -
    exp(d - m - eps)) - gamma``.

    With ``gamma`` 0 that is ``exp(d - m)``, rejection sampling, which makes the data's density of
    the generator's wherever ``log_max`` is the highest log ratio there is. In high dimensions that
    keeps next to nothing; a negative ``gamma`` keeps more.

    Args:
      ratios: ``d``, of the samples ``[n]``.
      log_max: ``m``; a higher ratio counts as this one.
      gamma: shifts the logit.
    """
    return _sigmoid(_logits(ratios, log_max) - gamma)


def _logits(ratios: np.ndarray, log_max: float) -> np.ndarray:
    below = np.minimum(np.asarray(ratios, np.float64) - log_max, 0.0)
    return below - np.log(-np.expm1(below - 1e-14))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0.0, -x))
