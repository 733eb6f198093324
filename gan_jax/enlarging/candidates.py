"""The mixtures of real and added examples that are tried, and the classifiers trained on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gan_jax.enlarging.examples import Labelled, balanced, mixture, size_of_mixture
from gan_jax.enlarging.options import Work
from gan_jax.metrics.labels import confidence
from gan_jax.modality import Modality
from gan_jax.recognizers import Recognizer, RecognizerConfig, fit
from gan_jax.recognizers.recipes import classic
from gan_jax.sampling.filters import Recognizes, most_confident

NOTHING = "nothing"
REAL_SHARES = (0.5, 0.2)
"""Fractions of real examples in a mixture."""
MIXUP = 0.2
MIXUPS = (0.0, MIXUP)
"""Parameters of mixup with which each mixture is tried, the real examples alone too."""
CUTOUT = 0.5
"""Side of the square of cutout where studies try it, as a share of the image's."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """The training data of a classifier.

    ``added``: the kind of examples added to the real ones, or `NOTHING`; ``real_share``: the
    fraction of real ones then; ``mixup``: the parameter of mixup, 0 for none; ``oversampled``:
    whether the real examples are repeated so that all classes are equally frequent; ``cutout``:
    the side of the square of cutout, as a share of the image's, 0 for none.
    """

    added: str = NOTHING
    real_share: float = 1.0
    mixup: float = 0.0
    oversampled: bool = False
    cutout: float = 0.0

    @property
    def mixed(self) -> bool:
        """Whether examples are added."""
        return self.added != NOTHING

    def __str__(self) -> str:
        parts = [f"{self.added}, {self.real_share:.0%} real" if self.mixed else self.added]
        parts += ["oversampling"] * self.oversampled
        parts += [f"mixup {self.mixup:g}"] if self.mixup else []
        parts += [f"cutout {self.cutout:g}"] if self.cutout else []
        return ", ".join(parts)


def grid(added: list[str], imbalance: bool) -> list[Candidate]:
    """The candidates: real examples alone and each kind of added examples, tuned alike."""
    mixtures = [(NOTHING, 1.0), *((name, share) for name in added for share in REAL_SHARES)]
    return [
        Candidate(name, share, mixup, oversampled)
        for name, share in mixtures
        for oversampled in ((False, True) if imbalance else (False,))
        for mixup in MIXUPS
    ]


def recognizer(work: Work, dataset: str) -> RecognizerConfig:
    """The training of every classifier, with the classic augmentation of a dataset."""
    return RecognizerConfig(
        steps=work.recognizer_steps, batch_size=work.recognizer_batch,
        augmentation=classic(dataset),
    )  # fmt: skip


def train(
    candidate: Candidate,
    config: RecognizerConfig,
    real: Labelled,
    added: Mapping[str, Labelled],
    num_classes: int,
    modality: Modality,
    told: Callable[[int, dict], Any] | None = None,
    weights: tuple[float, ...] = (),
) -> Recognizer:
    """Trains the classifier of a candidate; all see equally many examples.

    Args:
      config: the training of the classifier, with classic augmentation; its seed also shuffles.
      real: the real examples.
      added: the added examples of each kind.
      weights: of the loss of each class; () for equal ones.
    """
    most = max((len(own.y) for own in added.values()), default=1)
    largest = max(size_of_mixture(len(real.y), most, share) for share in REAL_SHARES)
    n = min(largest, config.steps * config.batch_size)
    order = np.random.default_rng(config.seed).permutation(len(real.y))
    own = real.at(order)
    if candidate.oversampled:
        own = balanced(real, max(1, round(candidate.real_share * n)), config.seed)
    augmentation = dataclasses.replace(config.augmentation, cutout=candidate.cutout)
    config = dataclasses.replace(config, mixup=candidate.mixup, augmentation=augmentation)
    examples = mixture(own, added.get(candidate.added), n, candidate.real_share)
    return fit(config, *examples, num_classes, modality, weights=weights, told=told)


def right(recognizer: Recognizes, examples: Labelled) -> np.ndarray:
    """Whether a classifier recognizes each example as its label, ``[n]`` bool."""
    _, logits = recognizer.features(examples.x)
    return logits.argmax(axis=1) == examples.y


def labelled_by(recognizer: Recognizes, x: np.ndarray, kept: float, seed: int) -> Labelled:
    """The share ``kept`` of examples ``[n, ...]`` of which a classifier is most confident in each
    class that it sees, with its labels, in random order.
    """
    _, logits = recognizer.features(x)
    y = logits.argmax(axis=1).astype(np.int32)
    sure = np.flatnonzero(most_confident(confidence(logits, y), y, kept))
    return Labelled(x, y).at(np.random.default_rng(seed).permutation(sure))


def weights(y: np.ndarray, imbalance: bool) -> np.ndarray:
    """Weights ``[n]`` of examples with labels ``[n]``, with which the mean of `right` is the
    accuracy or, with ``imbalance``, the balanced accuracy, the mean over the classes.
    """
    if not imbalance:
        return np.ones(len(y))
    classes, counts = np.unique(y, return_counts=True)
    return len(y) / (len(classes) * counts[np.searchsorted(classes, y)])
