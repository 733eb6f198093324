"""Can a classifier tell generated images from real ones? 0.5 is chance, 1 is certainty.

Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests"; the accuracy of each set in the
nearest-neighbour test follows Xu et al. 2018.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gan_jax.metrics.estimate import Estimate, share
from gan_jax.metrics.neighbours import nearest_neighbours


class Accuracies(NamedTuple):
    """Accuracies in [0, 1]: over all images, the generated ones, and the real ones."""

    all: Estimate
    images: Estimate
    reference: Estimate


def nearest_neighbour_test(images: np.ndarray, reference: np.ndarray) -> Accuracies:
    """Leave-one-out accuracy of a nearest-neighbour classifier on features ``[n, f]`` of both sets.

    An accuracy below 0.5 indicates copies: the sets are closer to each other than to themselves. A
    high accuracy on real images together with a low one on generated images indicates missing
    modes.

    The 95% interval is Wilson's with the number of independent images: mutual nearest neighbours
    are classified correctly or incorrectly together. If both sets have the same distribution, this
    is the exact variance given the neighbours.

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
    """Accuracy of logistic regression on features ``[n, f]`` of both sets, trained on one half and
    tested on the other.

    Features are standardized; the L2 penalty is 1 (scikit-learn's C = 1). The 95% intervals are
    Wilson's over the test half.

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
    # Both sets in the same order, so that a pair of rows is never split between the halves.
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
