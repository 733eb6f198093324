"""How labels enter a GAN: as an input of G, and through a head of D with the terms it brings.

A head is a module ``(features [b, f], y [b] int32) -> Critique``. A label of -1 means none and acts as a zero vector.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.regularizers import d_classes, g_classes
from gan_jax.types import Critique, Term


def with_labels(latents: jax.Array, y: jax.Array, num_classes: int) -> jax.Array:
    """Latents ``[b, n]`` followed by the one-hot labels: ``[b, n + num_classes]``; unchanged where there are no classes."""
    return jnp.concatenate([latents, jax.nn.one_hot(y, num_classes)], axis=-1) if num_classes else latents


class UnconditionalHead(nn.Module):
    """The score is linear in the features; labels are not looked at."""

    @nn.compact
    def __call__(self, features: jax.Array, y: jax.Array) -> Critique:
        return Critique(_scores(features), features=features)


class ConcatHead(nn.Module):
    """Features and labels, each mapped to a hidden layer, meet in a joint one (Mirza & Osindero 2014, section 4.1)."""

    num_classes: int
    width: int = 128

    @nn.compact
    def __call__(self, features: jax.Array, y: jax.Array) -> Critique:
        labels = nn.leaky_relu(nn.Dense(self.width)(jax.nn.one_hot(y, self.num_classes)), 0.2)
        joint = nn.Dense(self.width)(jnp.concatenate([features, labels], axis=-1))
        return Critique(_scores(nn.leaky_relu(joint, 0.2)), features=features)


class ProjectionHead(nn.Module):
    """``score = psi(h) + <V y, h>`` (Miyato & Koyama 2018, equation 3)."""

    num_classes: int

    @nn.compact
    def __call__(self, features: jax.Array, y: jax.Array) -> Critique:
        embedding = nn.Dense(features.shape[-1], use_bias=False)(jax.nn.one_hot(y, self.num_classes))
        return Critique(_scores(features) + jnp.sum(embedding * features, axis=-1), features=features)


class ClassifierHead(nn.Module):
    """A score and, beside it, class logits (Odena et al. 2017, section 3)."""

    num_classes: int

    @nn.compact
    def __call__(self, features: jax.Array, y: jax.Array) -> Critique:
        return Critique(_scores(features), nn.Dense(self.num_classes)(features), features)


def _scores(features: jax.Array) -> jax.Array:
    return nn.Dense(1)(features)[:, 0]


@dataclasses.dataclass(frozen=True)
class Conditioning:
    """A way of conditioning: ``head(num_classes)`` makes D's head; the terms join the objectives; G sees labels or not."""

    head: Callable[[int], nn.Module]
    labels: bool = True
    d_terms: tuple[Term, ...] = ()
    g_terms: tuple[Term, ...] = ()


CONDITIONINGS = {
    "none": Conditioning(lambda num_classes: UnconditionalHead(), labels=False),
    "concat": Conditioning(ConcatHead),
    "projection": Conditioning(ProjectionHead),
    "acgan": Conditioning(
        ClassifierHead,
        d_terms=(Term("classes", d_classes(), weight=1.0),),
        g_terms=(Term("classes", g_classes(), weight=1.0),),
    ),
}
