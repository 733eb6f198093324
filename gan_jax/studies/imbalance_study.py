"""Runs the cells of the study `imbalance` one after another."""

from __future__ import annotations

import functools

import numpy as np

from gan_jax.enlarging.addition import GENERATED, Additions
from gan_jax.enlarging.candidates import CUTOUT, MIXUP, Candidate
from gan_jax.enlarging.examples import Counts, Labelled, effective_weights, joined, subset
from gan_jax.errors import at_least
from gan_jax.studies.recognition_report import Layout
from gan_jax.studies.regimes_options import Options
from gan_jax.studies.regimes_study import Arms, RegimeStudy

OVERSAMPLED = "oversampled"


class Study(RegimeStudy):
    """The study.

    Args:
      smallest: numbers of images of the rarest class.
      largest: number of images of the most frequent class.
    """

    name, regime, kinds = "imbalance", "imbalance", (GENERATED,)
    layout = Layout(
        {
            "classic": "real images",
            OVERSAMPLED: "real images, oversampled",
            "mixup": "real images, oversampled, mixup",
            "cutout": "real images, oversampled, cutout",
            "weights": "real images, weighted loss",
            GENERATED: "rare classes filled up with generated images",
            "both": "oversampled and generated images",
        },
        bases=(OVERSAMPLED, "mixup", "cutout"),
        rows="images of the rarest class",
        unit="of the rarest class",
        axis="real images of the rarest class",
        measure="balanced accuracy",
    )

    def __init__(self, options: Options, smallest: list[int], largest: int):
        for own in smallest:
            at_least("largest", largest, own)
        self._largest = largest
        super().__init__(options, smallest, {"largest": largest})

    def places(self, row: int, seed: int) -> np.ndarray:
        counts = Counts(self._largest, row).of(self.classes)
        return subset(self.data.y, np.random.default_rng(seed).permutation(counts), seed)

    def unlabelled(self, places: np.ndarray) -> np.ndarray:
        return self.data.x[:0]

    def arms(self, seed: int, real: Labelled, additions: Additions) -> Arms:
        made = functools.cache(lambda: additions.one(GENERATED))
        counts = np.bincount(real.y, minlength=self.classes)
        alone = lambda candidate, **options: self.recognized(candidate, seed, real, {}, **options)
        both = Candidate(GENERATED, self.options.real_share, oversampled=True)
        return {
            "classic": lambda: alone(Candidate()),
            OVERSAMPLED: lambda: alone(Candidate(oversampled=True)),
            "mixup": lambda: alone(Candidate(oversampled=True, mixup=MIXUP)),
            "cutout": lambda: alone(Candidate(oversampled=True, cutout=CUTOUT)),
            "weights": lambda: alone(Candidate(), weights=effective_weights(counts)),
            GENERATED: lambda: self.recognized(Candidate(), seed, filled(real, made()), {}),
            "both": lambda: self.recognized(both, seed, real, {GENERATED: made()}),
        }


def filled(real: Labelled, made: Labelled) -> Labelled:
    """The real examples, and generated ones that fill each class up to the largest; they repeat if
    there are too few.
    """
    counts = np.bincount(real.y)
    missing = [
        np.resize(np.flatnonzero(made.y == label), counts.max() - n)
        for label, n in enumerate(counts)
    ]
    return joined(real, made.at(np.concatenate(missing)))
