"""Can a classifier tell generated images from real ones? 0.5 is chance, 1 is certainty.

Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests"; the parts of the nearest
neighbour's by Xu et al. 2018.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gan_jax.metrics.estimate import Estimate, share
from gan_jax.metrics.neighbours import nearest_neighbours


class Accuracies(NamedTuple):
    """Shares classified correctly, in [0, 1]: of all, of the generated images, of the real ones."""

    all: Estimate
    images: Estimate
    reference: Estimate


def nearest_neighbour_test(images: np.ndarray, reference: np.ndarray) -> Accuracies:
    """Accuracy of the class of the nearest other image, leave-one-out, over features ``[n, f]`` of
    both sets.

    Below 0.5 the two sets are closer to each other than to themselves: copies. Many real images
    beside few generated ones that are classified correctly are missing modes.

    The 95 % interval is Wilson's with as many images as are independent: two images that are each
    other's nearest are right or wrong together. If both sets have one distribution this is the
    exact variance given the neighbours.

    Raises:
      ValueError: for sets of different sizes, at which chance is not 0.5, or fewer than 2 images.
    """
    n = _equal(images, reference)
    pooled = np.concatenate([images, reference])
    nearest = nearest_neighbours(pooled, pooled, 1, leave_one_out=True)[0][:, 0]
    generated = np.arange(2 * n) < n
    right = generated == generated[nearest]
    mutual = (nearest[nearest] == np.arange(2 * n)).mean()
    parts = (right, right[:n], right[n:])
    return Accuracies(*(share(part.mean(), len(part) / (1 + mutual)) for part in parts))


def logistic_test(images: np.ndarray, reference: np.ndarray, seed: int = 0) -> Accuracies:
    """Accuracy of logistic regression on features ``[n, f]`` of both sets, learned from one half
    and tested on the other.

    Features are standardized; an L2 penalty of 1 on the weights' squares (scikit-learn's C = 1). 95
    % intervals of Wilson over the test half.

    Args:
      seed: determines the halves.

    Raises:
      ValueError: for sets of different sizes or fewer than 4 images.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    n = _equal(images, reference, least=4)
    rng = np.random.default_rng(seed)
    # Rows of both sets by the same order: a pair is learned from or tested on, never half of it.
    order = rng.permutation(n)
    learn, test = order[: n // 2], order[n // 2 :]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    labels = np.repeat([1, 0], len(learn))
    classifier.fit(np.concatenate([images[learn], reference[learn]]).astype(np.float64), labels)
    right = [classifier.predict(images[test]) == 1, classifier.predict(reference[test]) == 0]
    return Accuracies(*(share(part.mean(), len(part)) for part in (np.concatenate(right), *right)))


def _equal(images: np.ndarray, reference: np.ndarray, least: int = 2) -> int:
    n = len(images)
    if n != len(reference) or n < least:
        raise ValueError(
            f"images and reference must be equally many, at least {least}, not {n} and "
            f"{len(reference)}."
        )
    return n
