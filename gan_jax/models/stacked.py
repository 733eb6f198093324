"""Both levels of a stacked GAN in one game (Huang et al. 2017, "Stacked generative adversarial
networks", section 3.5, joint training): the upper generator makes a hidden layer of a classifier
from a label, and the lower one makes the image from that hidden layer, instead of that of a real
image. Each level has a discriminator.

Examples are ``{"hidden": [b, n], "image": [b, h, w, c]}`` float32, see
`gan_jax.parts.pairs.levels.Levels`.
Latents ``[b, m]`` are divided: the first half is for the upper level.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.models import dcgan, mlp
from gan_jax.models.options import option
from gan_jax.nn.heads import UnconditionalHead
from gan_jax.nn.norms import BiasOnly
from gan_jax.types import Array, Critique, PyTree

_UNITS = "Units per hidden layer of the upper level."
_WIDTH = "Channels next to the image of the lower level, a DCGAN."
_GRADIENT = (
    "Share of the lower level's gradient that reaches the upper generator; the authors have 0 for "
    "MNIST and 0.01 for CIFAR-10."
)


class Generator(nn.Module):
    """An `mlp.Generator` of the hidden layer, and a `dcgan.Generator` of the image on top of it.

    Attributes:
      shape: of the image.
      hidden: number of units of the hidden layer.
    """

    shape: tuple[int, ...]
    hidden: int
    num_classes: int = 0
    units: int = option(256, 1, _UNITS)
    width: int = option(64, 1, _WIDTH)
    gradient: float = option(0.0, "[0, 1]", _GRADIENT)
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: Array, y: Array, *, train: bool) -> PyTree:
        upper = mlp.Generator(
            (self.hidden,), self.num_classes, self.units, bounded=False, dtype=self.dtype
        )
        lower = dcgan.Generator(
            self.shape, width=self.width, bounded=self.bounded, dtype=self.dtype
        )
        half = latents.shape[1] // 2
        hidden = upper(latents[:, :half], y, train=train)
        given = jax.lax.stop_gradient(hidden) * (1 - self.gradient) + hidden * self.gradient
        return {"hidden": hidden, "image": lower(latents[:, half:], given, train=train)}


class Discriminator(nn.Module):
    """An `mlp.Discriminator` of the hidden layer, which looks at labels, and a
    `dcgan.Discriminator` of the image, which does not. Scores are ``[b, 2]``.
    """

    head: nn.Module
    units: int = option(256, 1, _UNITS)
    width: int = option(64, 1, _WIDTH)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: PyTree, y: Array, *, train: bool) -> Critique:
        features = Features()
        upper = mlp.Discriminator(features, self.units, dtype=self.dtype)
        lower = dcgan.Discriminator(features, self.width, norm=BiasOnly, dtype=self.dtype)
        seen = [
            level(x[name], y, train=train).extras["features"]
            for level, name in ((upper, "hidden"), (lower, "image"))
        ]
        return self.head(seen, y)


class Features(nn.Module):
    """A head that returns the features of a discriminator without a score."""

    def __call__(self, features: Array, y: Array) -> Critique:
        return Critique(jnp.zeros(len(features)), {"features": features})


class Heads(nn.Module):
    """The heads of both levels: ``upper`` sees labels. Call: ``(features of both levels, y)``.

    The critique's ``features`` are those of both levels.
    """

    upper: nn.Module

    @nn.compact
    def __call__(self, features: list[Array], y: Array) -> Critique:
        heads = self.upper, UnconditionalHead()
        scores = [head(own, y).score for head, own in zip(heads, features, strict=True)]
        joint = jnp.concatenate(features, axis=1)
        return Critique(jnp.stack(scores, axis=1), {"features": joint})


def with_upper(upper: Callable[[int], nn.Module], num_classes: int) -> Heads:
    """`Heads` whose upper one is ``upper(num_classes)``."""
    return Heads(upper(num_classes))
