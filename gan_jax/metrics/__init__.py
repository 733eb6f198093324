"""Scores of generated images: pure functions over what a feature network saw, in numpy and float64.

A new metric is a function in a file of this folder and a line of `METRICS`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax.metrics.frechet import frechet_distance, frechet_distance_of_moments
from gan_jax.metrics.labels import class_shares, label_agreement, label_agreement_by_class
from gan_jax.metrics.mixtures import Modes, high_quality_share, mode_divergence, modes_covered
from gan_jax.metrics.neighbours import nearest_neighbours

__all__ = [
    "METRICS",
    "Metric",
    "Modes",
    "Sample",
    "class_shares",
    "frechet_distance",
    "frechet_distance_of_moments",
    "high_quality_share",
    "label_agreement",
    "label_agreement_by_class",
    "measure",
    "mode_divergence",
    "modes_covered",
    "nearest_neighbours",
    "obstacle",
]


class Sample(NamedTuple):
    """What a feature network saw in ``n`` images.

    ``features``: ``[n, f]`` float32. ``logits``: ``[n, k]`` float32, None where the network does not classify.
    ``labels``: ``[n]`` int32, the classes that the images were made or marked as; None where they have none.
    ``modes``: to which modes of a known truth they belong; None where none is known.
    """

    features: np.ndarray
    logits: np.ndarray | None = None
    labels: np.ndarray | None = None
    modes: Modes | None = None


@dataclasses.dataclass(frozen=True)
class Metric:
    """A score of images against a reference.

    ``function(images, reference)`` gives a number, or one per class ``[k]``; ``share``: it lies in [0, 1]. ``needs``:
    fields of the images' `Sample` without which it has no meaning. ``min_images(f)``: the fewest images, on either
    side, from which it can be estimated with ``f`` features.
    """

    function: Callable[[Sample, Sample], float | np.ndarray]
    title: str
    share: bool = True
    needs: tuple[str, ...] = ()
    min_images: Callable[[int], int] = lambda features: 1


MISSING = {
    "labels": "the images have no labels",
    "logits": "the feature network recognizes no classes",
    "modes": "the samples are too few to count modes",
}

METRICS: dict[str, Metric] = {
    "frechet_distance": Metric(
        lambda images, reference: frechet_distance(images.features, reference.features),
        title="Frechet distance",
        share=False,
        # With f images or fewer the covariance is singular and the distance says more of the count than of the images.
        min_images=lambda features: features + 1,
    ),
    "label_agreement": Metric(
        lambda images, reference: label_agreement(images.logits, images.labels),
        title="recognized as their label",
        needs=("logits", "labels"),
    ),
    "label_agreement_by_class": Metric(
        lambda images, reference: label_agreement_by_class(images.logits, images.labels),
        title="recognized as their label",
        needs=("logits", "labels"),
    ),
    "class_shares": Metric(
        lambda images, reference: class_shares(images.logits),
        title="share of the images",
        needs=("logits",),
    ),
    "modes_covered": Metric(
        lambda images, reference: float(modes_covered(images.modes)),
        title="modes covered",
        share=False,
        needs=("modes",),
    ),
    "high_quality_share": Metric(
        lambda images, reference: float(high_quality_share(images.modes)),
        title="of high quality",
        needs=("modes",),
    ),
    "mode_divergence": Metric(
        lambda images, reference: float(mode_divergence(images.modes)),
        title="KL of the modes' shares",
        share=False,
        needs=("modes",),
    ),
}


def obstacle(metric: Metric, images: Sample, reference: Sample) -> str | None:
    """Why a metric cannot be computed, as a clause; None where it can."""
    for field in metric.needs:
        if getattr(images, field) is None:
            return MISSING[field]
    needed = metric.min_images(images.features.shape[1])
    fewest = min(len(images.features), len(reference.features))
    return None if fewest >= needed else f"{fewest} images are too few, {needed} are needed"


def measure(images: Sample, reference: Sample) -> dict[str, float | np.ndarray]:
    """Every metric of `METRICS` that can be computed, by name."""
    return {
        name: metric.function(images, reference)
        for name, metric in METRICS.items()
        if obstacle(metric, images, reference) is None
    }
