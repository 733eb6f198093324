"""What a data set is, without its examples."""

from __future__ import annotations

import dataclasses

from gan_jax.errors import ConfigError
from gan_jax.modality import Modality, of_shape


@dataclasses.dataclass(frozen=True)
class Description:
    """A data set without its examples.

    Attributes:
      name: includes TFDS's configuration (``emnist/letters``).
      version: of TFDS; otherwise a digest that changes with the content.
      shape: (h, w, c) of every image as stored, h and w None where images vary in size; or (d,) of
        every vector.
      num_classes, class_names: 0 and () where it is unlabelled.
      splits: examples by split, empty until the set has been prepared; files by split of a folder.
      fit: how its images are brought to a size where `Config.fit` does not say.
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
        """What its examples are, before any padding."""
        return of_shape(self.shape)


def example_dtype(shape: tuple[int, ...]) -> type:
    """How examples of a shape are stored: images (h, w, c) as uint8, vectors (d,) as float32."""
    return of_shape(shape).stored


def check_flip(shape: tuple[int, ...], flip: bool) -> None:
    """Refuses to mirror what has no sides.

    Raises:
      ConfigError: for vectors with ``flip``.
    """
    if flip and not (modality := of_shape(shape)).mirrors:
        raise ConfigError(f"flip: {flip} cannot be had of {modality}; accepted: False.")
