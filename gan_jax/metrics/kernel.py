"""Kernel distance: the squared maximum mean discrepancy of two sets of features under a cubic
kernel.

Binkowski et al. 2018, "Demystifying MMD GANs", section 4.3, the kernel inception distance (KID):

    k(x, y) = (x.y / f + 1)^3.

Its estimate is unbiased for any number of images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics.estimate import Estimate, normal
from gan_jax.metrics.streaming import FEATURE_BLOCK, block_size, filled
from gan_jax.types import Array

SUBSETS, SUBSET_SIZE = 100, 1_000
"""Number and size of the subsets, as in the reference implementations."""


def kernel_distance(a: np.ndarray, b: np.ndarray) -> Estimate:
    """The full U-statistic (Gretton et al. 2012, eq. 3) of features ``a`` ``[n, f]`` and ``b``
    ``[m, f]``: every pair counts.

    It has the smallest variance of all unbiased estimates. The kernel is computed on the device in
    float32, minus a constant that cancels in the distance and would cost digits; sums are
    accumulated in float64. It may be negative.

    The 95% interval over other draws of both sets is normal, with the first and second order of the
    variance of the U-statistic (Hoeffding's decomposition), so that it is also wide enough if both
    sets have the same distribution. If the distance is about as small as its error, both are
    correlated, and about 89% of the intervals contain the truth (``docs/evaluation.md``).

    Raises:
      ValueError: for fewer than 2 rows or different ``f``.
    """
    a, b = _checked(a, b)
    n, m = len(a), len(b)
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    offset = _mean_kernel(a, b)
    aa, bb, ab = _sums(a, a, offset), _sums(b, b, offset), _sums(a, b, offset)
    within_a, within_b = aa.rows / (n - 1), bb.rows / (m - 1)
    value = within_a.mean() + within_b.mean() - 2 * ab.rows.mean() / m

    # Variances of the kernel minus its row and column means: the second order.
    second_aa = _second(aa.squares / (n * (n - 1)), [within_a, within_a])
    second_bb = _second(bb.squares / (m * (m - 1)), [within_b, within_b])
    second_ab = _second(ab.squares / (n * m), [ab.rows / m, ab.columns / n])
    # The variance of the first-order terms contains noise of the second order from the paired
    # images.
    first_a = (within_a - ab.rows / m).var(ddof=1) - second_aa / n - second_ab / m
    first_b = (within_b - ab.columns / n).var(ddof=1) - second_bb / m - second_ab / n
    variance = 4 * (max(first_a, 0) / n + max(first_b, 0) / m)
    variance += (
        2 * second_aa / (n * (n - 1)) + 2 * second_bb / (m * (m - 1)) + 4 * second_ab / (n * m)
    )
    return normal(value, np.sqrt(variance))


def kernel_distance_of_subsets(
    a: np.ndarray, b: np.ndarray, subsets: Iterable[tuple[np.ndarray, np.ndarray]] | None = None
) -> Estimate:
    """The mean of `kernel_distance` over subsets of ``a`` ``[n, f]`` and ``b`` ``[m, f]``, as the
    reference implementations do.

    The 95% interval is the mean +- 1.96 standard deviations over the root of the number of subsets.
    Subsets overlap, so for more than n / 1,000 of them it is narrower than an interval over other
    images: `kernel_distance` has that one.

    Args:
      subsets: indices into ``a`` and into ``b``, pair by pair; None draws `draw_subsets` with seed
        0.

    Raises:
      ValueError: for fewer than 2 rows or different ``f``.
    """
    a, b = _checked(a, b)
    chosen = draw_subsets(len(a), len(b)) if subsets is None else subsets
    values = np.array([kernel_distance(a[i], b[j]).value for i, j in chosen])
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return normal(values.mean(), error)


def draw_subsets(
    n: int, m: int, subsets: int = SUBSETS, size: int = SUBSET_SIZE, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of index arrays: ``size`` of ``n`` and of ``m`` without replacement, or all if there
    are fewer.
    """
    rng = np.random.default_rng(seed)
    size = min(size, n, m)
    for _ in range(subsets):
        yield rng.choice(n, size, replace=False), rng.choice(m, size, replace=False)


class _Sums(NamedTuple):
    """Sums of the kernel minus the offset over pairs of different images: by row, by column, and of
    its squares; float64.
    """

    rows: np.ndarray
    columns: np.ndarray
    squares: float


def _sums(x: np.ndarray, y: np.ndarray, offset: float) -> _Sums:
    same = x is y
    rows, columns, squares = np.zeros(len(x)), np.zeros(len(y)), 0.0
    size_x, size_y = (block_size(len(side), FEATURE_BLOCK) for side in (x, y))
    for j in range(0, len(y), size_y):
        right = jnp.asarray(filled(y[j : j + size_y], size_y))
        for i in range(0, len(x), size_x):
            if same and i > j:  # the kernel is symmetric
                continue
            left = filled(x[i : i + size_x], size_x)
            counts = min(size_x, len(x) - i), min(size_y, len(y) - j)
            by_row, by_column, square = jax.device_get(
                _block_sums(left, right, offset, counts, same and i == j)
            )
            rows[i : i + size_x] += by_row[: counts[0]]
            columns[j : j + size_y] += by_column[: counts[1]]
            squares += square.sum(dtype=np.float64) * (2 if same and i < j else 1)
            if same and i < j:
                rows[j : j + size_y] += by_column[: counts[1]]
    return _Sums(rows, rows if same else columns, squares)


@jax.jit
def _block_sums(
    x: Array, y: Array, offset: Array, counts: tuple[Array, Array], diagonal: Array
) -> tuple[Array, Array, Array]:
    kernel = (jnp.matmul(x, y.T, precision="highest") / x.shape[1] + 1) ** 3 - offset
    i, j = jnp.arange(len(x))[:, None], jnp.arange(len(y))[None]
    kernel = jnp.where((i < counts[0]) & (j < counts[1]) & ~(diagonal & (i == j)), kernel, 0)
    return kernel.sum(axis=1), kernel.sum(axis=0), (kernel**2).sum(axis=1)


def _second(square: float, means: list[np.ndarray]) -> float:
    """Mean square of the kernel minus its row and column means, corrected for the bias from noise
    in those means.
    """
    rows, columns = means
    centre = rows.mean()
    return max(square - (rows**2).mean() - (columns**2).mean() + centre**2, 0.0)


def _mean_kernel(a: np.ndarray, b: np.ndarray) -> float:
    """Approximate mean of the kernel, from about two hundred images."""
    some = np.concatenate([a[:: max(1, len(a) // 100)], b[:: max(1, len(b) // 100)]]).astype(
        np.float64
    )
    return float(((some @ some.T / some.shape[1] + 1) ** 3).mean())


def _checked(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    for name, x in (("a", a), ("b", b)):
        if x.ndim != 2 or len(x) < 2:
            raise ValueError(
                f"{name} must be features [n, f] with n of 2 or more, not of shape {x.shape}."
            )
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"a and b must have the same number of features, not {a.shape[1]} and {b.shape[1]}."
        )
    return a, b
