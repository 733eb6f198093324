"""Pairs of a log-mel spectrogram and the sound that it was computed from: those of a vocoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import ClassVar

import flax.linen as nn
import numpy as np

from gan_jax.errors import ConfigError
from gan_jax.modality import Modality, Sounds
from gan_jax.parts.pairs.pairing import NO_VARIABLES, Pairing, Read
from gan_jax.parts.regularizers.sounds import MEL
from gan_jax.sound import spectra
from gan_jax.sound.mel import Mel
from gan_jax.types import Array, Batch, Frozen

FLOOR = 0.01
"""Added to magnitudes before their logarithm: with a window of 256, 76 dB below a sinusoid of full
scale, so that the rounding of 16-bit sounds and digital silence are alike.
"""


@dataclasses.dataclass(frozen=True)
class LogMels(Modality):
    """``[..., frames, mels]`` float32: log-mel spectrograms.

    Attributes:
      mel: what they are computed with.
    """

    mel: Mel

    name: ClassVar[str] = "log-mel spectrograms"
    axes, stored = 2, np.float32


@dataclasses.dataclass(frozen=True)
class OfSounds:
    """The condition of a sound ``[b, length, 1]`` is its log-mel spectrogram."""

    mel: Mel

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        return batch._replace(y=self.mel.of(batch.x[..., 0]))


class Listening(nn.Module):
    """Log-mel spectrograms ``[b, frames, mels]`` of sounds ``[b, length, 1]``; without weights."""

    mel: Mel

    def __call__(self, x: Array) -> Array:
        return self.mel.of(x[..., 0])


def mel(
    read: Read,
    window: int = 256,
    hop: int = 64,
    mels: int = 40,
    low: float = 0.0,
    high: float = 0.0,
    floor: float = FLOOR,
) -> Pairing:
    """A log-mel spectrogram -> the sound. ``window``, ``hop``: samples of a frame, and between two.
    ``mels``: bands. ``low``, ``high``: where they begin and end, in Hz; 0: half of the rate.
    ``floor``: added to magnitudes before the logarithm.
    """
    sounds = read.modality
    if not isinstance(sounds, Sounds):
        raise ConfigError(f"pairs mel needs sounds, but the examples are {sounds}.")
    used = Mel(sounds.rate, window, hop, mels, low, high or sounds.rate / 2, floor)
    used.check("pairs")
    kind = LogMels((spectra.num_frames(sounds.shape[0], hop), mels), used)
    listening = Frozen(MEL, Listening(used), NO_VARIABLES)
    return Pairing(kind, prepare=OfSounds(used), frozen=(listening,))
