"""What an example is: how it is stored, how networks see it, and how it is shown.

A `Modality` is a small frozen value. The engine, the data pipeline, the sampler and the evaluation
ask it; this file alone looks at the number of axes of an example. Another kind of example is a
subclass that says the same things; nothing has to be registered.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from gan_jax import pictures
from gan_jax.types import Array, PyTree

COLUMNS = 10
"""Images in a row of a picture of samples; that of an unconditional GAN has as many rows."""
ROWS = 20
"""Most classes in a picture; of more, so many are shown, evenly spread."""
POINTS = 2_000
"""Points in a picture of vectors, and as many real ones."""


@dataclasses.dataclass(frozen=True)
class Modality:
    """One kind of example. Arrays ``x`` lead with any number of batch axes.

    Attributes:
      shape: of one example as networks see it.
      name: what such examples are called, in the plural.
      stored: dtype of examples in a data set.
      bounded: networks see values in [-1, 1], so that generators end with tanh.
      real_shown: real examples that a picture needs beside the samples.
    """

    shape: tuple[int, ...]

    name: ClassVar[str] = "examples"
    stored: ClassVar[Any] = np.float32
    bounded: ClassVar[bool] = False
    real_shown: ClassVar[int] = 0

    def to_network(self, x: PyTree) -> PyTree:
        """Stored examples as networks see them; what is so already is returned as it is."""
        return x

    def to_stored(self, x: PyTree) -> PyTree:
        """Examples as networks make them, as numpy arrays in the way that data sets store them."""
        return np.asarray(x, self.stored)

    def layout(self, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        """Which samples a picture shows: the number of its latents and the label of each.

        Returns:
          Two int arrays ``[n]``. Samples with one number share their latents; numbers count from 0.
        """
        index = np.arange(COLUMNS**2)
        return index, index % max(num_classes, 1)

    def picture(self, samples: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
        """Samples ``[n, *shape]`` of `layout` as pixels ``[H, W, c]`` uint8.

        Args:
          samples: as networks make them, or as stored.
          real: ``[real_shown, *shape]`` real examples, where `real_shown` is not 0.
        """
        raise NotImplementedError


class Images(Modality):
    """``[..., h, w, c]``: stored as uint8 in [0, 255], seen by networks as float32 in [-1, 1]."""

    name, stored, bounded = "images", np.uint8, True

    def to_network(self, x: Array) -> Array:
        return to_float(x)

    def to_stored(self, x: Array) -> np.ndarray:
        return pictures.to_uint8(x)

    def layout(self, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        """A row for each class, the latents of a column alike; without classes a square."""
        if not num_classes:
            return np.arange(COLUMNS**2), np.repeat(np.arange(COLUMNS), COLUMNS)
        shown = min(num_classes, ROWS)
        classes = np.linspace(0, num_classes - 1, shown).round().astype(np.int32)
        return np.tile(np.arange(COLUMNS), shown), np.repeat(classes, COLUMNS)

    def picture(self, samples: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
        return pictures.grid(samples, COLUMNS)


class Vectors(Modality):
    """``[..., d]`` float32, without bounds: points of the plane, or any other numbers."""

    name, real_shown = "vectors", POINTS

    def layout(self, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        index = np.arange(POINTS)
        return index, index % max(num_classes, 1)

    def picture(self, samples: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
        return pictures.points(samples, real)


def of_shape(shape: tuple[int, ...]) -> Modality:
    """The modality of a data set's examples: images ``(h, w, c)`` or vectors ``(d,)``."""
    return {1: Vectors, 3: Images}[len(shape)](tuple(shape))


def to_float(x: Array) -> Array:
    """uint8 in [0, 255] -> float32 in [-1, 1]; anything else is returned as it is."""
    return x.astype(jnp.float32) / 127.5 - 1 if x.dtype == jnp.uint8 else x
