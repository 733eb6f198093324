"""Are generated images nearer to the training images than unseen real ones are, and do they give
the training images away?

The distance to the nearest training image alone proves nothing: it is small for a good generator.
Held-out images of the same distribution are the control (Meehan, Chaudhuri & Dasgupta 2020, "A
non-parametric test to detect data-copying").
"""

from __future__ import annotations

import numpy as np

from gan_jax.metrics.estimate import Estimate, normal, share
from gan_jax.metrics.neighbours import nearest_neighbours

CLOSEST_HELD_OUT = 0.01
"""Quantile of the held-out distances below which an image counts as a copy."""


def memorization(
    images: np.ndarray, training: np.ndarray, held_out: np.ndarray
) -> tuple[Estimate, Estimate]:
    """Two proportions in [0, 1] from the distances of features ``[n, f]`` to the nearest of
    ``training`` ``[t, f]``.

    Nearer: the probability that a generated image is nearer to the training set than a held-out
    image ``[h, f]``, where ties count half (Mann & Whitney 1947). 0.5: as new as unseen images;
    towards 1: copies, or only typical images; towards 0: images unlike the training set. Its 95%
    interval is normal, with the variance of DeLong et al. 1988.

    Copies: the proportion of images nearer than all but 1% of the held-out ones; 0.01 is expected
    for new images. Wilson's interval over the images, for a fixed limit.

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


def membership(images: np.ndarray, training: np.ndarray, held_out: np.ndarray) -> Estimate:
    """How well an attacker who has only the generated images tells who was in the training set:
    the full black-box attack of Chen et al. 2020 ("GAN-Leaks"), which takes what lies near a
    generated image for a training image.

    The area under its ROC curve, in [0, 1]: the probability that a training image ``[t, f]`` is
    nearer to the nearest of ``images`` ``[n, f]`` than a held-out one ``[h, f]`` is, where ties
    count half. 0.5: the images give nothing away to this attack; 1: they give all away. Its 95%
    interval is normal, with the variance of DeLong et al. 1988.

    Raises:
      ValueError: for fewer than 2 training or held-out images.
    """
    if min(len(training), len(held_out)) < 2:
        raise ValueError(
            f"membership needs at least 2 training and 2 held-out images, not {len(training)} and "
            f"{len(held_out)}."
        )
    inside, outside = (nearest_neighbours(x, images, 1)[1][:, 0] for x in (training, held_out))
    return _chance_smaller(inside, outside)


def _chance_smaller(a: np.ndarray, b: np.ndarray) -> Estimate:
    """P(a < b) + P(a = b) / 2 for independent draws."""
    from scipy.stats import rankdata  # takes half a second to import

    n, m = len(a), len(b)
    both = rankdata(np.concatenate([a, b]))
    # For each image, the proportion of the other set that is farther; ties count half.
    of_a = 1 - (both[:n] - rankdata(a)) / m
    of_b = (both[n:] - rankdata(b)) / n
    error = np.sqrt(of_a.var(ddof=1) / n + of_b.var(ddof=1) / m)
    return normal(of_a.mean(), error, 0.0, 1.0)
