"""Feature networks: what turns samples into features for the metrics."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Protocol

import flax.linen as nn
import jax
import numpy as np

from gan_jax.data import Truth
from gan_jax.metrics.mixtures import mode_logits
from gan_jax.metrics.streaming import stream
from gan_jax.modality import seen, to_float
from gan_jax.types import Array, PyTree

RECOGNIZER_BLOCK = 250
"""Images that a recognizer sees at once."""
PIXEL_SIDE = 8


class FeatureNetwork(Protocol):
    """Anything that turns images, or other examples, into features.

    ``key`` names its content: equal keys give equal features. ``about`` is its provenance, for
    JSON.
    """

    key: str
    about: dict[str, Any]

    def features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Features ``[n, f]`` and logits ``[n, k]`` (None without classes), float32, of ``[n, h, w,
        c]`` images.

        Images are uint8, or float32 in [-1, 1]; memory-mapped ones are read in blocks.
        """


@dataclasses.dataclass(frozen=True, eq=False)
class Recognizer:
    """A trained image classifier; its features are its last hidden layer."""

    network: nn.Module
    variables: PyTree
    key: str
    about: dict[str, Any]

    def features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As in `FeatureNetwork`."""
        return stream(self.apply, images, block=RECOGNIZER_BLOCK)

    def apply(self, images: Array) -> tuple[Array, Array]:
        """Features and logits of one batch, differentiable."""
        return _recognize(self.network, self.variables, images)


@dataclasses.dataclass(frozen=True, eq=False)
class FeaturesAlone:
    """A feature network without its logits, which are of classes that say nothing of samples."""

    network: FeatureNetwork

    @property
    def key(self) -> str:
        return f"features-{self.network.key}"

    @property
    def about(self) -> dict[str, Any]:
        return self.network.about | {"key": self.key}

    def features(self, images: np.ndarray) -> tuple[np.ndarray, None]:
        """As in `FeatureNetwork`; no logits."""
        return self.network.features(images)[0], None

    def apply(self, images: Array) -> tuple[Array, None]:
        """Features of one batch, differentiable."""
        return self.network.apply(images)[0], None


@dataclasses.dataclass(frozen=True, eq=False)
class Pixels:
    """The image itself, averaged down to 8x8: a baseline for feature networks."""

    key: str = f"pixels-{PIXEL_SIDE}"

    @property
    def about(self) -> dict[str, Any]:
        return {"network": "pixels", "side": PIXEL_SIDE, "key": self.key}

    @staticmethod
    def count(shape: tuple[int, int, int]) -> int:
        """The number of features of images of a shape (h, w, c)."""
        h, w, c = shape
        return min(h, PIXEL_SIDE) * min(w, PIXEL_SIDE) * c

    def features(self, images: np.ndarray) -> tuple[np.ndarray, None]:
        """As in `FeatureNetwork`; no logits."""
        return stream(_average, images, block=RECOGNIZER_BLOCK), None


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

        return stream(look, images, block=RECOGNIZER_BLOCK), None


def stacked_predictions(features: np.ndarray) -> np.ndarray:
    """The modes 100 a + 10 b + c, ``[n]`` in 0..999, that `StackedDigits` saw."""
    return features.reshape(len(features), 3, 10).argmax(-1) @ np.array([100, 10, 1])


@functools.partial(jax.jit, static_argnums=0)
def _recognize(network: nn.Module, variables: PyTree, images: Array) -> tuple[Array, Array]:
    return network.apply(variables, seen(images), train=False)


@jax.jit
def _average(images: Array) -> Array:
    b, h, w, c = images.shape
    small = (b, min(h, PIXEL_SIDE), min(w, PIXEL_SIDE), c)
    return jax.image.resize(to_float(images), small, "linear", antialias=True).reshape(b, -1)
