"""The description of a data set."""

from __future__ import annotations

import dataclasses

from gan_jax.errors import ConfigError
from gan_jax.modality import Modality, Sounds, Text, of_shape


@dataclasses.dataclass(frozen=True)
class Counted:
    """What is known of texts, divided into tokens of one unit.

    Attributes:
      tokens: those of the training split, the commonest first; so many as a vocabulary may have.
      different: number of different tokens of the training split.
      longest: most tokens of a text of any split.
      unknown: whether other splits have tokens that the training split lacks.
    """

    tokens: tuple[str, ...]
    different: int
    longest: int
    unknown: bool


@dataclasses.dataclass(frozen=True)
class Description:
    """A data set without its examples.

    Attributes:
      name: includes TFDS's configuration (``emnist/letters``).
      version: TFDS's version, or a digest that changes with the content.
      shape: (h, w, c) of every image as stored, where h and w are None if images vary in size;
        (d,) of every vector; (length, 1) of every sound, where the length is None if it varies;
        () of texts.
      num_classes, class_names: 0 and () without labels.
      splits: number of examples per split, empty until the set has been prepared; for a folder,
        number of files per split.
      fit: how images are resized if `Config.fit` is not set.
      rate: samples per second of sounds, None if it varies; 0 for everything else.
      texts: for each text feature what is known of its texts, for each of
        `gan_jax.vocabulary.UNITS`; empty for everything else.
      field: the text feature that is used if `Config.field` is not set; empty if it must be set.
    """

    name: str
    version: str
    shape: tuple[int, ...]
    num_classes: int
    class_names: tuple[str, ...]
    splits: dict[str, int]
    fit: str = "pad"
    rate: int | None = 0
    texts: dict[str, dict[str, Counted]] = dataclasses.field(default_factory=dict)
    field: str = ""

    @property
    def modality(self) -> Modality:
        """The modality of the examples as stored, before any conversion."""
        if self.texts:
            return Text((None, None))
        return of_shape(self.shape) if self.rate == 0 else Sounds(self.shape, self.rate)

    @classmethod
    def of_json(cls, values: dict) -> Description:
        """The inverse of `dataclasses.asdict`, from JSON."""
        known = lambda own: Counted(**{**own, "tokens": tuple(own["tokens"])})
        texts = {
            field: {unit: known(own) for unit, own in units.items()}
            for field, units in values.get("texts", {}).items()
        }
        lists = {name: tuple(values[name]) for name in ("shape", "class_names")}
        return cls(**{**values, **lists, "texts": texts})


def check_flip(modality: Modality, flip: bool) -> None:
    """Refuses ``flip`` for examples that cannot be mirrored.

    Raises:
      ConfigError: for vectors or sounds with ``flip``.
    """
    if flip and not modality.mirrors:
        raise ConfigError(f"flip {flip} does not apply to {modality}; use False.")
