"""Conditions networks on labels: as an input of G, and through a head of D.

A head is a module ``(features [b, f], y [b] int32) -> Critique``. A label of -1 means no label
and acts as a zero vector.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.types import Critique


def with_condition(latents: jax.Array, y: jax.Array, num_classes: int) -> jax.Array:
    """Latents ``[b, n]`` followed by the one-hot labels, ``[b, n + num_classes]``, or by conditions
    that are vectors of floats ``[b, d]``; unchanged if there are neither.
    """
    if num_classes:
        y = jax.nn.one_hot(y, num_classes)
    elif not jnp.issubdtype(y.dtype, jnp.floating):
        return latents
    return jnp.concatenate([latents, y], axis=-1)


class ClassEmbedding(nn.Module):
    """A vector for each class: ``y [b] -> [b, features]`` float32.

    The parameter is called ``embedding``, by which regularizers of kernels leave it out.
    """

    num_classes: int
    features: int
    init: Callable = nn.initializers.orthogonal()

    @nn.compact
    def __call__(self, y: jax.Array) -> jax.Array:
        table = self.param("embedding", self.init, (self.num_classes, self.features))
        return jax.nn.one_hot(y, self.num_classes) @ table


class UnconditionalHead(nn.Module):
    """The score is linear in the features; labels are not used."""

    @nn.compact
    def __call__(self, features: jax.Array, y: jax.Array) -> Critique:
        return Critique(_scores(features), {"features": features})


class ConcatHead(nn.Module):
    """Features and labels, each mapped to a hidden layer, are concatenated into a joint one (Mirza
    & Osindero 2014, section 4.1).
    """

    num_classes: int
    width: int = 128

    @nn.compact
    def __call__(self, features: jax.Array, y: jax.Array) -> Critique:
        labels = nn.leaky_relu(nn.Dense(self.width)(jax.nn.one_hot(y, self.num_classes)), 0.2)
        joint = nn.Dense(self.width)(jnp.concatenate([features, labels], axis=-1))
        return Critique(_scores(nn.leaky_relu(joint, 0.2)), {"features": features})


class ProjectionHead(nn.Module):
    """``score = psi(h) + <V y, h>`` (Miyato & Koyama 2018, equation 3)."""

    num_classes: int

    @nn.compact
    def __call__(self, features: jax.Array, y: jax.Array) -> Critique:
        embedding = nn.Dense(features.shape[-1], use_bias=False)(
            jax.nn.one_hot(y, self.num_classes)
        )
        return Critique(
            _scores(features) + jnp.sum(embedding * features, axis=-1), {"features": features}
        )


class ClassifierHead(nn.Module):
    """A score and class logits (Odena et al. 2017, section 3)."""

    num_classes: int

    @nn.compact
    def __call__(self, features: jax.Array, y: jax.Array) -> Critique:
        return Critique(
            _scores(features), _classified(nn.Dense(self.num_classes)(features), features)
        )


class SemiSupervisedHead(nn.Module):
    """Class logits only; the score is their log-sum-exp (Salimans et al. 2016, section 5).

    With an additional logit of 0 for "generated", D is a softmax over ``num_classes + 1`` outcomes,
    and this score is the log-odds of "one of the classes": its sigmoid is the probability of
    "real".

    Attributes:
      separate: only the scores of examples without a label, y < 0, have gradients. These are scaled
        so that the mean of losses of scores has the gradient of their mean over such examples: the
        separate unlabelled minibatch of Salimans et al. The values of the scores do not change.
    """

    num_classes: int
    separate: bool = False

    @nn.compact
    def __call__(self, features: jax.Array, y: jax.Array) -> Critique:
        class_logits = nn.Dense(self.num_classes)(features)
        score = jax.nn.logsumexp(class_logits, axis=-1)
        if self.separate:
            unlabelled = (y < 0).astype(score.dtype)
            share = batch_axis.mean(unlabelled.mean())
            constant = jax.lax.stop_gradient(score)
            score = constant + unlabelled / jnp.maximum(share, 1e-6) * (score - constant)
        return Critique(score, _classified(class_logits, features))


class CodesHead(nn.Module):
    """Another head, and a prediction of the codes of the latents from its features, by a hidden
    layer (InfoGAN, Chen et al. 2016, section 5; batch normalization is left out).

    The entry ``codes`` of the critique's extras has ``logits``, ``[b, k]`` for each categorical
    code of ``k`` categories, and ``mean`` and ``log_deviation`` ``[b, continuous]`` of Gaussians.

    Attributes:
      head: the other head, whose extras have ``features [b, f]``.
      categorical: the numbers of categories.
      continuous: the number of continuous codes.
      learned_deviation: the standard deviations are predicted too; otherwise they are 1.
    """

    head: nn.Module
    categorical: tuple[int, ...]
    continuous: int
    learned_deviation: bool = False
    width: int = 128

    @nn.compact
    def __call__(self, features: jax.Array, y: jax.Array) -> Critique:
        critique = self.head(features, y)
        h = nn.Dense(self.width)(critique.extra("features", wanted_by="infogan"))
        sizes = (*self.categorical, self.continuous, self.continuous * self.learned_deviation)
        predicted = nn.Dense(sum(sizes))(nn.leaky_relu(h, 0.1))
        *logits, mean, deviation = jnp.split(predicted, list(itertools.accumulate(sizes[:-1])), 1)
        deviation = deviation if self.learned_deviation else jnp.zeros_like(mean)
        codes = {"logits": tuple(logits), "mean": mean, "log_deviation": deviation}
        return critique._replace(extras=critique.extras | {"codes": codes})


def at_each_place(head: nn.Module, features: jax.Array, y: jax.Array) -> Critique:
    """A head at each of ``n`` places of features ``[b, n, f]``: a score for each, ``[b, n]``. Other
    outputs, such as ``features [b, f]`` and ``class_logits [b, k]``, are means over the places.
    """
    b, n, f = features.shape
    seen = head(features.reshape(b * n, f), jnp.repeat(y, n, axis=0))
    mean = lambda a: a.reshape(b, n, *a.shape[1:]).mean(axis=1)
    return Critique(seen.score.reshape(b, n), jax.tree.map(mean, seen.extras))


def _scores(features: jax.Array) -> jax.Array:
    return nn.Dense(1)(features)[:, 0]


def _classified(class_logits: jax.Array, features: jax.Array) -> dict[str, jax.Array]:
    return {"class_logits": class_logits, "features": features}
