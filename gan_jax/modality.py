"""The kind of an example: how it is stored, how networks see it, and how it is shown.

A `Modality` is a small frozen value that the engine, the data pipeline, the sampler and the
evaluation consult; only this file looks at the number of axes of an example. Add a new kind of
example as a subclass; nothing has to be registered.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import pictures
from gan_jax.errors import ConfigError
from gan_jax.types import Array, Batch, PyTree
from gan_jax.vocabulary import Vocabulary, ended

COLUMNS = 10
"""Images per row of a sample grid; the grid of an unconditional GAN is square."""
ROWS = 20
"""Maximum number of classes in a sample grid; if there are more, evenly spaced ones are shown."""
LOUDEST = 32_767
"""The stored sample that networks see as 1."""
POINTS = 2_000
"""Number of samples in a picture of vectors, and of real points."""


def grid_layout(num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The `Modality.layout` of a grid: one row per class, with the same latents in each column;
    without classes a square.
    """
    if not num_classes:
        return np.arange(COLUMNS**2), np.repeat(np.arange(COLUMNS), COLUMNS)
    shown = min(num_classes, ROWS)
    classes = np.linspace(0, num_classes - 1, shown).round().astype(np.int32)
    return np.tile(np.arange(COLUMNS), shown), np.repeat(classes, COLUMNS)


def labels_in_turn(n: int, num_classes: int) -> np.ndarray:
    """``[n]`` int32 labels that cycle through all classes; zeros if there are no classes."""
    return np.arange(n, dtype=np.int32) % max(num_classes, 1)


@dataclasses.dataclass(frozen=True)
class Modality:
    """One kind of example. Arrays ``x`` begin with any number of batch axes.

    Attributes:
      shape: shape of one example as networks see it.
      name: the name of such examples, in the plural.
      axes: number of axes of one example.
      stored: dtype of examples in a dataset.
      bounded: whether networks see values in [-1, 1], so that generators end with tanh.
      mirrors: whether an example can be mirrored left to right.
      from_stored: whether stored examples can be converted to what networks see, so that D can
        score them; not if networks see more than is stored.
      real_shown: number of real examples that a picture needs in addition to the samples.
    """

    shape: tuple[int, ...]

    name: ClassVar[str] = "examples"
    axes: ClassVar[int]
    stored: ClassVar[Any] = np.float32
    bounded: ClassVar[bool] = False
    mirrors: ClassVar[bool] = False
    from_stored: ClassVar[bool] = True
    real_shown: ClassVar[int] = 0

    def __str__(self) -> str:
        return f"{self.name} of shape {self.shape}"

    @property
    def represented(self) -> Modality:
        """The kind of the examples as they are stored, drawn and scored; another one if networks
        see a representation of them, such as spectrograms of sounds.
        """
        return self

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape of one example in a dataset."""
        return self.represented.shape

    def to_network(self, x: PyTree) -> PyTree:
        """Converts stored examples to what networks see; converted ones are returned unchanged."""
        return x

    def restored(self, x: PyTree) -> PyTree:
        """The examples of the kind `represented` in what networks return; a function of JAX."""
        return x

    def to_stored(self, x: PyTree) -> PyTree:
        """Converts the output of networks to numpy arrays as datasets store them."""
        return np.asarray(x, self.stored)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of generators that depend on the examples."""
        return {"shape": self.shape, "bounded": self.bounded}

    def check(self, field: str, x: PyTree) -> None:
        """Refuses examples ``[b, ...]``, as networks see them, of the wrong shape.

        Raises:
          ConfigError: naming the field, their shape and the modality's.
        """
        shapes = [tuple(a.shape[1:]) for a in jax.tree.leaves(x)]
        if shapes != [self.shape]:
            raise ConfigError(
                f"{field}: {self.name} must have the shape {list(self.shape)}, not "
                f"{', '.join(str(list(shape)) for shape in shapes)}."
            )

    def each(self, value: Any) -> PyTree:
        """The value in place of each array of an example, or of its labels."""
        return value

    def abstract_batch(self, lead: tuple[int, ...], sharding: Any = None) -> Batch:
        """Shapes and dtypes of labelled examples with the leading axes ``lead``, without data."""
        struct = functools.partial(jax.ShapeDtypeStruct, sharding=sharding)
        x = struct((*lead, *self.stored_shape), self.stored)
        y = struct(lead, np.int32)
        return Batch(self.each(x), self.each(y))

    def layout(self, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        """The samples that a picture shows: the index of the latents and the label of each.

        Returns:
          Two int arrays ``[n]``. Samples with the same index share their latents; indices start
          at 0.
        """
        return np.arange(COLUMNS**2), labels_in_turn(COLUMNS**2, num_classes)

    def picture(self, samples: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
        """Draws samples ``[n, *shape]`` of `layout` as pixels ``[H, W, c]`` uint8.

        Args:
          samples: the output of networks, or stored examples.
          real: ``[real_shown, *shape]`` real examples, if `real_shown` is not 0.
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
        """One row per class, with the same latents in each column; without classes a square."""
        return grid_layout(num_classes)

    def shown(self, x: np.ndarray) -> np.ndarray:
        """The pixels ``[n, h, w, c]`` uint8 by which images are shown that networks see."""
        return self.to_stored(x)

    def picture(self, samples: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
        return pictures.grid(samples, COLUMNS)


class Domains(Modality):
    """``{"a": [..., h, w, c], "b": [..., h, w, c]}``: an image of each of two domains, unpaired.
    ``shape`` is that of one image.
    """

    name, axes, stored = "images of two domains", 3, np.uint8
    bounded = mirrors = True

    @property
    def image(self) -> Images:
        """The kind of the image of one domain."""
        return Images(self.shape)

    def to_network(self, x: PyTree) -> PyTree:
        return jax.tree.map(self.image.to_network, x)

    def to_stored(self, x: PyTree) -> PyTree:
        return jax.tree.map(self.image.to_stored, x)

    def each(self, value: Any) -> PyTree:
        return dict.fromkeys(DOMAINS, value)

    def check(self, field: str, x: PyTree) -> None:
        if not isinstance(x, dict) or set(x) != set(DOMAINS):
            raise ConfigError(f"{field} must be images of the domains {' and '.join(DOMAINS)}.")
        for name in DOMAINS:
            self.image.check(f"{field}[{name!r}]", x[name])

    def layout(self, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        return self.image.layout(num_classes)

    def picture(self, samples: PyTree, real: np.ndarray | None = None) -> np.ndarray:
        """Images of domain ``b``, then of ``a``."""
        return np.concatenate([self.image.picture(samples[name]) for name in DOMAINS[::-1]])


class ImagePairs(Domains):
    """As `Domains`, but the images of an example belong together and have one label."""

    name = "pairs of images"

    def abstract_batch(self, lead: tuple[int, ...], sharding: Any = None) -> Batch:
        batch = super().abstract_batch(lead, sharding)
        return batch._replace(y=batch.y[DOMAINS[0]])


class Vectors(Modality):
    """``[..., d]`` float32, unbounded: points of the plane, or any other vectors."""

    name, axes, real_shown = "vectors", 1, POINTS

    def __str__(self) -> str:
        return f"vectors of {self.shape[0]} numbers"

    def layout(self, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(POINTS), labels_in_turn(POINTS, num_classes)

    def picture(self, samples: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
        return pictures.points(samples, real)


@dataclasses.dataclass(frozen=True)
class Sounds(Modality):
    """``[..., length, 1]``: stored as int16, seen by networks as float32 in [-1, 1], which is the
    stored number divided by 32,767.

    Attributes:
      rate: samples per second; None if it varies in the data set.
    """

    rate: int | None = None

    name, axes, stored = "sounds", 2, np.int16
    bounded = True

    def __str__(self) -> str:
        length = "varying length" if self.shape[0] is None else f"{self.shape[0]:,} samples"
        return f"sounds of {length} at {self.rate or 'varying'} Hz"

    def to_network(self, x: Array) -> Array:
        if x.dtype == jnp.int16:
            return jnp.clip(x.astype(jnp.float32) / LOUDEST, -1, 1)
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise ConfigError(f"x must be int16, or float in [-1, 1], not {x.dtype} {x.shape}.")
        return x

    def to_stored(self, x: Array) -> np.ndarray:
        x = np.asarray(x)
        if x.dtype == np.int16:
            return x
        return np.rint(np.clip(x.astype(np.float32), -1, 1) * LOUDEST).astype(np.int16)

    def layout(self, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        """As for images: one row per class, with the same latents in each column."""
        return grid_layout(num_classes)

    def picture(self, samples: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
        """Spectrograms: time from left to right, frequency from bottom to top."""
        return pictures.grid(pictures.spectrograms(self.to_network(samples)[..., 0]), COLUMNS)


@dataclasses.dataclass(frozen=True)
class Tokens(Modality):
    """``[..., length]`` int32 in [0, words): sequences of words, such as captions.

    Attributes:
      words: number of words of the language, with the padding.
    """

    words: int = 0

    name, axes, stored = "captions", 1, np.int32


@dataclasses.dataclass(frozen=True)
class Text(Modality):
    """``[..., length]`` int32 in [0, words): one token per position, 0 after the end. Networks see
    ``[..., length, words]`` float32: one-hot vectors, or probabilities of the tokens.

    Attributes:
      shape: (length, words).
      vocabulary: the tokens as text, if they are known.
    """

    vocabulary: Vocabulary | None = None

    name, axes, stored = "texts", 1, np.int32

    def __str__(self) -> str:
        unit = self.vocabulary.unit if self.vocabulary else "tokens"
        length, words = self.shape
        return "texts" if length is None else f"texts of {length} {unit} ({words:,} different ones)"

    @property
    def stored_shape(self) -> tuple[int, ...]:
        return self.shape[:-1]

    @property
    def words(self) -> int:
        """The number of tokens of the language, with the padding 0."""
        return self.shape[-1]

    def to_network(self, x: Array) -> Array:
        if jnp.issubdtype(x.dtype, jnp.integer):
            return jax.nn.one_hot(x, self.words, dtype=jnp.float32)
        return x

    def to_stored(self, x: Array) -> np.ndarray:
        """The most probable tokens up to the first padding, and padding after it."""
        x = np.asarray(x)
        return ended(x if x.dtype == np.int32 else np.argmax(x, -1).astype(np.int32))

    def layout(self, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        """A hundred samples, ordered by class."""
        index, labels = super().layout(num_classes)
        return index, np.sort(labels)

    def texts(self, samples: Array) -> list[str]:
        """What networks return, or stored tokens, as ``n`` texts; numbers where the tokens are not
        known.
        """
        tokens = self.to_stored(samples)
        if self.vocabulary is not None:
            return self.vocabulary.texts(tokens)
        return [" ".join(str(token) for token in row if token) for row in tokens.tolist()]

    def picture(self, samples: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
        return pictures.texts(self.texts(samples))


DOMAINS = ("a", "b")
"""The names of two domains."""
KINDS = (Images, Vectors)
"""The kinds that are recognized by the shape of examples alone; sounds also have a rate."""


def of_shape(shape: tuple[int, ...]) -> Modality:
    """The modality of images ``(h, w, c)`` or vectors ``(d,)``. That of a data set's examples,
    which may be sounds, is `gan_jax.data.Frame.modality`.

    Raises:
      ConfigError: for another number of axes.
    """
    kind = next((kind for kind in KINDS if kind.axes == len(shape)), None)
    if kind is None:
        raise ConfigError(f"shape of an example must be (h, w, c) or (d,), not {shape}.")
    return kind(tuple(shape))


def of_feature(shape: tuple[int | None, ...], dtype: Any) -> type[Modality] | None:
    """The kind of example that a feature of a dataset can be; None if it can be neither.

    Args:
      shape: the shape of the feature; None stands for an axis whose length varies.
      dtype: the numpy dtype of the feature.
    """
    fits = lambda kind: kind.axes == len(shape) and kind.stored == dtype
    return next(filter(fits, KINDS), None)


def is_image(a: Array, batch_axes: int) -> bool:
    """Whether an array with ``batch_axes`` batch axes holds images ``(h, w, c)``."""
    return a.ndim - batch_axes == Images.axes


def to_float(x: Array) -> Array:
    """Converts uint8 in [0, 255] to float32 in [-1, 1]; returns floating-point arrays unchanged.

    Raises:
      ConfigError: for any other dtype.
    """
    if x.dtype == jnp.uint8:
        return x.astype(jnp.float32) / 127.5 - 1
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ConfigError(f"x must be uint8, or float in [-1, 1], not {x.dtype} {x.shape}.")
    return x


def seen(x: Array) -> Array:
    """Stored images uint8 or sounds int16 as networks see them, float32 in [-1, 1]; floating-point
    arrays unchanged.
    """
    return Sounds(x.shape[1:]).to_network(x) if x.dtype == jnp.int16 else to_float(x)
