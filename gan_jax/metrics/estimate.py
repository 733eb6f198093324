"""A score and its 95% interval. Every interval of the package is computed here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

LEVEL = 0.95
"""The confidence level of all intervals."""
Z = 1.959963984540054
"""Half the width of the 95% interval of a normal distribution, in standard deviations."""


class Estimate(NamedTuple):
    """A score and its 95% interval, each a float or, by class, ``[k]`` float64.

    ``low``, ``high``: the function that returns an interval documents what it covers; NaN without
    one. ``high`` may be infinite.
    """

    value: float | np.ndarray
    low: float | np.ndarray = math.nan
    high: float | np.ndarray = math.nan


def normal(
    value: float, standard_error: float, least: float = -math.inf, most: float = math.inf
) -> Estimate:
    """``value`` +- 1.96 standard errors, clipped to the range of the score."""
    half = Z * float(standard_error)
    return Estimate(float(value), max(float(value) - half, least), min(float(value) + half, most))


def share(value: float, n: float) -> Estimate:
    """A proportion of ``n`` independent images, in [0, 1], with the score interval of Wilson 1927,
    which stays inside [0, 1] and has a positive width at 0 and 1.

    ``n`` need not be an integer: dependent images count as fewer.
    """
    centre = (value + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * math.sqrt(value * (1 - value) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return Estimate(
        float(value), min(max(centre - half, 0.0), value), max(min(centre + half, 1.0), value)
    )


def mean(values: Sequence[float] | np.ndarray) -> Estimate:
    """The mean of ``n`` independent values with Student's interval, ``t(n - 1) s / sqrt(n)``.

    A single value has no interval; the mean of no value is NaN. For paired results, pass the
    differences, so that whatever both sides of a pair share, such as the drawn images, cancels.
    """
    n = len(values)
    if n < 2:
        return Estimate(float(values[0]) if n else math.nan)
    quantile = special.stdtrit(n - 1, (1 + LEVEL) / 2)
    half = float(quantile * np.std(values, ddof=1) / math.sqrt(n))
    centre = float(np.mean(values))
    return Estimate(centre, centre - half, centre + half)


def crossed(values: np.ndarray) -> Estimate:
    """The mean of values ``[s, n]`` that vary with ``s`` trainings and with ``n`` images, such as
    the differences between two classifiers on the same images, with an interval over both.

    The variance of the mean is that of the ``s`` means over images, divided by ``s``, plus that of
    the ``n`` means over trainings, divided by ``n``, which counts what remains of both twice; the
    quantile is Student's, its degrees of freedom those of Welch and Satterthwaite. A single
    training has no interval.
    """
    values = np.asarray(values, np.float64)
    s, n = values.shape
    centre = float(values.mean())
    if min(s, n) < 2:
        return Estimate(centre)
    parts = [np.var(values.mean(axis=1 - axis), ddof=1) / m for axis, m in enumerate(values.shape)]
    variance = sum(parts)
    if not variance:
        return Estimate(centre, centre, centre)
    freedom = variance**2 / (parts[0] ** 2 / (s - 1) + parts[1] ** 2 / (n - 1))
    half = float(special.stdtrit(freedom, (1 + LEVEL) / 2) * math.sqrt(variance))
    return Estimate(centre, centre - half, centre + half)


def count(found: int) -> Estimate:
    """A number of rare events with the exact Poisson interval (Garwood 1936); ``low`` is 0 if there
    were none.
    """
    tail = (1 - LEVEL) / 2
    low = special.gammaincinv(found, tail) if found else 0.0
    return Estimate(float(found), float(low), float(special.gammaincinv(found + 1, 1 - tail)))
