"""What the examples of a GAN are paired with: the conditions of both players, made from what is
read.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.data import Description
from gan_jax.data.captions import Language, language_of
from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError, has_option, one_of
from gan_jax.modality import Images, Modality, Tokens
from gan_jax.parts.pairs import rules
from gan_jax.types import Array, Batch, Frozen

Prepare = Callable[[Batch, Mapping[str, Callable], Array], Batch]


@dataclasses.dataclass(frozen=True)
class Pairing:
    """How conditions are made.

    Attributes:
      condition: the kind of the conditions, as networks see them; None: class labels.
      prepare: as `gan_jax.engine.gan.Gan.prepare`; None: the labels that were read.
      frozen: the networks that ``prepare`` needs.
      fields: the fields of both networks that the conditions determine.
    """

    condition: Modality | None = None
    prepare: Prepare | None = None
    frozen: tuple[Frozen, ...] = ()
    fields: tuple[tuple[str, Any], ...] = ()


@dataclasses.dataclass(frozen=True)
class OfImages:
    """The condition of an image ``x [b, h, w, c]`` is ``rule(x, **options)``, an image too; also of
    a key if the rule is ``random``.
    """

    rule: Callable[..., Array]
    options: tuple[tuple[str, Any], ...] = ()
    random: bool = False

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        own = {"key": key} if self.random else {}
        return batch._replace(y=self.rule(batch.x, **dict(self.options), **own))


class MaskedImages(Images):
    """Images with a last channel that is 1 where they are hidden, and -1 elsewhere."""

    def shown(self, x: np.ndarray) -> np.ndarray:
        return super().shown(x[..., :-1])


def edges(modality: Modality, description: Description, amount: float = 0.1) -> Pairing:
    """Lines -> the image. ``amount``: the smallest gradient of a line."""
    return _of_images(modality, OfImages(rules.edges, (("threshold", amount),)))


def grey(modality: Modality, description: Description) -> Pairing:
    """A grey image -> its colours."""
    return _of_images(modality, OfImages(rules.grey))


def downsample(modality: Modality, description: Description, amount: int = 4) -> Pairing:
    """A small image -> the whole one: super-resolution. ``amount``: how many times smaller."""
    return _of_images(modality, OfImages(rules.downsample, (("factor", amount),)))


def mask(modality: Modality, description: Description, amount: float = 0.25) -> Pairing:
    """An image with a hidden square -> the whole one: inpainting. ``amount``: the hidden share of
    the area.
    """
    prepare = OfImages(rules.masked, (("share", amount),), random=True)
    return _of_images(modality, prepare, MaskedImages)


@dataclasses.dataclass(frozen=True)
class InWords:
    """The condition of an example is a caption of its label, in one of the phrasings at random:
    tokens ``[b, length]`` int32.
    """

    language: Language

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        table = jnp.asarray(self.language.table)
        phrasing = batch_axis.draw(jax.random.randint, key, batch.y.shape, 0, table.shape[1])
        return batch._replace(y=table[batch.y, phrasing])


def captions(modality: Modality, description: Description) -> Pairing:
    """A caption -> the image that it describes, see `gan_jax.data.captions`."""
    language = language_of(description)
    words = len(language.words)
    kind = Tokens((language.length,), words)
    return Pairing(kind, InWords(language), fields=(("words", words),))


def _of_images(modality: Modality, prepare: OfImages, kind: type[Images] = Images) -> Pairing:
    if not isinstance(modality, Images):
        raise ConfigError(f"pairs needs images, but the examples are {modality}.")
    x = jax.ShapeDtypeStruct((1, *modality.shape), jnp.float32)
    y = jax.eval_shape(lambda x, key: prepare(Batch(x, None), {}, key).y, x, jax.random.key(0))
    return Pairing(kind(y.shape[1:]), prepare)


PAIRS: dict[str, Callable[..., Pairing]] = {
    "labels": lambda modality, description: Pairing(),
    "edges": edges,
    "grey": grey,
    "downsample": downsample,
    "mask": mask,
    "captions": captions,
}
"""``make(modality of the examples that are read, description of their dataset, **options) ->
Pairing`` by name.
"""


def options_of(name: str) -> dict[str, int | float]:
    """The options of an entry of `PAIRS`, with their defaults."""
    parameters = inspect.signature(PAIRS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in ("modality", "description")}


def pairing(
    name: str, modality: Modality, description: Description, options: Mapping[str, Any]
) -> Pairing:
    """A pairing by its name.

    Args:
      name: an entry of `PAIRS`.
      modality: of the examples that are read.
      description: of their dataset.
      options: arguments of the entry.

    Raises:
      ConfigError: for an unknown name or option, an option that is not accepted, or examples of
        another kind than the rule needs.
    """
    known = options_of(one_of("pairs", name, PAIRS))
    for key in options:
        has_option("pairs", name, key, known)
    return PAIRS[name](modality, description, **options)
