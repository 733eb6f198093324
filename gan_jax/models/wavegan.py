"""WaveGAN (Donahue et al. 2019, "Adversarial audio synthesis"): DCGAN in one dimension. Layers have
25 taps and stride 4, weights as Glorot & Bengio 2010 draw them, and by default no normalization.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError
from gan_jax.models.options import DROPOUT, MINIBATCH_STD, NOISE, SPECTRAL, option
from gan_jax.nn.conv import Conv, ConvTranspose
from gan_jax.nn.dense import Dense
from gan_jax.nn.disturbance import Disturbance
from gan_jax.nn.heads import with_condition
from gan_jax.nn.minibatch_std import minibatch_std
from gan_jax.nn.norms import BatchNorm, Identity, InstanceNorm
from gan_jax.nn.spectral import spectral_norm
from gan_jax.types import Critique

TAPS, STRIDE = 25, 4
_WIDTH = "Channels of the layer next to the wave; they double each time the length is divided by 4."
_BASE = "Smallest length of the feature maps."
_NORMS = {"none": Identity, "batch": BatchNorm, "instance": InstanceNorm}
_SHUFFLE = "Steps by which phase shuffle moves the features of a batch, at most; 0: without."
_FILTER = "Taps of a learned filter of the samples; 0: without. The paper uses 512."
_init = nn.initializers.glorot_uniform()
_layer = {
    "kernel_size": TAPS, "strides": STRIDE, "padding": "SAME", "kernel_init": _init,
}  # fmt: skip


class Generator(nn.Module):
    """Latents -> dense to the shortest feature map -> transposed convolutions, each of which makes
    it 4 times as long -> tanh if examples are bounded -> the filter, if there is one.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = option(64, 1, _WIDTH)
    base: int = option(16, 1, _BASE)
    norm: Callable[..., nn.Module] = option(Identity, _NORMS, "Normalization of the layers.")
    post_filter: int = option(0, 0, _FILTER)
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        length, channels = self.shape
        n = quarterings(length, self.base)
        short, widths = length // STRIDE**n, [self.width * 2**i for i in reversed(range(n))]
        x = Dense(short * widths[0], kernel_init=_init, dtype=self.dtype)(
            with_condition(latents, y, self.num_classes)
        )
        x = nn.relu(self.norm(dtype=self.dtype)(x.reshape(-1, short, widths[0]), train=train))
        for features in widths[1:]:
            x = ConvTranspose(features, dtype=self.dtype, **_layer)(x)
            x = nn.relu(self.norm(dtype=self.dtype)(x, train=train))
        x = ConvTranspose(channels, dtype=self.dtype, **_layer)(x).astype(jnp.float32)
        x = nn.tanh(x) if self.bounded else x
        return PostFilter(self.post_filter)(x) if self.post_filter else x


class Discriminator(nn.Module):
    """Convolutions, each of which makes the features 4 times as short, with leaky ReLU 0.2 and,
    after all but the last, phase shuffle. The first is not normalized. The head takes the flattened
    result.
    """

    head: nn.Module
    width: int = option(64, 1, _WIDTH)
    base: int = option(16, 1, _BASE)
    norm: Callable[..., nn.Module] = option(Identity, _NORMS, "Normalization of activations.")
    shuffle: int = option(2, 0, _SHUFFLE)
    spectral: bool = option(False, bool, SPECTRAL)
    minibatch_std: int = option(0, 0, MINIBATCH_STD)
    dropout: float = option(0.0, "[0, 1)", DROPOUT)
    noise: float = option(0.0, "[0, inf)", NOISE)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        normalized = spectral_norm(self.spectral)
        n = quarterings(x.shape[1], self.base)
        for i in range(n):
            x = normalized(Conv(self.width * 2**i, dtype=self.dtype, **_layer))(x)
            if i:
                x = self.norm(dtype=self.dtype)(x, train=train)
            x = Disturbance(self.dropout, self.noise)(nn.leaky_relu(x, 0.2), train=train)
            if self.shuffle and train and i < n - 1:
                x = shuffled(self.make_rng("noise"), x, self.shuffle)
        if self.minibatch_std:
            x = minibatch_std(x, self.minibatch_std)
        return normalized(self.head)(x.reshape(x.shape[0], -1).astype(jnp.float32), y)


class PostFilter(nn.Module):
    """Each channel of ``x [b, n, c]`` convolved with one learned filter, with padding "SAME"; by
    Fourier transforms, which take a hundredth of the time of a convolution on the CPU.
    """

    taps: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param("kernel", _init, (self.taps, 1, 1))
        n = x.shape[1]
        total = n + self.taps - 1
        spectrum = jnp.fft.rfft(jnp.flip(kernel[:, 0]), total, axis=0)[None]
        made = jnp.fft.irfft(jnp.fft.rfft(x, total, axis=1) * spectrum, total, axis=1)
        first = self.taps // 2
        return made[:, first : first + n]


def shuffled(key: jax.Array, x: jax.Array, most: int) -> jax.Array:
    """Phase shuffle: features ``[b, n, c]`` moved by the same random number of steps, at most
    ``most`` each way; what is missing at an end is reflected (section 3.3; one draw for the batch,
    as in the published code).
    """
    if x.shape[1] <= most:
        raise ConfigError(
            f"discriminator.shuffle must be at most {x.shape[1] - 1}, the features' length less 1, "
            f"not {most}."
        )
    padded = jnp.pad(x, ((0, 0), (most, most), (0, 0)), mode="reflect")
    start = jax.random.randint(key, (), 0, 2 * most + 1)
    return jax.lax.dynamic_slice_in_dim(padded, start, x.shape[1], axis=1)


def quarterings(length: int, base: int) -> int:
    """How many times a length can be divided by 4 exactly while at least ``base``: 4 for 4,096 and
    base 16.

    Raises:
      ConfigError: if it cannot be divided once.
    """
    n = 0
    while length % STRIDE ** (n + 1) == 0 and length >= base * STRIDE ** (n + 1):
        n += 1
    if n == 0:
        raise ConfigError(
            f"base {base} does not fit a length of {length} samples, which wavegan divides by 4; "
            "use a length such as 4096 or 16384, or a smaller base."
        )
    return n
