"""DCGAN (Radford et al. 2016): strided convolutions of kernel 4, batch normalization, weights from
N(0, 0.02).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.models.options import DROPOUT, MINIBATCH_STD, NOISE, SPECTRAL, option
from gan_jax.models.sides import halvings
from gan_jax.nn.conv import Conv, ConvTranspose
from gan_jax.nn.disturbance import Disturbance
from gan_jax.nn.heads import with_condition
from gan_jax.nn.minibatch_std import minibatch_std
from gan_jax.nn.norms import NORMS, BatchNorm
from gan_jax.nn.spectral import spectral_norm
from gan_jax.types import Critique

_WIDTH = "Channels of the layer next to the image; they double each time the side halves."
_BASE = "Smallest side of the feature maps."
_init = nn.initializers.normal(0.02)
_resample = {"kernel_size": (4, 4), "strides": (2, 2), "padding": "SAME", "kernel_init": _init}


class Generator(nn.Module):
    """Latents -> dense to the smallest feature map -> transposed convolutions, each doubling the
    side -> tanh if examples are bounded.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = option(64, 1, _WIDTH)
    base: int = option(4, 1, _BASE)
    norm: Callable[..., nn.Module] = option(BatchNorm, NORMS, "Normalization of the layers.")
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        norm = functools.partial(self.norm, dtype=self.dtype)
        n = halvings(self.shape, self.base)
        h, w, channels = self.shape
        widths = [self.width * 2**i for i in reversed(range(n))]
        x = nn.Dense(
            (h >> n) * (w >> n) * widths[0], use_bias=False, kernel_init=_init, dtype=self.dtype
        )(with_condition(latents, y, self.num_classes))
        x = x.reshape(-1, h >> n, w >> n, widths[0])
        for features in widths[1:]:
            x = nn.relu(norm()(x, train=train))
            x = ConvTranspose(features, use_bias=False, dtype=self.dtype, **_resample)(x)
        x = nn.relu(norm()(x, train=train))
        x = ConvTranspose(channels, dtype=self.dtype, **_resample)(x)
        x = x.astype(jnp.float32)
        return nn.tanh(x) if self.bounded else x


class Discriminator(nn.Module):
    """Convolutions, each halving the side, with leaky ReLU 0.2; all but the first are normalized.
    The head takes the flattened result.
    """

    head: nn.Module
    width: int = option(64, 1, _WIDTH)
    base: int = option(4, 1, _BASE)
    norm: Callable[..., nn.Module] = option(BatchNorm, NORMS, "Normalization of activations.")
    spectral: bool = option(False, bool, SPECTRAL)
    minibatch_std: int = option(0, 0, MINIBATCH_STD)
    dropout: float = option(0.0, "[0, 1)", DROPOUT)
    noise: float = option(0.0, "[0, inf)", NOISE)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        normalized = spectral_norm(self.spectral)
        for i in range(halvings(x.shape[1:], self.base)):
            x = normalized(Conv(self.width * 2**i, use_bias=i == 0, dtype=self.dtype, **_resample))(
                x
            )
            if i:
                x = self.norm(dtype=self.dtype)(x, train=train)
            x = Disturbance(self.dropout, self.noise)(nn.leaky_relu(x, 0.2), train=train)
        if self.minibatch_std:
            x = minibatch_std(x, self.minibatch_std)
        return normalized(self.head)(x.reshape(x.shape[0], -1).astype(jnp.float32), y)
