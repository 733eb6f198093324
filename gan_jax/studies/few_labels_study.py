"""Runs the cells of the study `few_labels` one after another."""

from __future__ import annotations

import functools

import numpy as np

from gan_jax.enlarging.addition import BOTH, GENERATED, LABELLED_BY_D, Additions
from gan_jax.enlarging.candidates import CUTOUT, MIXUP, Candidate, right
from gan_jax.enlarging.examples import Labelled, subset
from gan_jax.metrics.labels import confidence
from gan_jax.recognizers import Recognizer
from gan_jax.sampling.filters import most_confident
from gan_jax.studies.recognition_report import Layout
from gan_jax.studies.regimes_options import Options
from gan_jax.studies.regimes_study import Arms, RegimeStudy

SELF_TRAINING = "self-training"


class Study(RegimeStudy):
    """The study.

    Args:
      labels: numbers of labelled images per class.
    """

    name, regime, kinds = "few_labels", "unlabelled", (LABELLED_BY_D, GENERATED)
    layout = Layout(
        {
            "classic": "labelled images",
            "mixup": "labelled images, mixup",
            "cutout": "labelled images, cutout",
            SELF_TRAINING: "+ unlabelled ones, labels of a classifier",
            "discriminator": "semi-supervised discriminator",
            LABELLED_BY_D: "+ unlabelled ones, labels of that discriminator",
            GENERATED: "+ images of a conditional GAN",
            "both": "+ both",
        },
        bases=("mixup", "cutout", SELF_TRAINING),
    )

    def __init__(self, options: Options, labels: list[int]):
        super().__init__(options, labels, {})

    def places(self, row: int, seed: int) -> np.ndarray:
        return subset(self.data.y, row, seed)

    def unlabelled(self, places: np.ndarray) -> np.ndarray:
        return np.delete(self.data.x, places, axis=0)

    def arms(self, seed: int, real: Labelled, additions: Additions) -> Arms:
        alone = functools.cache(lambda: self.train(Candidate(), seed, real, {}))
        added = functools.cache(additions.all)
        share = self.options.real_share
        mixed = lambda kind: self.recognized(Candidate(kind, share), seed, real, added())

        def self_training() -> np.ndarray:
            own = {SELF_TRAINING: self._labelled_by(alone(), additions.unlabelled, seed)}
            return self.recognized(Candidate(SELF_TRAINING, share), seed, real, own)

        return {
            "classic": lambda: right(alone(), self.test),
            "mixup": lambda: self.recognized(Candidate(mixup=MIXUP), seed, real, {}),
            "cutout": lambda: self.recognized(Candidate(cutout=CUTOUT), seed, real, {}),
            SELF_TRAINING: self_training,
            "discriminator": lambda: right(additions.labeller, self.test),
            LABELLED_BY_D: lambda: mixed(LABELLED_BY_D),
            GENERATED: lambda: mixed(GENERATED),
            "both": lambda: mixed(BOTH),
        }

    def _labelled_by(self, recognizer: Recognizer, x: np.ndarray, seed: int) -> Labelled:
        """The examples of which a classifier is most confident, with its labels: as many as are
        added of other kinds, in random order.
        """
        _, logits = recognizer.features(x)
        y = logits.argmax(axis=1).astype(np.int32)
        sure = most_confident(confidence(logits, y), y, self.options.kept)
        order = np.random.default_rng(seed).permutation(np.flatnonzero(sure))
        return Labelled(x, y).at(order[: self.options.generated])
