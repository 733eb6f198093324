"""StyleGAN2 (Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN"), with the
changes of StyleGAN2-ADA (Karras et al. 2020, "Training GANs with limited data").

It is made for the loss ``nonsaturating`` with a lazy ``r1`` and, for G, a lazy ``path_length``.
"""

from __future__ import annotations

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.models.options import MINIBATCH_STD, option
from gan_jax.models.sides import dtype_at, halvings, widths
from gan_jax.nn.equalized import EqualConv, EqualDense
from gan_jax.nn.minibatch_std import minibatch_std
from gan_jax.nn.modulated import BUFFERS, StyleConv, ToImage
from gan_jax.nn.resample import doubled, halved
from gan_jax.types import Critique, Fake

_WIDTH = "Channels next to the image, twice as many at every smaller side."
_WIDEST = "Most channels of a resolution; the paper's networks have 512."
_BASE = "Smallest side of the feature maps."
_FORM = (
    "How resolutions are joined (section 4.1): skip, of images; residual, of features; or plain."
)
_MAPPING_LR = "Factor of the learning rate of the layers of the mapping; the papers' is 0.01."
FORMS = {form: form for form in ("skip", "residual", "plain")}
HALF = math.sqrt(0.5)
KEPT = 0.995
"""Of the mean of w, by a batch."""


class Mapping(nn.Module):
    """Latents and labels, each normalized, -> dense layers: ``([b, n] or None, y [b]) -> [b,
    features]``.

    Attributes:
      lr_multiplier: factor of the learning rate of the layers; the embedding of labels learns at
        the rate itself.
    """

    features: int
    layers: int
    num_classes: int = 0
    lr_multiplier: float = 0.01

    @nn.compact
    def __call__(self, latents: jax.Array | None, y: jax.Array) -> jax.Array:
        parts = [] if latents is None else [_normalized(latents)]
        if self.num_classes:
            embed = EqualDense(self.features, name="embed")
            parts.append(_normalized(embed(jax.nn.one_hot(y, self.num_classes))))
        x = jnp.concatenate(parts, axis=-1)
        for i in range(self.layers):
            dense = EqualDense(self.features, self.lr_multiplier, active=True, name=f"dense{i}")
            x = dense(x)
        return x


class Synthesis(nn.Module):
    """A ``w`` for each layer, ``[b, layers, n]`` -> images: a learned map of the smallest sides,
    then two convolutions a resolution and an image from the last or from each of them.
    """

    shape: tuple[int, ...]
    width: int
    widest: int
    base: int
    form: str
    dtype: Any

    @nn.compact
    def __call__(self, ws: jax.Array) -> jax.Array:
        n = halvings(self.shape, self.base)
        h, w, channels = self.shape
        table = widths(n, self.width, self.widest)
        first = (h >> n, w >> n, table[0])
        x = self.param("constant", nn.initializers.normal(1.0), first)
        x, image = jnp.broadcast_to(x[None], (ws.shape[0], *first)), None
        for i, features in enumerate(table):
            dtype = dtype_at(i, n, self.dtype)
            residual = i > 0 and self.form == "residual"
            gain, before = HALF if residual else 1.0, x.astype(dtype)
            if i:
                x = StyleConv(features, up=True, dtype=dtype, name=f"up{i}")(x, ws[:, 2 * i - 1])
            x = StyleConv(features, gain=gain, dtype=dtype, name=f"conv{i}")(x, ws[:, 2 * i])
            if residual:
                skip = EqualConv(features, 1, active=False, gain=HALF, dtype=dtype, name=f"skip{i}")
                x = x + doubled(skip(before))
            if i == n or self.form == "skip":
                own = ToImage(channels, dtype, name=f"image{i}")(x, ws[:, 2 * i + 1])
                own = own.astype(jnp.promote_types(dtype, jnp.float32))
                image = own if image is None else doubled(image) + own
        return image


class Generator(nn.Module):
    """Latents and labels -> mapping -> ``w`` -> synthesis, with styles mixed in training; without
    tanh, bounded or not.

    ``extras["w"]`` is the ``w`` of every layer, ``[b, layers, style]``: two layers a resolution.
    The statistics hold the mean of ``w``, which moves where training may change it, and the noise
    of sampling without the random stream ``noise``.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = option(32, 1, _WIDTH)
    widest: int = option(64, 1, _WIDEST)
    base: int = option(4, 1, _BASE)
    style: int = option(64, 1, "Length of w; the paper's networks have 512.")
    layers: int = option(2, 1, "Layers of the mapping; the paper's networks have 8.")
    mapping_lr: float = option(0.01, "(0, inf)", _MAPPING_LR)
    mixing: float = option(
        0.9, "[0, 1]", "Probability that some layers take their w from other latents in training."
    )
    form: str = option("skip", FORMS, _FORM)
    bounded: bool = True
    dtype: Any = jnp.float32

    def setup(self) -> None:
        self.to_w = Mapping(self.style, self.layers, self.num_classes, self.mapping_lr)
        self.to_x = Synthesis(self.shape, self.width, self.widest, self.base, self.form, self.dtype)
        self.w_mean = self.variable(BUFFERS, "w_mean", jnp.zeros, (self.style,))

    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> Fake:
        ws = self.mapping(latents, y, train=train)
        return Fake(self.synthesis(ws, y, train=train), extras={"w": ws})

    def mapping(
        self,
        latents: jax.Array,
        y: jax.Array,
        *,
        train: bool,
        truncation: float | jax.Array | None = None,
        cutoff: int | None = None,
    ) -> jax.Array:
        """The ``w`` of every layer, ``[b, layers, style]``.

        Args:
          latents, y, train: as of the network.
          truncation: factor of the distance of ``w`` from its mean; None leaves it where it is.
          cutoff: how many layers are truncated, the smallest sides first; None: all.
        """
        layers = 2 * halvings(self.shape, self.base) + 2
        w = self.to_w(latents, y)
        if train and self.is_mutable_collection(BUFFERS):
            mean = batch_axis.whole(w).mean(axis=0)
            self.w_mean.value = (mean + KEPT * (self.w_mean.value - mean)).astype(mean.dtype)
        ws = jnp.repeat(w[:, None], layers, axis=1)
        if train and self.mixing and self.has_rng("noise"):
            ws = self._mixed(ws, latents, y)
        if truncation is not None:
            cut = jnp.arange(layers) < (layers if cutoff is None else cutoff)
            mean = self.w_mean.value[None, None]
            ws = jnp.where(cut[None, :, None], mean + truncation * (ws - mean), ws)
        return ws

    def synthesis(self, w: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        """Images of ``w``: ``[b, layers, style]``, or ``[b, style]`` for all layers."""
        layers = 2 * halvings(self.shape, self.base) + 2
        return self.to_x(w if w.ndim == 3 else jnp.repeat(w[:, None], layers, axis=1))

    def _mixed(self, ws: jax.Array, latents: jax.Array, y: jax.Array) -> jax.Array:
        """The layers from a random one on have the ``w`` of latents drawn anew from N(0, 1); the
        choice is one for the whole batch, and equal on all devices.
        """
        coin, place, key = jax.random.split(self.make_rng("noise"), 3)
        others = batch_axis.draw(jax.random.normal, key, latents.shape, latents.dtype)
        layers = ws.shape[1]
        first = jax.random.randint(place, (), 1, layers)
        first = jnp.where(jax.random.uniform(coin) < self.mixing, first, layers)
        own = (jnp.arange(layers) < first)[None, :, None]
        return jnp.where(own, ws, self.to_w(others, y)[:, None])


class Discriminator(nn.Module):
    """1x1 -> two convolutions a resolution, of which the second halves the sides -> 3x3 -> dense ->
    head.
    """

    head: nn.Module
    width: int = option(32, 1, _WIDTH)
    widest: int = option(64, 1, _WIDEST)
    base: int = option(4, 1, _BASE)
    form: str = option("residual", FORMS, _FORM)
    minibatch_std: int = option(4, 0, MINIBATCH_STD)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        n = halvings(x.shape[1:], self.base)
        table = widths(n, self.width, self.widest)
        image, h = x, None
        for i in reversed(range(n + 1)):
            dtype = dtype_at(i, n, self.dtype)
            if h is None or self.form == "skip":
                seen = EqualConv(table[i], 1, dtype=dtype, name=f"image{i}")(image)
                h = seen if h is None else h.astype(dtype) + seen
                image = halved(image) if i else image
            if i:
                h = self._halved(h.astype(dtype), i, table[i], table[i - 1], dtype)
        h = h.astype(dtype)
        if self.minibatch_std:
            h = minibatch_std(h, self.minibatch_std, apart=True)
        h = EqualConv(table[0], 3, dtype=dtype, name="last")(h)
        dense = EqualDense(table[0], active=True, name="dense")
        return self.head(dense(h.reshape(h.shape[0], -1)), y)

    def _halved(self, x: jax.Array, i: int, own: int, next: int, dtype: Any) -> jax.Array:
        """The features of the resolution below, in submodules that have the number ``i``."""
        residual = self.form == "residual"
        gain = HALF if residual else 1.0
        h = EqualConv(own, 3, dtype=dtype, name=f"conv{i}")(x)
        h = EqualConv(next, 3, down=True, gain=gain, dtype=dtype, name=f"down{i}")(h)
        if not residual:
            return h
        skip = EqualConv(next, 1, active=False, gain=HALF, dtype=dtype, name=f"skip{i}")
        return h + skip(halved(x))


class Head(nn.Module):
    """The score is linear in the features, or, of a labelled set, their product with a mapping of
    the label, over the root of its length.
    """

    num_classes: int = 0
    layers: int = 8

    @nn.compact
    def __call__(self, features: jax.Array, y: jax.Array) -> Critique:
        size = features.shape[-1] if self.num_classes else 1
        score = EqualDense(size, name="linear")(features)
        if self.num_classes:
            labels = Mapping(size, self.layers, self.num_classes, name="mapping")(None, y)
            score = jnp.sum(score * labels, axis=-1, keepdims=True) / math.sqrt(size)
        return Critique(score[:, 0], {"features": features})


def _normalized(x: jax.Array) -> jax.Array:
    """Each row over the root of its mean square."""
    return x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + 1e-8)
