"""What an example is: how it is stored, how networks see it, and how it is shown.

A `Modality` is a small frozen value. The engine, the data pipeline, the sampler and the evaluation
ask it; this file alone looks at the number of axes of an example. Another kind of example is a
subclass that says the same things; nothing has to be registered.
"""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import pictures
from gan_jax.errors import ConfigError
from gan_jax.types import Array, PyTree

COLUMNS = 10
"""Images in a row of a picture of samples; that of an unconditional GAN has as many rows."""
ROWS = 20
"""Most classes in a picture; of more, so many are shown, evenly spread."""
POINTS = 2_000
"""Points in a picture of vectors, and as many real ones."""


def labels_in_turn(n: int, num_classes: int) -> np.ndarray:
    """``[n]`` int32 labels, all classes in turn; zeros where there are none."""
    return np.arange(n, dtype=np.int32) % max(num_classes, 1)


@dataclasses.dataclass(frozen=True)
class Modality:
    """One kind of example. Arrays ``x`` lead with any number of batch axes.

    Attributes:
      shape: of one example as networks see it.
      name: what such examples are called, in the plural.
      axes: number of axes of one example.
      stored: dtype of examples in a data set.
      bounded: networks see values in [-1, 1], so that generators end with tanh.
      mirrors: an example has a left and a right, so that it may be mirrored.
      real_shown: real examples that a picture needs beside the samples.
    """

    shape: tuple[int, ...]

    name: ClassVar[str] = "examples"
    axes: ClassVar[int]
    stored: ClassVar[Any] = np.float32
    bounded: ClassVar[bool] = False
    mirrors: ClassVar[bool] = False
    real_shown: ClassVar[int] = 0

    def __str__(self) -> str:
        return f"{self.name} of shape {self.shape}"

    def to_network(self, x: PyTree) -> PyTree:
        """Stored examples as networks see them; what is so already is returned as it is."""
        return x

    def to_stored(self, x: PyTree) -> PyTree:
        """Examples as networks make them, as numpy arrays in the way that data sets store them."""
        return np.asarray(x, self.stored)

    def check(self, field: str, x: PyTree) -> None:
        """Refuses examples ``[b, ...]``, as networks see them, of another shape.

        Raises:
          ConfigError: naming the field, their shape and the modality's.
        """
        shapes = [tuple(a.shape[1:]) for a in jax.tree.leaves(x)]
        if shapes != [self.shape]:
            raise ConfigError(
                f"{field}: {self.name} have the shape {list(self.shape)}, not "
                f"{', '.join(str(list(shape)) for shape in shapes)}."
            )

    def layout(self, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        """Which samples a picture shows: the number of its latents and the label of each.

        Returns:
          Two int arrays ``[n]``. Samples with one number share their latents; numbers count from 0.
        """
        return np.arange(COLUMNS**2), labels_in_turn(COLUMNS**2, num_classes)

    def picture(self, samples: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
        """Samples ``[n, *shape]`` of `layout` as pixels ``[H, W, c]`` uint8.

        Args:
          samples: as networks make them, or as stored.
          real: ``[real_shown, *shape]`` real examples, where `real_shown` is not 0.
        """
        raise NotImplementedError


class Images(Modality):
    """``[..., h, w, c]``: stored as uint8 in [0, 255], seen by networks as float32 in [-1, 1]."""

    name, axes, stored = "images", 3, np.uint8
    bounded = mirrors = True

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

    name, axes, real_shown = "vectors", 1, POINTS

    def __str__(self) -> str:
        return f"vectors of {self.shape[0]} numbers"

    def layout(self, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(POINTS), labels_in_turn(POINTS, num_classes)

    def picture(self, samples: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
        return pictures.points(samples, real)


KINDS = (Images, Vectors)
"""Those that are recognized in a data set by the shape of its examples."""


def of_shape(shape: tuple[int, ...]) -> Modality:
    """The modality of a data set's examples: images ``(h, w, c)`` or vectors ``(d,)``.

    Raises:
      ConfigError: for another number of axes.
    """
    kind = next((kind for kind in KINDS if kind.axes == len(shape)), None)
    if kind is None:
        raise ConfigError(f"shape: examples of shape {shape}; accepted: (h, w, c) or (d,).")
    return kind(tuple(shape))


def of_feature(shape: tuple[int | None, ...], dtype: Any) -> type[Modality] | None:
    """The kind of example that one feature of a data set can be; None where it can be neither.

    Args:
      shape: of the feature; None stands for a side that varies.
      dtype: numpy's, of the feature.
    """
    fits = lambda kind: kind.axes == len(shape) and kind.stored == dtype
    return next(filter(fits, KINDS), None)


def is_image(a: Array, batch_axes: int) -> bool:
    """Whether an array that leads with so many batch axes holds images ``(h, w, c)``."""
    return a.ndim - batch_axes == Images.axes


def mirror_images(tree: PyTree, where: Array, xp: ModuleType = jnp) -> PyTree:
    """Mirrors images, left to right, and leaves everything else as it is.

    Args:
      tree: leaves ``[*batch, ...]``; those ``[*batch, h, w, c]`` are images.
      where: ``[*batch]`` bool, the examples whose images are mirrored.
      xp: ``numpy`` or ``jax.numpy``, as the leaves are.
    """

    def mirrored(a: Array) -> Array:
        if xp is not np:
            return xp.where(where[..., None, None, None], a[..., ::-1, :], a)
        a = a.copy()  # several times as fast as numpy's where
        a[where] = a[where][..., ::-1, :]
        return a

    return jax.tree.map(lambda a: mirrored(a) if is_image(a, where.ndim) else a, tree)


def to_float(x: Array) -> Array:
    """uint8 in [0, 255] -> float32 in [-1, 1]; floating-point numbers are returned as they are.

    Raises:
      ConfigError: for any other dtype.
    """
    if x.dtype == jnp.uint8:
        return x.astype(jnp.float32) / 127.5 - 1
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ConfigError(f"x: {x.dtype} {x.shape}; accepted: uint8, or floats in [-1, 1].")
    return x
