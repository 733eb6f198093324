"""How many different images can a generator make? As many as its repetitions allow.

The birthday test of Arora, Risteski & Zhang 2018, "Do GANs learn the distribution? Some theory and
empirics": among n draws from N equally likely images n (n - 1) / 2N pairs are expected to be alike.
"""

from __future__ import annotations

import numpy as np

from gan_jax.metrics.estimate import Estimate, count
from gan_jax.metrics.neighbours import count_within, nearest_neighbours

CLOSEST_REAL = 0.001
"""Share of the real images that mark how near duplicates are."""


def duplicates(images: np.ndarray, reference: np.ndarray) -> tuple[Estimate, Estimate]:
    """Pairs of near-duplicates among features ``images`` ``[n, f]``, and the number of different
    images that they imply.

    Where the paper asks a person, two images are alike here if they are no farther apart than the
    closest 0.1 % of real images ``reference`` ``[m, f]`` are from their nearest real one; equal
    images always are. The limit depends on m, so give as many as images. The implied support is n
    (n - 1) / 2 divided by the pairs (infinite without a pair): a lower limit on the number of
    images where some are likelier than others. Compare it with that of real images, found in the
    same way.

    95 % intervals: the pairs as Poisson's (Garwood 1936), carried over to the support. Clusters of
    copies make them too narrow.

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
