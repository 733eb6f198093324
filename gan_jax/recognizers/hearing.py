"""Recognizers of sounds: networks of images behind a fixed front end, so that all share one
judge; and random changes of sounds that leave the class what it is.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics.streaming import stream
from gan_jax.modality import seen
from gan_jax.recognizers.augment import noisy
from gan_jax.recognizers.recipes import Augmentation
from gan_jax.sound import spectra
from gan_jax.types import Array

WINDOW_SECONDS, MELS, LOWEST = 0.032, 32, 40.0
"""Of the front end: seconds of a frame, of which half is new in each; mel bands; and where they
begin, in Hz.
"""
BLOCK = 250
"""Sounds that are heard at once."""
LOUD, FLOOR, SCALE = 64.0, 0.01, 4.0
"""The magnitude of a sinusoid of amplitude 1; what is added to magnitudes, 76 dB below, so that
silence and quiet noise are alike; and what logarithms are divided by.
"""


class Hearing(nn.Module):
    """A network of images that sees mel bands of sounds over time.

    Call: ``x [b, length, 1]`` float32 in [-1, 1] ``-> (features, logits)`` as the network.

    Attributes:
      network: module ``(x [b, frames, MELS, 1], *, train) -> (features, logits)``.
      rate: samples per second.
    """

    network: nn.Module
    rate: int

    @property
    def num_classes(self) -> int:
        return self.network.num_classes

    def __call__(self, x: Array, *, train: bool) -> tuple[Array, Array]:
        return self.network(bands(x, self.rate), train=train)


@dataclasses.dataclass(frozen=True, eq=False)
class Bands:
    """Mean and standard deviation over time of each mel band: a feature network of sounds without
    labels, see `gan_jax.recognizers.networks.FeatureNetwork`.
    """

    rate: int

    @property
    def key(self) -> str:
        return f"bands-{self.rate}"

    @property
    def about(self) -> dict[str, Any]:
        return {"network": "mean and deviation of mel bands", "key": self.key}

    def features(self, sounds: np.ndarray) -> tuple[np.ndarray, None]:
        """Features ``[n, 2 * MELS]`` float32 of ``[n, length, 1]``; no logits."""
        return stream(functools.partial(_moments, rate=self.rate), sounds, block=BLOCK), None


def bands(x: Array, rate: int) -> Array:
    """The front end: logarithms of magnitudes in mel bands, ``[b, length, 1] -> [b, frames, MELS,
    1]``, roughly in [-1, 1].
    """
    hop = max(2, 2 * round(WINDOW_SECONDS * rate / 4))
    waves = x[..., 0] * (2 * LOUD / hop)  # a sinusoid of amplitude 1 has the magnitude hop / 2
    found = spectra.log_mel(waves, rate, 2 * hop, hop, MELS, LOWEST, rate / 2, FLOOR)
    return found[..., None] / SCALE


@functools.partial(jax.jit, static_argnames="rate")
def _moments(sounds: Array, rate: int) -> Array:
    found = bands(seen(sounds), rate)[..., 0]
    return jnp.concatenate([found.mean(axis=1), found.std(axis=1)], axis=-1)


def changed(augmentation: Augmentation, key: Array, x: Array) -> Array:
    """``x [b, length, 1]`` float32 in [-1, 1], each sound changed at random."""
    pace_key, delay_key, gain_key, hiss_key = jax.random.split(key, 4)
    x = paced(pace_key, x, augmentation.speed)
    x = delayed(delay_key, x, augmentation.delay)
    x = softened(gain_key, x, augmentation.gain)
    return noisy(hiss_key, x, augmentation.hiss)


def paced(key: Array, x: Array, speed: float) -> Array:
    """Every sound ``[b, n, 1]`` faster or slower by a factor in [1 - speed, 1 + speed], which also
    changes its pitch; samples between two are interpolated linearly, and silence follows a sound
    that ends earlier.
    """
    if not speed:
        return x
    b, n, _ = x.shape
    factors = jax.random.uniform(key, (b, 1), minval=1 - speed, maxval=1 + speed)
    places = factors * jnp.arange(n, dtype=jnp.float32)[None]
    below = places.astype(jnp.int32)
    share = places - below
    padded = jnp.pad(x[..., 0], ((0, 0), (0, 2)))
    at = lambda i: jnp.take_along_axis(padded, jnp.minimum(i, n + 1), axis=1)
    return ((1 - share) * at(below) + share * at(below + 1))[..., None]


def delayed(key: Array, x: Array, delay: float) -> Array:
    """Every sound ``[b, n, 1]`` moved by a random number of samples, at most this share of its
    length each way; what comes in is silent.
    """
    most = round(delay * x.shape[1])
    if not most:
        return x
    padded = jnp.pad(x, ((0, 0), (most, most), (0, 0)))
    starts = jax.random.randint(key, (len(x),), 0, 2 * most + 1)
    cut = lambda sound, start: jax.lax.dynamic_slice(sound, (start, 0), x.shape[1:])
    return jax.vmap(cut)(padded, starts)


def softened(key: Array, x: Array, gain: float) -> Array:
    """Every sound ``[b, n, 1]`` softer by a number of decibels in [0, gain]."""
    if not gain:
        return x
    decibels = jax.random.uniform(key, (len(x), 1, 1), maxval=gain)
    return x * 10 ** (-decibels / 20)
