"""DCGAN (Radford et al. 2016): strided convolutions of kernel 4, batch normalization, weights from N(0, 0.02)."""

from __future__ import annotations

import functools
from collections.abc import Callable

import flax.linen as nn
import jax

from gan_jax.config import ConfigError
from gan_jax.nn.conditioning import with_labels
from gan_jax.nn.conv import Conv, ConvTranspose
from gan_jax.nn.norms import BatchNorm
from gan_jax.types import Critique

_init = nn.initializers.normal(0.02)
_resample = {"kernel_size": (4, 4), "strides": (2, 2), "padding": "SAME", "kernel_init": _init}


def halvings(shape: tuple[int, ...], base: int) -> int:
    """How often both sides of ``(h, w, c)`` can be halved exactly and stay at least ``base``: 3 for 32x32 and base 4.

    Raises:
      ConfigError: if they cannot be halved once.
    """
    h, w, _ = shape
    n = 0
    while h % 2 ** (n + 1) == 0 and w % 2 ** (n + 1) == 0 and min(h, w) >= base * 2 ** (n + 1):
        n += 1
    if n == 0:
        raise ConfigError(
            f"dcgan: images of {h}x{w} cannot be halved to sides of at least {base}; pad them to another size."
        )
    return n


class Generator(nn.Module):
    """Latents -> dense to the smallest feature map -> transposed convolutions, each doubling the side -> tanh.

    ``width`` channels stand before the image, twice as many at every smaller side.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = 64
    base: int = 4
    norm: Callable[..., nn.Module] = BatchNorm
    axis_name: str | None = None

    @nn.compact
    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        norm = functools.partial(self.norm, axis_name=self.axis_name)
        n = halvings(self.shape, self.base)
        h, w, channels = self.shape
        widths = [self.width * 2**i for i in reversed(range(n))]
        x = nn.Dense((h >> n) * (w >> n) * widths[0], use_bias=False, kernel_init=_init)(
            with_labels(latents, y, self.num_classes)
        )
        x = x.reshape(-1, h >> n, w >> n, widths[0])
        for features in widths[1:]:
            x = nn.relu(norm()(x, train=train))
            x = ConvTranspose(features, use_bias=False, **_resample)(x)
        x = nn.relu(norm()(x, train=train))
        return nn.tanh(ConvTranspose(channels, **_resample)(x))


class Discriminator(nn.Module):
    """Convolutions, each halving the side, with leaky ReLU 0.2; normalized but for the first; the head sees all that is left."""

    head: nn.Module
    width: int = 64
    base: int = 4
    norm: Callable[..., nn.Module] = BatchNorm
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        for i in range(halvings(x.shape[1:], self.base)):
            x = Conv(self.width * 2**i, use_bias=i == 0, **_resample)(x)
            if i:
                x = self.norm(axis_name=self.axis_name)(x, train=train)
            x = nn.leaky_relu(x, 0.2)
        return self.head(x.reshape(x.shape[0], -1), y)
