"""What the samples of a data set are looked at through: a recognizer, the pixels, the point itself,
or a judge of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data import TRUTHS, Description, Truth
from gan_jax.errors import ConfigError, one_of
from gan_jax.metrics.mixtures import Modes, equal_modes, mode_logits, nearest_modes
from gan_jax.metrics.streaming import stream
from gan_jax.recognizers import (
    FeatureNetwork,
    Pixels,
    RecognizerConfig,
    inception,
    load_inception,
    recognizer,
)
from gan_jax.recognizers.recognizer import BLOCK

SAMPLES_A_MODE = 10
"""With fewer StackedMNIST images for each of its modes, how many modes occur says more of the count
than of the images.
"""


@dataclasses.dataclass(frozen=True, eq=False)
class Points:
    """The vector itself; where the truth is a labelled mixture, its logits are the modes'
    log-densities.
    """

    truth: Truth | None = None
    key: str = "points"

    @property
    def about(self) -> dict[str, Any]:
        return {"network": "the points themselves", "key": self.key}

    def features(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """As in `FeatureNetwork`, of ``[n, d]`` float32 vectors."""
        points = np.asarray(points, np.float32)
        labelled = self.truth is not None and self.truth.labelled
        return points, np.asarray(mode_logits(points, self.truth)) if labelled else None


@dataclasses.dataclass(frozen=True, eq=False)
class StackedDigits:
    """Each colour channel through a recognizer of digits; the features are the digits' logits,
    channel by channel.

    As the literature counts the modes of StackedMNIST (Srivastava et al. 2017, section 4.1).
    """

    digits: FeatureNetwork

    @property
    def key(self) -> str:
        return f"stacked-{self.digits.key}"

    @property
    def about(self) -> dict[str, Any]:
        return self.digits.about | {
            "network": "a recognizer of digits, channel by channel",
            "key": self.key,
        }

    def features(self, images: np.ndarray) -> tuple[np.ndarray, None]:
        """As in `FeatureNetwork`: ``[n, 30]`` of ``[n, h, w, 3]`` images; no logits of the 1,000
        classes.
        """

        def look(block: np.ndarray) -> np.ndarray:
            b, h, w, c = block.shape
            channels = np.moveaxis(block, -1, 1).reshape(b * c, h, w, 1)
            return self.digits.features(channels)[1].reshape(b, -1)

        return stream(look, images, block=BLOCK), None


def stacked_predictions(features: np.ndarray) -> np.ndarray:
    """The modes 100 a + 10 b + c, ``[n]`` in 0..999, that `StackedDigits` saw."""
    return features.reshape(len(features), 3, 10).argmax(-1) @ np.array([100, 10, 1])


def _stacked_modes(features: np.ndarray) -> Modes | None:
    few = len(features) < SAMPLES_A_MODE * 1000
    return None if few else equal_modes(stacked_predictions(features), 1000)


class Choice(NamedTuple):
    """The feature network of a data set, before it is made.

    ``count``: of its features. ``make()`` may train a recognizer. ``modes(features [n, f])``: to
    which modes of a known truth the samples belong, None where they are too few to count modes;
    itself None where no truth is known. ``logits``: how many the network gives, 0 for none;
    ``own_classes``: whether they are those of the data set's classes.
    """

    count: int
    make: Callable[[], FeatureNetwork]
    modes: Callable[[np.ndarray], Modes | None] | None = None
    logits: int = 0
    own_classes: bool = True


def _stacked(size: int | None, config: RecognizerConfig) -> Choice:
    return Choice(30, lambda: StackedDigits(recognizer("mnist", size, config)), _stacked_modes)


JUDGES: dict[str, Callable[[int | None, RecognizerConfig], Choice]] = {"stacked_mnist": _stacked}
"""Data sets with a judge of their own: ``(size, recognizer_config) -> Choice``."""


def _own(dataset: str, about: Description, size: int | None, config: RecognizerConfig) -> Choice:
    """The judge that the data set has, the points, a recognizer, or without labels the pixels."""
    if dataset in JUDGES:
        return JUDGES[dataset](size, config)
    if len(about.shape) == 1:
        truth = TRUTHS.get(dataset)
        if truth is None:
            return Choice(about.shape[0], Points)
        modes = lambda features: nearest_modes(features, truth)
        return Choice(
            about.shape[0],
            lambda: Points(truth),
            modes,
            len(truth.centres) if truth.labelled else 0,
        )
    if about.num_classes:
        return Choice(
            config.features, lambda: recognizer(dataset, size, config), logits=about.num_classes
        )
    return Choice(Pixels.count(about.shape), Pixels)


def _inception(
    dataset: str, about: Description, size: int | None, config: RecognizerConfig
) -> Choice:
    if len(about.shape) != 3:
        raise ConfigError(
            f"features: inception looks at images, and {dataset} holds vectors; accepted: {DEFAULT}."
        )
    if about.shape[-1] not in (1, 3):
        raise ConfigError(
            f"features: inception takes 1 or 3 channels, and {dataset} has {about.shape[-1]}; accepted: {DEFAULT}."
        )
    return Choice(inception.FEATURES, load_inception, logits=inception.CLASSES, own_classes=False)


DEFAULT = "default"
FEATURES: dict[str, Callable[[str, Description, int | None, RecognizerConfig], Choice]] = {
    DEFAULT: _own,
    "inception": _inception,
}
"""What images may be looked at through: ``(dataset, description, size, recognizer_config) ->
Choice``.
"""


def choose(
    dataset: str,
    about: Description,
    size: int | None,
    config: RecognizerConfig,
    features: str = DEFAULT,
) -> Choice:
    """How to look at a data set ``about`` which TFDS told this, padded to ``size``, through one of
    `FEATURES`.

    Raises:
      ConfigError: for an unknown name, or a network that cannot look at such data.
    """
    return FEATURES[one_of("features", features, FEATURES)](dataset, about, size, config)
