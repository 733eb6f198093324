"""A score and its 95 % interval."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy.stats

Z = float(scipy.stats.norm.ppf(0.975))
"""Half the width of a normal distribution's 95 % interval, in standard deviations."""


class Estimate(NamedTuple):
    """A score and its 95 % interval, each a float or, by class, ``[k]`` float64.

    ``low``, ``high``: what the interval covers is said by the function that returns it; NaN where
    it gives none. ``high`` may be infinite.
    """

    value: float | np.ndarray
    low: float | np.ndarray = math.nan
    high: float | np.ndarray = math.nan


def normal(
    value: float, standard_error: float, least: float = -math.inf, most: float = math.inf
) -> Estimate:
    """``value`` +- 1.96 standard errors, cut to what the score can be."""
    half = Z * float(standard_error)
    return Estimate(float(value), max(float(value) - half, least), min(float(value) + half, most))


def share(value: float, n: float) -> Estimate:
    """A share of ``n`` independent images, in [0, 1], with the interval of Wilson 1927, which stays
    sensible near 0 and 1.

    ``n`` need not be whole: dependent images count as fewer.
    """
    centre = (value + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * math.sqrt(value * (1 - value) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return Estimate(
        float(value), min(max(centre - half, 0.0), value), max(min(centre + half, 1.0), value)
    )


def count(found: int) -> Estimate:
    """A number of rare events, taken as Poisson's, with the exact interval (Garwood 1936); ``low``
    is 0 for none.
    """
    low = scipy.stats.chi2.ppf(0.025, 2 * found) / 2 if found else 0.0
    return Estimate(float(found), float(low), float(scipy.stats.chi2.ppf(0.975, 2 * found + 2) / 2))
