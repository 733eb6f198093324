"""Pairs of images: the condition is made from the image by a rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import ConfigError, one_of
from gan_jax.modality import DOMAINS, Domains, ImagePairs, Images
from gan_jax.parts.pairs import rules
from gan_jax.parts.pairs.levels import recognizing
from gan_jax.parts.pairs.pairing import Pairing, Read
from gan_jax.parts.regularizers.levels import CLASSIFIER
from gan_jax.types import Array, Batch


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


def edges(read: Read, amount: float = 0.1) -> Pairing:
    """Lines -> the image. ``amount``: the smallest gradient of a line."""
    return _of_images(read, OfImages(rules.edges, (("threshold", amount),)))


def grey(read: Read) -> Pairing:
    """A grey image -> its colours."""
    return _of_images(read, OfImages(rules.grey))


def downsample(read: Read, amount: int = 4) -> Pairing:
    """A small image -> the whole one: super-resolution. ``amount``: how many times smaller."""
    return _of_images(read, OfImages(rules.downsample, (("factor", amount),)))


def mask(read: Read, amount: float = 0.25) -> Pairing:
    """An image with a hidden square -> the whole one: inpainting. ``amount``: the hidden share of
    the area.
    """
    prepare = OfImages(rules.masked, (("share", amount),), random=True)
    return _of_images(read, prepare, MaskedImages)


@dataclasses.dataclass(frozen=True)
class AsGiven:
    """The condition of an image is the one that was read with it."""

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        target, condition = (batch.x[name] for name in DOMAINS)
        return Batch(target, condition)


def given(read: Read) -> Pairing:
    """An image of a second dataset -> the one of the dataset at the same place."""
    if not isinstance(read.modality, ImagePairs):
        raise ConfigError("pairs given needs a second dataset; set paired to its name or folder.")
    image = read.modality.image
    return Pairing(image, example=image, prepare=AsGiven())


@dataclasses.dataclass(frozen=True)
class OfItself:
    """The condition of an example is the example."""

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        return Batch(batch.x, batch.x)


def domains(read: Read, labelled: str = "", network: str = "resnet_half") -> Pairing:
    """Images of one domain -> of the other, both ways, unpaired. ``labelled``: the domain whose
    labels may be used, a (dataset) or b (unpaired): its classifier is made for the term semantic.
    ``network``: of the classifier.
    """
    if not isinstance(read.modality, Domains):
        raise ConfigError("pairs domains needs a second dataset; set unpaired to its name.")
    frozen = ()
    if labelled:
        datasets = dict(zip(DOMAINS, ("", read.trained.config.unpaired), strict=True))
        own = datasets[one_of("pairs.labelled", labelled, DOMAINS)]
        frozen = (
            recognizing(CLASSIFIER, read.trained.classifier(own, network, "labels"), "logits"),
        )
    return Pairing(read.modality, prepare=OfItself(), frozen=frozen)


def _of_images(read: Read, prepare: OfImages, kind: type[Images] = Images) -> Pairing:
    modality = read.modality
    if not isinstance(modality, Images):
        raise ConfigError(f"pairs needs images, but the examples are {modality}.")
    x = jax.ShapeDtypeStruct((1, *modality.shape), jnp.float32)
    y = jax.eval_shape(lambda x, key: prepare(Batch(x, None), {}, key).y, x, jax.random.key(0))
    return Pairing(kind(y.shape[1:]), prepare=prepare)
