"""Fidelity and diversity as separate scores, from nearest neighbours.

The ball of an image reaches to its k-th nearest neighbour in its set; the balls of a set cover its
manifold. Precision and recall: Kynkaanniemi et al. 2019, "Improved precision and
recall metric for assessing generative models", eq. 1-2. Density and coverage: Naeem et al. 2020,
"Reliable fidelity and diversity metrics for generative models", eq. 3-4.

The 95% intervals are over the query images, for fixed balls: they do not cover other draws of the
other set.
"""

from __future__ import annotations

import numpy as np

from gan_jax.metrics.estimate import Estimate, normal, share
from gan_jax.metrics.neighbours import count_within, nearest_neighbours


def precision_recall(
    images: np.ndarray, reference: np.ndarray, k: int = 3
) -> tuple[Estimate, Estimate]:
    """Precision and recall, both in [0, 1], of features ``images`` ``[n, f]`` against ``reference``
    ``[m, f]``.

    Precision: the proportion of images inside any ball of the reference. Recall: the proportion of
    the reference inside any ball of the images. Wilson's intervals. Both grow with the size of the
    set of balls, so compare only equal numbers.

    Args:
      k: the radius is the distance to the k-th neighbour; 3 in the paper.

    Raises:
      ValueError: for ``k`` outside 1..n-1 or 1..m-1.
    """
    inside = count_within(images, reference, radii(reference, k)) > 0
    reached = count_within(reference, images, radii(images, k)) > 0
    return share(inside.mean(), len(images)), share(reached.mean(), len(reference))


def density_coverage(
    images: np.ndarray, reference: np.ndarray, k: int = 5
) -> tuple[Estimate, Estimate]:
    """Density, 0 or more, and coverage, in [0, 1], of features ``images`` ``[n, f]`` against
    ``reference`` ``[m, f]``.

    Density: the mean number of reference balls that contain an image, divided by k; 1 is expected
    for real images. Coverage: the proportion of reference balls that contain an image; near 1 -
    2^-k for real images in equal numbers. Intervals: normal, for the mean; Wilson.

    Args:
      k: the radius is the distance to the k-th neighbour; 5 in the paper's code.

    Raises:
      ValueError: for ``k`` outside 1..m-1.
    """
    reach = radii(reference, k)
    balls = count_within(images, reference, reach) / k
    _, nearest = nearest_neighbours(reference, images, 1)
    density = normal(balls.mean(), balls.std(ddof=1) / np.sqrt(len(balls)), least=0.0)
    return density, share((nearest[:, 0] <= reach).mean(), len(reference))


def radii(features: np.ndarray, k: int) -> np.ndarray:
    """The distance of each row of ``features`` ``[n, f]`` to its k-th nearest other row, ``[n]``
    float64.

    Raises:
      ValueError: for ``k`` outside 1..n-1.
    """
    return nearest_neighbours(features, features, k, leave_one_out=True)[1][:, -1]
