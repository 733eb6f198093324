"""Metrics: pure functions of the outputs of a feature network, their requirements, and the display
of their scores.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax.metrics.estimate import Estimate
from gan_jax.metrics.frechet import Gaussian
from gan_jax.metrics.mixtures import Modes


class Sample(NamedTuple):
    """The outputs of a feature network for ``n`` images.

    ``features``: ``[n, f]`` float32. ``logits``: ``[n, k]`` float32, None if the network is not a
    classifier. ``labels``: ``[n]`` int32, the labels of the images; None without labels. ``modes``:
    the modes of the images; None if the true modes are unknown. ``gaussian``: the Gaussian of the
    features, if it has been computed.
    """

    features: np.ndarray
    logits: np.ndarray | None = None
    labels: np.ndarray | None = None
    modes: Modes | None = None
    gaussian: Gaussian | None = None

    def at(self, index: np.ndarray | slice) -> Sample:
        """The sample of some of the images."""
        *fields, modes, _ = self
        if modes is not None:
            modes = modes._replace(nearest=modes.nearest[index], good=modes.good[index])
        return Sample(*(None if field is None else field[index] for field in fields), modes)


class Inputs(NamedTuple):
    """The inputs of a metric.

    ``images``: the scored images. ``reference``: the real images for comparison. ``training``: the
    real images on which the GAN was trained; ``held_out``: real images that it never saw; None if
    unknown. ``seed``: of all random choices. ``own_classes``: whether logits and labels refer to
    the same classes, unlike those of Inception. ``learned``: the outputs, for held-out real images,
    of a classifier that was trained on the scored images alone; None if there is none.
    """

    images: Sample
    reference: Sample
    training: Sample | None = None
    held_out: Sample | None = None
    seed: int = 0
    own_classes: bool = True
    learned: Sample | None = None


@dataclasses.dataclass(frozen=True)
class Score:
    """How a score is displayed. ``share``: it is in [0, 1]. ``by_class``: it is ``[k]``, one number
    per class. ``sized``: its expected value depends on the number of images, so that only scores of
    equal numbers are comparable.
    """

    title: str
    share: bool = False
    by_class: bool = False
    sized: bool = False


@dataclasses.dataclass(frozen=True)
class Metric:
    """Scores of images.

    Attributes:
      function: returns an `Estimate` for each of ``scores``, whose names are unique over all
        metrics.
      title: its name within a sentence.
      needs: required inputs: ``logits``, ``labels`` or ``modes`` of the images,
        ``reference_labels``, ``training``, ``held_out``, ``learned``, ``own_classes`` in the
        logits, or ``unknown_modes``, if classes would stand for modes that are counted exactly.
      min_images: the minimum number of images for ``f`` features. ``min_reference``: the minimum
        number of reference images; None for the same number.
      per_class: the minimum applies to every class.
      balanced: compares equal numbers; the larger set is subsampled with the seed of the inputs.
      usual: the number of images where its name is given without one; None: it needs a number.
    """

    function: Callable[[Inputs], dict[str, Estimate]]
    title: str
    scores: dict[str, Score]
    needs: tuple[str, ...] = ()
    min_images: Callable[[int], int] = lambda features: 1
    min_reference: Callable[[int], int] | None = None
    per_class: bool = False
    balanced: bool = False
    usual: int | None = None

    def fewest(self, features: int, classes: int) -> int:
        """The minimum number of images, balanced over ``classes`` classes (0 for none)."""
        return self.min_images(features) * (max(classes, 1) if self.per_class else 1)

    def measure(self, inputs: Inputs) -> dict[str, Estimate]:
        """Its scores, for inputs without an `obstacle`."""
        return self.function(_balanced(inputs) if self.balanced else inputs)


# For each requirement: whether it is met, and the message if it is not.
NEEDS: dict[str, tuple[Callable[[Inputs], bool], str]] = {
    "labels": (lambda inputs: inputs.images.labels is not None, "the images have no labels"),
    "logits": (
        lambda inputs: inputs.images.logits is not None,
        "the feature network recognizes no classes",
    ),
    "own_classes": (
        lambda inputs: inputs.own_classes,
        "the feature network recognizes other classes",
    ),
    "modes": (
        lambda inputs: inputs.images.modes is not None,
        "the samples are too few to count modes",
    ),
    "unknown_modes": (
        lambda inputs: inputs.images.modes is None,
        "the modes of these samples are known, and counted",
    ),
    "reference_labels": (
        lambda inputs: inputs.reference.labels is not None,
        "the real examples have no labels",
    ),
    "training": (lambda inputs: inputs.training is not None, "the training images are not given"),
    "held_out": (lambda inputs: inputs.held_out is not None, "no real examples are held out"),
    "learned": (
        lambda inputs: inputs.learned is not None,
        "a classifier of the samples has no labelled real images or sounds, unseen by the GAN, "
        "to be tested on",
    ),
}


def obstacle(metric: Metric, inputs: Inputs) -> str | None:
    """Why a metric cannot be computed, as a clause; None if it can."""
    for need in metric.needs:
        met, complaint = NEEDS[need]
        if not met(inputs):
            return complaint
    features = inputs.images.features.shape[1]
    needed = metric.min_images(features)
    needed_reference = metric.min_reference(features) if metric.min_reference else needed
    sides = [(inputs.images, needed), (inputs.reference, needed_reference)]
    sides += [(inputs.held_out, needed)] * ("held_out" in metric.needs)
    for sample, least in sides:
        fewest, whose = len(sample.features), "images"
        if metric.per_class:
            classes = inputs.images.logits.shape[1]
            numbers = np.bincount(sample.labels, minlength=classes)[:classes]
            fewest, whose = numbers.min(), f"images of class {numbers.argmin()}"
        if fewest < least:
            return f"{fewest} {whose} are too few, {least} are needed"
    return None


def _balanced(inputs: Inputs) -> Inputs:
    sizes = len(inputs.images.features), len(inputs.reference.features)
    rng, n = np.random.default_rng(inputs.seed), min(sizes)
    thinned = [
        np.sort(rng.choice(size, n, replace=False)) if size > n else slice(None) for size in sizes
    ]
    return inputs._replace(
        images=inputs.images.at(thinned[0]), reference=inputs.reference.at(thinned[1])
    )
