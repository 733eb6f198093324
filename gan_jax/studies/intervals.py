"""Means with 95 % intervals over repetitions that are independent and about normal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats


class Interval(NamedTuple):
    """``mean +- half``; ``half`` is NaN for a single value, which says nothing of the spread."""

    mean: float
    half: float


def interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Student's interval of the mean of ``n`` values, ``t(n - 1) s / sqrt(n)``.

    Of paired results give the differences: what both sides of a pair share, such as which images
    were drawn, then cancels.
    """
    n = len(values)
    if n < 2:
        return Interval(float(np.mean(values)) if n else math.nan, math.nan)
    quantile = scipy.stats.t.ppf(0.5 + level / 2, n - 1)
    return Interval(float(np.mean(values)), float(quantile * np.std(values, ddof=1) / math.sqrt(n)))
