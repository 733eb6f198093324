"""The Fréchet distance extrapolated to infinitely many images.

Chong & Forsyth 2020, "Effectively unbiased FID and Inception Score and where to find them", section
4: the bias of FID falls as 1/n, so a line through the distances of subsets against 1/n has the
unbiased distance as its intercept.
"""

from __future__ import annotations

import numpy as np

from gan_jax.metrics.estimate import Estimate, normal
from gan_jax.metrics.frechet import (
    distance_and_error,
    fitted,
    frechet_distance_of_gaussians,
    gaussian_of,
)

SUBSETS = 15
"""Number of subsets to which the line is fitted."""
PARTS = 10
"""One over the size of the smallest subset relative to all images, as in the paper: 5,000 of
50,000.
"""


def frechet_infinity(a: np.ndarray, b: np.ndarray, seed: int = 0) -> Estimate:
    """The Fréchet distance of ``a`` ``[n, f]`` and ``b`` ``[m, f]``, extrapolated to infinitely
    many images of ``a``.

    15 subsets of ``a``, from a tenth of it to all, evenly spaced in size as in the paper; ordinary
    least squares in 1/n. The reference ``b`` is not divided, and its bias remains in the result, as
    in the paper. The result may be negative.

    The 95% interval adds two independent errors: the error of the distance over other draws of both
    sets (as `frechet_estimate`) and the error of the intercept.

    Args:
      seed: determines the subsets.

    Raises:
      ValueError: as `frechet_distance`; for fewer than ``10 (f + 1)`` images, whose subsets have
        singular covariances.
    """
    from scipy.stats import linregress  # takes half a second to import

    n, f = a.shape
    if n < smallest_count(f):
        raise ValueError(f"{f} features need at least {smallest_count(f)} images, not {n}.")
    whole, reference = fitted(a, b)
    distance, spread = distance_and_error(a, b, whole, reference)
    rng = np.random.default_rng(seed)
    sizes = np.linspace(n / PARTS, n, SUBSETS).astype(int)
    subsets = (gaussian_of(a[rng.permutation(n)[:size]]) for size in sizes[:-1])
    distances = [
        *(frechet_distance_of_gaussians(subset, reference) for subset in subsets),
        distance,
    ]
    line = linregress(1 / sizes, distances)
    return normal(line.intercept, np.hypot(spread, line.intercept_stderr))


def smallest_count(features: int) -> int:
    """The minimum number of images whose smallest subset has a covariance of full rank."""
    return PARTS * (features + 1)
