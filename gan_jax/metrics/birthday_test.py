"""Estimates the number of distinct images of a generator from the number of repetitions.

The birthday test of Arora, Risteski & Zhang 2018, "Do GANs learn the distribution? Some theory and
empirics": among n draws from N equally likely images n (n - 1) / 2N pairs are expected to be equal.
"""

from __future__ import annotations

import numpy as np

from gan_jax.metrics.estimate import Estimate, count
from gan_jax.metrics.neighbours import count_within, nearest_neighbours

CLOSEST_REAL = 0.001
"""Quantile of the real distances below which two images count as duplicates."""


def duplicates(images: np.ndarray, reference: np.ndarray) -> tuple[Estimate, Estimate]:
    """Pairs of near-duplicates among features ``images`` ``[n, f]``, and the number of distinct
    images that they imply.

    The paper asks a person; here, two images are duplicates if their distance is at most that of
    the closest 0.1% of real images ``reference`` ``[m, f]`` to their nearest real neighbour; equal
    images always are. The limit depends on m, so use m = n. The implied support is n (n - 1) / 2
    divided by the number of pairs (infinite without a pair): a lower bound if some images are more
    likely than others. Compare it with that of real images, estimated in the same way.

    The 95% intervals are Poisson's for the pairs (Garwood 1936), carried over to the support.
    Clusters of copies make them too narrow.

    Raises:
      ValueError: for fewer than 2 images on a side.
    """
    if min(len(images), len(reference)) < 2:
        raise ValueError(
            f"duplicates need at least 2 images and 2 real ones, not {len(images)} and "
            f"{len(reference)}."
        )
    limit = np.quantile(
        nearest_neighbours(reference, reference, 1, leave_one_out=True)[1][:, 0], CLOSEST_REAL
    )
    found = int(count_within(images, images, limit, leave_one_out=True).sum()) // 2
    pairs, possible = count(found), len(images) * (len(images) - 1) / 2
    support = Estimate(
        *(possible / at if at else np.inf for at in (pairs.value, pairs.high, pairs.low))
    )
    return pairs, support
