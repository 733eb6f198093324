"""HiFi-GAN (Kong et al. 2020, "HiFi-GAN: generative adversarial networks for efficient and high
fidelity speech synthesis"): sounds from log-mel spectrograms, and discriminators of several periods
and scales.

The condition ``y`` is a log-mel spectrogram ``[b, frames, mels]``. The default options are those of
the paper's V1. Its objective: the loss ``least_squares``; for G, the adversarial loss with the
weight 8, which is the number of sub-discriminators, as the engine averages over them and the paper
adds them up, and the terms ``layer_features`` and ``mel`` with the weights 2 and 45; AdamW with
``b1`` 0.8.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import ConfigError
from gan_jax.models.options import option
from gan_jax.nn.conv import Conv, ConvTranspose
from gan_jax.nn.dilated import dilated, folded
from gan_jax.nn.spectral import spectral_norm
from gan_jax.types import Array, Critique, PyTree

_WIDTH = "Channels before the first upsampling; half as many after each."
_UPSAMPLING = "How many times longer each transposed convolution makes a sequence."
_KERNELS = "Kernels of the residual blocks, whose mean is taken after each upsampling."
_DILATIONS = "Dilations of the layers of each residual block; for each kernel, or for all."
_DOUBLE = "Let a convolution without dilation follow each dilated one."
_NORMALIZED = "Weight normalization of all layers (Salimans & Kingma 2016)."
_D_NORMALIZED = f"{_NORMALIZED[:-1]}; spectral normalization of the first scale."
_D_WIDTH = "Channels of the first layer of a period; a quarter of those of a scale."
_PERIODS = "Periods of the multi-period discriminator."
_SCALES = "Sub-discriminators of the multi-scale discriminator, each of half the rate."
_GROUPS = "Most groups of channels of the convolutions of a scale."
SLOPE, LAST_SLOPE = 0.1, 0.01
"""Of leaky ReLU, and before the last convolution of G, as in the authors' code."""
EVENLY = 8
"""How many times longer than the longest scores all are made before they are joined."""


def weight_norm(wanted: bool) -> Callable[[nn.Module], nn.Module]:
    """`nn.WeightNorm`, by output channel, if wanted; otherwise the identity."""
    return nn.WeightNorm if wanted else lambda layer: layer


class Residual(nn.Module):
    """A residual block: for each dilation, a dilated convolution and, if ``double``, a plain one,
    added to ``x [b, n, c]``.
    """

    kernel: int
    dilations: tuple[int, ...]
    double: bool
    normalized: bool
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        norm, taps = weight_norm(self.normalized), (self.kernel, 1)
        layer = lambda x, dilation: dilated(
            norm(Conv(x.shape[-1], taps, dtype=self.dtype)), nn.leaky_relu(x, SLOPE), dilation
        )
        for dilation in self.dilations:
            own = layer(x, dilation)
            x = x + (layer(own, 1) if self.double else own)
        return x


class Generator(nn.Module):
    """A convolution of 7 taps; transposed convolutions, after each of which the mean of residual
    blocks of several kernels is taken (multi-receptive field fusion); a convolution of 7 taps; tanh
    if examples are bounded.

    Latents ``z``, arrays ``[b, n]`` or ``()``, are channels of the spectrogram, each constant. The
    paper has none.

    Raises:
      ConfigError: if the condition is no spectrogram, or the product of ``upsampling`` is not its
        hop; and for a width or dilations that do not fit.
    """

    shape: tuple[int, ...]
    width: int = option(512, 1, _WIDTH)
    upsampling: tuple[int, ...] = option((8, 8, 2, 2), tuple, _UPSAMPLING)
    kernels: tuple[int, ...] = option((3, 7, 11), tuple, _KERNELS)
    dilations: tuple[tuple[int, ...], ...] = option(((1, 3, 5),), list, _DILATIONS)
    double: bool = option(True, bool, _DOUBLE)
    normalized: bool = option(True, bool, _NORMALIZED)
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, z: PyTree, y: Array, *, train: bool) -> Array:
        self._check(y)
        for latents in jax.tree.leaves(z):
            constant = jnp.broadcast_to(latents[:, None], (*y.shape[:2], latents.shape[-1]))
            y = jnp.concatenate([y, constant], axis=-1)
        norm, fields = weight_norm(self.normalized), {"dtype": self.dtype}
        x = norm(Conv(self.width, 7, **fields))(y)
        every = len(self.kernels) if len(self.dilations) == 1 else 1
        blocks = [
            functools.partial(Residual, kernel, own, self.double, self.normalized, self.dtype)
            for kernel, own in zip(self.kernels, self.dilations * every, strict=True)
        ]
        for i, factor in enumerate(self.upsampling):
            features = self.width // 2 ** (i + 1)
            up = ConvTranspose(features, 2 * factor, factor, "SAME", **fields)
            x = norm(up)(nn.leaky_relu(x, SLOPE))
            x = sum(block()(x) for block in blocks) / len(blocks)
        last = Conv(self.shape[-1], 7, **fields)
        x = norm(last)(nn.leaky_relu(x, LAST_SLOPE)).astype(jnp.float32)[:, : self.shape[0]]
        return nn.tanh(x) if self.bounded else x

    def _check(self, y: Any) -> None:
        length, n = self.shape[0], len(self.upsampling)
        if getattr(y, "ndim", 0) != 3 or not jnp.issubdtype(y.dtype, jnp.floating):
            raise ConfigError(
                "conditions must be log-mel spectrograms, floats [b, frames, mels]; use pairs mel."
            )
        made, hop = math.prod(self.upsampling), -(-length // y.shape[1])
        if -(-length // made) != y.shape[1]:
            raise ConfigError(
                f"generator.upsampling {','.join(map(str, self.upsampling))} makes {made} samples "
                f"of a frame, but the hop of pairs is {hop}; their product must equal the hop."
            )
        if self.width % 2**n:
            raise ConfigError(
                f"generator.width must be a multiple of {2**n} for {n} factors of upsampling, not "
                f"{self.width}."
            )
        if len(self.dilations) not in (1, len(self.kernels)):
            raise ConfigError(
                f"generator.dilations must be one list, or one for each of the {len(self.kernels)} "
                f"kernels, not {len(self.dilations)}."
            )
        if even := [kernel for kernel in self.kernels if kernel % 2 == 0]:
            raise ConfigError(f"generator.kernels must be odd, not {even[0]}.")


class Period(nn.Module):
    """Scores ``[b, rows, period]`` of sounds ``[b, n, c]`` folded into rows of ``period`` samples,
    with the features of each layer, the scores included. Convolutions of 5 taps run along the
    columns; all but the last shorten these to a third.
    """

    period: int
    width: int
    widest: int
    normalized: bool
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, list[Array]]:
        norm = weight_norm(self.normalized)
        x, layers = folded(x, self.period, "reflect"), []
        for i, times in enumerate((1, 4, 16, 32, 32)):
            features, stride = min(self.width * times, self.widest), 3 if i < 4 else 1
            layer = Conv(features, (5, 1), (stride, 1), (2, 0), dtype=self.dtype)
            x = nn.leaky_relu(norm(layer)(x), SLOPE)
            layers.append(x)
        x = norm(Conv(1, (3, 1), padding=(1, 0), dtype=self.dtype))(x).astype(jnp.float32)
        return x[..., 0], [*layers, x]


class Scale(nn.Module):
    """Scores ``[b, n / 64]`` of sounds ``[b, n, c]``, with the features of each layer, the scores
    included. ``norm``: of the layers.
    """

    width: int
    widest: int
    groups: int
    norm: Callable[[nn.Module], nn.Module]
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, list[Array]]:
        layers, plan = [], zip(
            (1, 1, 2, 4, 8, 8, 8), (15, 41, 41, 41, 41, 41, 5), (1, 2, 2, 4, 4, 1, 1),
            (1, 4, 16, 16, 16, 16, 1), strict=True,
        )  # fmt: skip
        for times, taps, stride, groups in plan:
            layer = Conv(
                min(self.width * times, self.widest), taps, stride, taps // 2,
                feature_group_count=min(groups, self.groups), dtype=self.dtype,
            )  # fmt: skip
            x = nn.leaky_relu(self.norm(layer)(x), SLOPE)
            layers.append(x)
        x = self.norm(Conv(1, 3, padding=1, dtype=self.dtype))(x).astype(jnp.float32)
        return x[..., 0], [*layers, x]


class Discriminator(nn.Module):
    """The multi-period and the multi-scale discriminator. The first sub-discriminator of a scale
    sees the sound, each other means of 4 samples with stride 2 of what the one before sees. None
    sees the condition.

    Scores are those of `joined`; the extra ``layers`` has the features of all layers for the term
    ``layer_features``.
    """

    width: int = option(32, 1, _D_WIDTH)
    widest: int = option(1024, 1, "Most channels of a layer.")
    periods: tuple[int, ...] = option((2, 3, 5, 7, 11), tuple, _PERIODS)
    scales: int = option(3, 0, _SCALES)
    groups: int = option(16, 1, _GROUPS)
    normalized: bool = option(True, bool, _D_NORMALIZED)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, y: PyTree, *, train: bool) -> Critique:
        found = [
            Period(period, self.width, self.widest, self.normalized, self.dtype)(x)
            for period in self.periods
        ]
        for i in range(self.scales):
            x = nn.avg_pool(x, (4,), (2,), ((2, 2),)) if i else x
            norm = weight_norm(self.normalized) if i else spectral_norm(self.normalized)
            found.append(Scale(4 * self.width, self.widest, self.groups, norm, self.dtype)(x))
        scores, layers = zip(*found, strict=True)
        return Critique(joined(scores), {"layers": layers})


def joined(scores: tuple[Array, ...]) -> Array:
    """The scores ``[b, ...]`` of sub-discriminators as one array ``[b, sub-discriminators, n]``.

    They differ in number, but each sub-discriminator has the same share in the mean of all: its
    scores are repeated to the same length. That is `EVENLY` times that of the longest, so that
    also the shares of its scores differ by at most one part in `EVENLY`.
    """
    flat = [score.reshape(score.shape[0], -1) for score in scores]
    n = EVENLY * max(score.shape[1] for score in flat)
    places = [np.arange(n) * score.shape[1] // n for score in flat]
    return jnp.stack([score[:, own] for score, own in zip(flat, places, strict=True)], axis=1)
