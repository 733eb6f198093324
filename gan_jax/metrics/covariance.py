"""Mean and covariance of features, gathered block by block on the device in float64.

Sums in float32 cost the Fréchet distance its fourth digit: the roots of small eigenvalues magnify
their rounding. A block's own mean and scatter are computed on the device in float64, whatever
precision the rest of the program runs in, and blocks are merged on the host (Chan, Golub & LeVeque
1979), so nothing cancels however far the features lie from zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics.streaming import FEATURE_BLOCK
from gan_jax.types import Array


class Moments(NamedTuple):
    """What a Gaussian fit needs to know of ``count`` features.

    ``mean``: ``[f]`` float64. ``scatter``: ``[f, f]`` float64, the sum of outer products of the
    centred features.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance ``[f, f]``, for a count of 2 or more."""
        return self.scatter / (self.count - 1)


def merge(a: Moments, b: Moments) -> Moments:
    """The moments of both sets together."""
    n, apart = a.count + b.count, b.mean - a.mean
    scatter = a.scatter + b.scatter + np.outer(apart, apart) * (a.count * b.count / n)
    return Moments(n, a.mean + apart * (b.count / n), scatter)


def moments(features: np.ndarray, block: int = FEATURE_BLOCK) -> Moments:
    """Moments of features ``[n, f]``, any real dtype, ``n`` of 1 or more; memory-mapped ones are
    read in blocks.
    """
    return moments_of_blocks(
        features[start : start + block] for start in range(0, len(features), block)
    )


def moments_of_blocks(blocks: Iterable[np.ndarray | Array]) -> Moments:
    """`moments` of features that arrive as blocks ``[b, f]``, on the host or on the device, each
    used once.

    Raises:
      ValueError: for no block at all.
    """
    total = None
    for block in blocks:
        with jax.enable_x64(True):
            part = Moments(len(block), *jax.device_get(_moments(jnp.asarray(block, jnp.float64))))
        total = part if total is None else merge(total, part)
    if total is None:
        raise ValueError("blocks: none; needed: one or more.")
    return total


@jax.jit
def _moments(block: Array) -> tuple[Array, Array]:
    mean = block.mean(axis=0)
    centred = block - mean[None]
    return mean, jnp.matmul(centred.T, centred, precision="highest")
