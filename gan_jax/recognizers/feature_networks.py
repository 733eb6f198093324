"""Chooses the feature extractor of a data set: specific, by modality, or Inception."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax.config import Framing
from gan_jax.data import TRUTHS, Description, describe, frame_of
from gan_jax.errors import ConfigError, either, one_of
from gan_jax.metrics.mixtures import Modes, equal_modes, nearest_modes
from gan_jax.modality import Images, Modality, Sounds, Vectors
from gan_jax.recognizers import inception
from gan_jax.recognizers.hearing import MELS, Bands
from gan_jax.recognizers.inception_weights import load_inception
from gan_jax.recognizers.library import recognizer
from gan_jax.recognizers.networks import (
    FeatureNetwork,
    FeaturesAlone,
    Points,
    StackedDigits,
    stacked_predictions,
)
from gan_jax.recognizers.recipes import RecognizerConfig

SAMPLES_PER_MODE = 10
"""With fewer StackedMNIST images per mode, the number of modes depends more on the number of images
than on their quality.
"""


class Choice(NamedTuple):
    """The feature extractor of a data set, before it is made.

    ``count``: number of features. ``make()`` may train a classifier. ``modes(features [n, f])``:
    the modes of the samples, None if there are too few to count modes; the function is None if the
    true modes are unknown. ``logits``: number of logits, 0 for none; ``own_classes``: whether they
    belong to the classes of the data set.
    """

    count: int
    make: Callable[[], FeatureNetwork]
    modes: Callable[[np.ndarray], Modes | None] | None = None
    logits: int = 0
    own_classes: bool = True


Sized = Framing | int | None
Chooser = Callable[[str, Description, Sized, RecognizerConfig], Choice]
"""``(dataset, description, framing, recognizer_config) -> Choice``."""


def _stacked(_: str, __: Description, framing: Sized, config: RecognizerConfig) -> Choice:
    return Choice(30, lambda: StackedDigits(recognizer("mnist", framing, config)), _stacked_modes)


def _stacked_modes(features: np.ndarray) -> Modes | None:
    few = len(features) < SAMPLES_PER_MODE * 1000
    return None if few else equal_modes(stacked_predictions(features), 1000)


def _of_images(
    dataset: str, about: Description, framing: Sized, config: RecognizerConfig
) -> Choice:
    """A classifier of the data set's classes or, without labels, of image rotations."""
    if not about.num_classes:
        turns = dataclasses.replace(config, task="turns")
        return Choice(config.features, lambda: FeaturesAlone(recognizer(dataset, framing, turns)))
    make = lambda: recognizer(dataset, framing, config)
    return Choice(config.features, make, logits=about.num_classes)


def _of_vectors(
    dataset: str, about: Description, framing: Sized, config: RecognizerConfig
) -> Choice:
    """The raw coordinates; modes are counted if the true ones are known."""
    count, truth = about.shape[0], TRUTHS.get(dataset)
    if truth is None:
        return Choice(count, Points)
    modes = lambda features: nearest_modes(features, truth)
    logits = len(truth.centres) if truth.labelled else 0
    return Choice(count, lambda: Points(truth), modes, logits)


BY_DATASET: dict[str, Chooser] = {"stacked_mnist": _stacked}
"""Data sets with a specific feature extractor."""


def _of_sounds(
    dataset: str, about: Description, framing: Sized, config: RecognizerConfig
) -> Choice:
    """A classifier of the data set's classes or, without labels, statistics of mel bands."""
    if about.num_classes:
        return _of_images(dataset, about, framing, config)
    rate = frame_of(about, framing).modality.rate
    return Choice(2 * MELS, lambda: Bands(rate))


BY_MODALITY: dict[type[Modality], Chooser] = {
    Images: _of_images,
    Vectors: _of_vectors,
    Sounds: _of_sounds,
}
"""The feature extractor of all other data sets."""


def _default(dataset: str, about: Description, framing: Sized, config: RecognizerConfig) -> Choice:
    choose = BY_DATASET.get(dataset) or BY_MODALITY.get(type(about.modality))
    if choose is None:
        kinds = either(kind.name for kind in BY_MODALITY)
        raise ConfigError(
            f"features: {DEFAULT} takes {kinds}, but {dataset} contains {about.modality.name}."
        )
    return choose(dataset, about, framing, config)


def _inception(
    dataset: str, about: Description, framing: Sized, config: RecognizerConfig
) -> Choice:
    if not isinstance(about.modality, Images):
        raise ConfigError(
            f"features: inception takes images, but {dataset} contains {about.modality.name}; use "
            f"{DEFAULT}."
        )
    channels = frame_of(about, framing).shape[-1]
    if channels not in (1, 3):
        raise ConfigError(
            f"features: inception takes 1 or 3 channels, but {dataset} has {channels}; use "
            f"{DEFAULT}."
        )
    return Choice(inception.FEATURES, load_inception, logits=inception.CLASSES, own_classes=False)


def choice_of(network: FeatureNetwork, examples: np.ndarray, num_classes: int) -> Choice:
    """A user's feature extractor, for a data set with these ``examples`` and ``num_classes``.

    Raises:
      ConfigError: if features or logits do not have the shapes that `FeatureNetwork` requires.
    """
    features, logits = network.features(examples[:2])
    for name, array in {"features": features, "logits": logits}.items():
        if array is not None and (np.ndim(array) != 2 or len(array) != 2):
            raise ConfigError(
                f"feature_network must return {name} of shape [2, n] for 2 examples, not "
                f"{list(np.shape(array))}."
            )
    count = 0 if logits is None else logits.shape[1]
    return Choice(
        features.shape[1], lambda: network, logits=count, own_classes=count == num_classes
    )


DEFAULT = "default"
FEATURES: dict[str, Chooser] = {DEFAULT: _default, "inception": _inception}
"""Feature extractors by the name that a user gives."""


def choose(
    dataset: str,
    about: Description,
    framing: Sized,
    config: RecognizerConfig,
    features: str = DEFAULT,
) -> Choice:
    """Chooses one of `FEATURES`, or the classifier of another data set, for a data set with this
    description and framing.

    Raises:
      ConfigError: for an unknown name, or a network that does not support such data.
    """
    if features in FEATURES or not _is_dataset(features):
        return FEATURES[one_of("features", features, FEATURES)](dataset, about, framing, config)
    other = describe(features)
    taken, contained = (frame_of(each, framing).modality for each in (other, about))
    if taken != contained:
        raise ConfigError(
            f"features: the classifier of {features} takes {taken}, but {dataset} contains "
            f"{contained}."
        )
    own = _default(features, other, framing, config)
    return own._replace(modes=None, own_classes=other.class_names == about.class_names)


def _is_dataset(name: str) -> bool:
    try:
        describe(name)
    except ConfigError:
        return False
    return True
