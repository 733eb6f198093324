"""The description of a data set."""

from __future__ import annotations

import dataclasses

from gan_jax.errors import ConfigError
from gan_jax.modality import Modality, of_shape


@dataclasses.dataclass(frozen=True)
class Description:
    """A data set without its examples.

    Attributes:
      name: includes TFDS's configuration (``emnist/letters``).
      version: TFDS's version, or a digest that changes with the content.
      shape: (h, w, c) of every image as stored, where h and w are None if images vary in size; or
        (d,) of every vector.
      num_classes, class_names: 0 and () without labels.
      splits: number of examples per split, empty until the set has been prepared; for a folder,
        number of files per split.
      fit: how images are resized if `Config.fit` is not set.
    """

    name: str
    version: str
    shape: tuple[int, ...]
    num_classes: int
    class_names: tuple[str, ...]
    splits: dict[str, int]
    fit: str = "pad"

    @property
    def modality(self) -> Modality:
        """The modality of the examples, before any padding."""
        return of_shape(self.shape)


def example_dtype(shape: tuple[int, ...]) -> type:
    """How examples of a shape are stored: images (h, w, c) as uint8, vectors (d,) as float32."""
    return of_shape(shape).stored


def check_flip(shape: tuple[int, ...], flip: bool) -> None:
    """Refuses ``flip`` for examples that cannot be mirrored.

    Raises:
      ConfigError: for vectors with ``flip``.
    """
    if flip and not (modality := of_shape(shape)).mirrors:
        raise ConfigError(f"flip {flip} does not apply to {modality}; use False.")
