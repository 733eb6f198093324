"""Runs the cells of the study `few_labels` one after another."""

from __future__ import annotations

import functools

import numpy as np

from gan_jax.enlarging.addition import BOTH, GENERATED, LABELLED_BY_D, Additions
from gan_jax.enlarging.candidates import CUTOUT, MIXUP, Candidate, labelled_by, right
from gan_jax.enlarging.examples import Labelled, subset
from gan_jax.recognizers import Recognizer
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
            f"{SELF_TRAINING}+mixup": "the same, mixup in both",
            "discriminator": "semi-supervised discriminator",
            LABELLED_BY_D: "+ unlabelled ones, labels of that discriminator",
            f"{LABELLED_BY_D}+mixup": "the same, mixup",
            GENERATED: "+ images of a conditional GAN",
            "both": "+ both",
        },
        bases=("mixup", "cutout", SELF_TRAINING, f"{SELF_TRAINING}+mixup"),
    )

    def __init__(self, options: Options, labels: list[int]):
        super().__init__(options, labels, {})

    def places(self, row: int, seed: int) -> np.ndarray:
        return subset(self.data.y, row, seed)

    def unlabelled(self, places: np.ndarray) -> np.ndarray:
        return np.delete(self.data.x, places, axis=0)

    def arms(self, seed: int, real: Labelled, additions: Additions) -> Arms:
        @functools.cache
        def alone(mixup: float) -> Recognizer:
            return self.train(Candidate(mixup=mixup), seed, real, {})

        added = functools.cache(additions.all)
        share = self.options.real_share

        def mixed(kind: str, mixup: float = 0.0) -> np.ndarray:
            return self.recognized(Candidate(kind, share, mixup), seed, real, added())

        def self_training(mixup: float = 0.0) -> np.ndarray:
            own = labelled_by(alone(mixup), additions.unlabelled, self.options.kept, seed)
            own = {SELF_TRAINING: own.at(np.arange(min(len(own.y), self.options.generated)))}
            return self.recognized(Candidate(SELF_TRAINING, share, mixup), seed, real, own)

        def discriminator() -> np.ndarray:
            # The images come first, as their line counts the training of this GAN in the time left.
            additions.one(LABELLED_BY_D)
            return right(additions.labeller, self.test)

        return {
            "classic": lambda: right(alone(0.0), self.test),
            "mixup": lambda: right(alone(MIXUP), self.test),
            "cutout": lambda: self.recognized(Candidate(cutout=CUTOUT), seed, real, {}),
            SELF_TRAINING: self_training,
            f"{SELF_TRAINING}+mixup": lambda: self_training(MIXUP),
            "discriminator": discriminator,
            LABELLED_BY_D: lambda: mixed(LABELLED_BY_D),
            f"{LABELLED_BY_D}+mixup": lambda: mixed(LABELLED_BY_D, MIXUP),
            GENERATED: lambda: mixed(GENERATED),
            "both": lambda: mixed(BOTH),
        }
