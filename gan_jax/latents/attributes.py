"""Directions of attributes, learned from the labels that a classifier gives to samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gan_jax.metrics import Estimate
from gan_jax.metrics.estimate import share

HELD_OUT = 0.25
"""Fraction of the points that the accuracy is measured on."""
FEWEST = 20
"""Points with an attribute, and without it, that a direction needs."""
ITERATIONS = 2_000


class Attribute(NamedTuple):
    """The direction of an attribute.

    ``vector``: ``[f]`` float32, the unit normal of the hyperplane that separates points with the
    attribute from points without it; it points to those with it. ``scale``: the standard deviation
    of the points along it. ``accuracy``: on as many held-out points with the attribute as without
    it, so that chance is 0.5, with Wilson's interval. ``held_out``: their number.
    """

    vector: np.ndarray
    scale: float
    accuracy: Estimate
    held_out: int


def attributes(
    points: np.ndarray, labels: np.ndarray, num_classes: int, seed: int = 0
) -> dict[int, Attribute]:
    """A direction for each class, against all others: logistic regression of the label on the
    point, as the linear classifiers of InterFaceGAN (Shen et al. 2020, section 3).

    Args:
      points: ``[n, f]``.
      labels: ``[n]`` integers, the classes that a classifier sees in the images of the points.
      num_classes: number of classes.
      seed: determines which points are held out.

    Returns:
      By class; classes with fewer than `FEWEST` points, or all but so few, are left out.
    """
    points, rng = np.asarray(points, np.float64), np.random.default_rng(seed)
    found = {}
    for label in range(num_classes):
        has = np.asarray(labels) == label
        if min(has.sum(), (~has).sum()) >= FEWEST:
            found[label] = _attribute(points, has, rng)
    return found


def _attribute(points: np.ndarray, has: np.ndarray, rng: np.random.Generator) -> Attribute:
    from sklearn.linear_model import LogisticRegression

    sides = [rng.permutation(np.flatnonzero(has == side)) for side in (False, True)]
    held_out = max(1, int(HELD_OUT * min(map(len, sides))))
    test = np.concatenate([side[:held_out] for side in sides])
    learn = np.concatenate([side[held_out:] for side in sides])
    mean, std = points[learn].mean(axis=0), np.maximum(points[learn].std(axis=0), 1e-9)
    model = LogisticRegression(class_weight="balanced", max_iter=ITERATIONS)
    model.fit((points[learn] - mean) / std, has[learn])
    right = model.predict((points[test] - mean) / std) == has[test]
    normal = model.coef_[0] / std
    vector = normal / np.linalg.norm(normal)
    accuracy = share(right.mean(), len(test))
    return Attribute(vector.astype(np.float32), float((points @ vector).std()), accuracy, len(test))
