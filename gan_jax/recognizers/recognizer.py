"""Feature networks: what the metrics look at images through."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Protocol

import flax.linen as nn
import jax
import numpy as np

from gan_jax.metrics.streaming import stream
from gan_jax.modality import to_float
from gan_jax.types import Array, PyTree

BLOCK = 250
PIXEL_SIDE = 8


class FeatureNetwork(Protocol):
    """Anything that turns images into features.

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
        return stream(
            functools.partial(_recognize, self.network, self.variables), images, block=BLOCK
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Pixels:
    """The image itself, averaged down to 8x8: for data sets without labels, from which no
    recognizer can learn.
    """

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
        return stream(_average, images, block=BLOCK), None


@functools.partial(jax.jit, static_argnums=0)
def _recognize(network: nn.Module, variables: PyTree, images: Array) -> tuple[Array, Array]:
    return network.apply(variables, to_float(images), train=False)


@jax.jit
def _average(images: Array) -> Array:
    b, h, w, c = images.shape
    small = (b, min(h, PIXEL_SIDE), min(w, PIXEL_SIDE), c)
    return jax.image.resize(to_float(images), small, "linear", antialias=True).reshape(b, -1)
