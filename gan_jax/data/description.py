"""What a data set is, without its examples."""

from __future__ import annotations

import dataclasses

from gan_jax.errors import ConfigError
from gan_jax.modality import Modality, of_shape


@dataclasses.dataclass(frozen=True)
class Description:
    """A data set without its examples.

    ``name`` includes TFDS's configuration (``emnist/letters``); ``shape``: (h, w, c) of every image
    as stored, before any padding, or (d,) of every vector; ``num_classes``: 0 and ``class_names``:
    () where it is unlabelled; ``splits``: examples by split, empty until the set has been prepared.
    """

    name: str
    version: str
    shape: tuple[int, ...]
    num_classes: int
    class_names: tuple[str, ...]
    splits: dict[str, int]

    @property
    def modality(self) -> Modality:
        """What its examples are, before any padding."""
        return of_shape(self.shape)


def example_dtype(shape: tuple[int, ...]) -> type:
    """How examples of a shape are stored: images (h, w, c) as uint8, vectors (d,) as float32."""
    return of_shape(shape).stored


def padded_shape(shape: tuple[int, ...], size: int | None) -> tuple[int, ...]:
    """The shape of examples of ``shape``, (h, w, c) or (d,), once padded to ``size``.

    Raises:
      ConfigError: for a size below the images', or any for vectors.
    """
    return of_shape(shape).padded(size).shape


def check_flip(shape: tuple[int, ...], flip: bool) -> None:
    """Refuses to mirror what has no sides.

    Raises:
      ConfigError: for vectors with ``flip``.
    """
    if flip and not (modality := of_shape(shape)).mirrors:
        raise ConfigError(f"flip: {flip} cannot be had of {modality}; accepted: False.")
