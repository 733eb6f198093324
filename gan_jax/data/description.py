"""The description of a data set."""

from __future__ import annotations

import dataclasses

from gan_jax.errors import ConfigError
from gan_jax.modality import Modality, Sounds, of_shape


@dataclasses.dataclass(frozen=True)
class Description:
    """A data set without its examples.

    Attributes:
      name: includes TFDS's configuration (``emnist/letters``).
      version: TFDS's version, or a digest that changes with the content.
      shape: (h, w, c) of every image as stored, where h and w are None if images vary in size; or
        (d,) of every vector; or (length, 1) of every sound, where the length is None if it varies.
      num_classes, class_names: 0 and () without labels.
      splits: number of examples per split, empty until the set has been prepared; for a folder,
        number of files per split.
      fit: how images are resized if `Config.fit` is not set.
      rate: samples per second of sounds, None if it varies; 0 for everything else.
    """

    name: str
    version: str
    shape: tuple[int, ...]
    num_classes: int
    class_names: tuple[str, ...]
    splits: dict[str, int]
    fit: str = "pad"
    rate: int | None = 0

    @property
    def modality(self) -> Modality:
        """The modality of the examples as stored, before any conversion."""
        return of_shape(self.shape) if self.rate == 0 else Sounds(self.shape, self.rate)


def check_flip(modality: Modality, flip: bool) -> None:
    """Refuses ``flip`` for examples that cannot be mirrored.

    Raises:
      ConfigError: for vectors or sounds with ``flip``.
    """
    if flip and not modality.mirrors:
        raise ConfigError(f"flip {flip} does not apply to {modality}; use False.")
