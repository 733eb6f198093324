"""The discriminator of Projected GANs (Sauer et al. 2021, "Projected GANs converge faster"):
several small discriminators of the feature maps of a classifier, mixed at random. The classifier is
never trained.

It is made for the loss ``hinge`` without gradient penalties, Adam with ``b1=0`` and ``b2=0.99``,
and ``diffaugment``. The classifier is one of `gan_jax.recognizers` instead of an EfficientNet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError
from gan_jax.models.options import option
from gan_jax.nn.conv import Conv, ConvPool
from gan_jax.nn.heads import ClassEmbedding
from gan_jax.nn.norms import BatchNorm
from gan_jax.nn.spectral import SpectralNorm
from gan_jax.types import Array, Critique, PyTree

FROZEN = "frozen"
"""The collection of everything that is not trained: the classifier and the random projections."""
LARGEST, KERNEL = 8, 4
"""Maps are halved down to at most this side; the sides of the last convolution."""

_RECOGNIZER = "Dataset of the classifier, at the size of the images; empty: the dataset itself."
_NETWORK = "Architecture of the classifier: cnn, resnet or resnet_half."
_TASK = "What the classifier learned: labels, or turns, for which no labels are needed."
_WIDTH = "Channels of the finest map, twice as many at every coarser one; the paper's have 64."


class Classifier(Protocol):
    """A trained network ``(x, *, train)``; ``key`` names its content."""

    network: nn.Module
    variables: PyTree
    key: str


def loaded(options: Mapping[str, Any], trained: Any) -> dict[str, Classifier]:
    """The fields of `Discriminator` that hold a classifier, from the values of its options."""
    names = (options[key] for key in ("recognizer", "network", "task"))
    return {"pretrained": trained.classifier(*names)}


def feature_maps(network: nn.Module, variables: PyTree, x: Array) -> list[Array]:
    """The activations of a convolutional network in evaluation mode, ``[b, h, w, c]`` for each side
    that they have, the largest first: the last input of a convolution that has it, but for the
    image itself.
    """
    found: dict[tuple[int, ...], Array] = {}

    def record(method: Callable, arguments: tuple, options: dict, context: Any) -> Any:
        if isinstance(context.module, (Conv, ConvPool)) and arguments[0] is not x:
            found[arguments[0].shape[1:3]] = arguments[0]
        return method(*arguments, **options)

    with nn.intercept_methods(record):
        network.apply(variables, x, train=False)
    return [found[sides] for sides in sorted(found, reverse=True)]


class Projections(nn.Module):
    """Random projections of feature maps, never trained: each map by a 1x1 convolution (cross-
    channel mixing), then from the coarsest to the finest the sum with the projection before,
    up-sampled, by another one (cross-scale mixing). As in the authors' code, without 3x3
    convolutions.

    Call: maps ``[b, h, w, c]``, the finest first, and the sides of the image, to as many ``[b, h',
    w', c']``. Each has the sides of the next finer map, and the finest one twice its own, at most
    those of the image.
    """

    width: int

    @nn.compact
    def __call__(self, maps: Sequence[Array], largest: tuple[int, ...]) -> list[Array]:
        finest = [
            tuple(min(2 * s, most) for s, most in zip(m.shape[1:3], largest, strict=True))
            for m in maps[:1]
        ]
        sides = finest + [m.shape[1:3] for m in maps[:-1]]
        if not maps or min(map(min, sides)) < KERNEL:
            raise ConfigError(
                "discriminator.network has too small feature maps for projected, which scores maps "
                f"of at least {KERNEL}x{KERNEL}; use another network or larger images."
            )
        widths = [self.width * 2**i for i in range(len(maps))]
        mixed, below = [], 0.0
        for i in reversed(range(len(maps))):
            sum_ = self._projected(f"channels{i}", maps[i], widths[i]) + below
            large = (len(sum_), *sides[i], widths[i])
            large = jax.image.resize(sum_, large, "bilinear")
            below = self._projected(f"scales{i}", large, widths[max(i - 1, 0)])
            mixed.append(below)
        return mixed[::-1]

    def _projected(self, name: str, x: Array, features: int) -> Array:
        """A 1x1 convolution with the initial weights of PyTorch, never trained."""
        bound = 1 / math.sqrt(x.shape[-1])
        shapes = {"kernel": (x.shape[-1], features), "bias": (features,)}

        def drawn() -> dict[str, Array]:
            uniform = lambda shape: jax.random.uniform(
                self.make_rng("params"), shape, minval=-bound, maxval=bound
            )
            return {key: uniform(shape) for key, shape in shapes.items()}

        weights = self.variable(FROZEN, name, drawn).value
        return x @ weights["kernel"] + weights["bias"][None, None, None]


class Discriminator(nn.Module):
    """Feature maps of a classifier -> random projections -> for each a discriminator: convolutions
    of kernel 4 that halve the side, spectral normalization, batch normalization, leaky ReLU 0.2 ->
    the head.

    The classifier and the projections are in the collection `FROZEN`, which no optimizer sees.

    Attributes:
      pretrained: the classifier. Scores in features close to its own flatter a GAN: evaluate with
        another one.
    """

    head: nn.Module
    pretrained: Classifier
    recognizer: str = option("", str, _RECOGNIZER)
    network: str = option("resnet_half", str, _NETWORK)
    task: str = option("turns", str, _TASK)
    width: int = option(64, 1, _WIDTH)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, y: Array, *, train: bool) -> Critique:
        given = lambda: jax.tree.map(jnp.asarray, self.pretrained.variables)
        variables = self.variable(FROZEN, "recognizer", given).value
        maps = feature_maps(self.pretrained.network, variables, x)
        mixed = Projections(self.width, name="projections")(maps, x.shape[1:3])
        seen = tuple(self._halved(i, h.astype(self.dtype), train) for i, h in enumerate(mixed))
        return self.head(seen, y)

    def _halved(self, i: int, h: Array, train: bool) -> Array:
        """The small discriminator of scale ``i``, up to its head."""
        widest, j = 8 * self.width, 0
        while min(h.shape[1:3]) > LARGEST:
            features = min(2 * h.shape[-1], widest)
            conv = Conv(
                features, (4, 4), (2, 2), use_bias=False, dtype=self.dtype, name=f"conv{i}_{j}"
            )
            norm = BatchNorm(dtype=self.dtype, name=f"norm{i}_{j}")
            h = nn.leaky_relu(norm(SpectralNorm(conv)(h), train=train), 0.2)
            j += 1
        return h.astype(jnp.float32)


class Head(nn.Module):
    """Scores ``[b, n]``, all places of all scales side by side: a convolution of kernel 4 with
    spectral normalization; with labels, its 64 maps times an embedding of the label, over 8.

    Call: a sequence of ``[b, h, w, c]``, and labels ``[b]``. The features are the maps' means.
    """

    num_classes: int = 0
    maps: int = 64

    @nn.compact
    def __call__(self, features: Sequence[Array], y: Array) -> Critique:
        scores = [self._scores(i, h, y) for i, h in enumerate(features)]
        means = jnp.concatenate([h.mean((1, 2)) for h in features], axis=1)
        return Critique(jnp.concatenate(scores, axis=1), {"features": means})

    def _scores(self, i: int, h: Array, y: Array) -> Array:
        count = self.maps if self.num_classes else 1
        conv = Conv(count, (KERNEL, KERNEL), padding="VALID", use_bias=False, name=f"scores{i}")
        seen = SpectralNorm(conv)(h)
        if self.num_classes:
            label = ClassEmbedding(self.num_classes, count, name=f"label{i}")(y)
            seen = jnp.sum(seen * label[:, None, None], axis=-1) / math.sqrt(count)
        return seen.reshape(len(h), -1)
