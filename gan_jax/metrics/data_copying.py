"""Are generated images nearer to the training images than unseen real ones are?

The nearest training image alone proves nothing: a good generator is near as well. Held-out images
of the same distribution are the control (Meehan, Chaudhuri & Dasgupta 2020, "A non-parametric test
to detect data-copying").
"""

from __future__ import annotations

import numpy as np

from gan_jax.metrics.estimate import Estimate, normal, share
from gan_jax.metrics.neighbours import nearest_neighbours

CLOSEST_HELD_OUT = 0.01
"""Share of the held-out images that mark how near a copy is."""


def memorization(
    images: np.ndarray, training: np.ndarray, held_out: np.ndarray
) -> tuple[Estimate, Estimate]:
    """Two shares, in [0, 1], from the distances of features ``[n, f]`` to the nearest of
    ``training`` ``[t, f]``.

    Nearer: the chance that a generated image is nearer to the training set than a held-out image
    ``[h, f]`` is, ties half (Mann & Whitney 1947). 0.5: as new as unseen images; towards 1: copies,
    or images that are all typical; towards 0: images that look like none. Its 95 % interval is
    normal, by the variance of DeLong et al. 1988.

    Copies: the share of the images nearer than all but 1 % of the held-out ones; 0.01 is expected
    of new images. Interval of Wilson over the images, the limit taken as it is.

    Raises:
      ValueError: for fewer than 2 images on a side.
    """
    if min(len(images), len(held_out)) < 2:
        raise ValueError(
            f"memorization needs at least 2 images and 2 held-out ones, not {len(images)} and "
            f"{len(held_out)}."
        )
    made = nearest_neighbours(images, training, 1)[1][:, 0]
    control = nearest_neighbours(held_out, training, 1)[1][:, 0]
    copies = made < np.quantile(control, CLOSEST_HELD_OUT)
    return _chance_smaller(made, control), share(copies.mean(), len(made))


def _chance_smaller(a: np.ndarray, b: np.ndarray) -> Estimate:
    """P(a < b) + P(a = b) / 2 of independent draws."""
    from scipy.stats import rankdata  # takes half a second to import

    n, m = len(a), len(b)
    both = rankdata(np.concatenate([a, b]))
    # For each, the share of the other set that lies beyond it; ties count half.
    of_a = 1 - (both[:n] - rankdata(a)) / m
    of_b = (both[n:] - rankdata(b)) / n
    error = np.sqrt(of_a.var(ddof=1) / n + of_b.var(ddof=1) / m)
    return normal(of_a.mean(), error, 0.0, 1.0)
