"""Representations of sounds: networks see spectrograms, and samples are sounds nonetheless."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import ConfigError, one_of, within
from gan_jax.modality import Images, Modality, Sounds
from gan_jax.parts.pairs.pairing import Pairing, Read
from gan_jax.sound import phases, spectra
from gan_jax.types import Array

CLIPS = 5_000
"""Clips of the training split, at most, of which statistics are taken."""
DEVIATIONS = 3.0
"""Standard deviations from the mean that networks see as 1; what is further off is clipped."""
BLOCK = 100
"""Spectrograms from which waves are computed at once."""


@dataclasses.dataclass(frozen=True)
class Spectrograms(Images):
    """``[..., frames, bins, 1]`` in [-1, 1]: spectrograms of sounds (Donahue et al. 2019,
    "Adversarial audio synthesis", section 3.2). They are stored as the sounds, ``[..., length, 1]``
    int16.

    A value is the logarithm of a magnitude, less the mean of its frequency in the training split,
    divided by three of its standard deviations, and clipped. The highest frequency is left out.
    Sounds are computed from spectrograms by Griffin-Lim.

    Attributes:
      sounds: what they are spectrograms of.
      window, hop: as for `gan_jax.sound.spectra.stft`.
      floor: added to magnitudes before the logarithm.
      means, deviations: of the logarithms of each frequency, ``bins`` floats.
    """

    sounds: Sounds
    window: int
    hop: int
    floor: float
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    channels: ClassVar[int] = 1

    name, stored = "spectrograms", np.int16
    mirrors = False

    @property
    def represented(self) -> Modality:
        return self.sounds

    def to_network(self, x: Array) -> Array:
        if x.dtype != jnp.int16:
            return super().to_network(x)
        values = self.logarithms(x)
        means, scales = self._normalization(values.ndim)
        return jnp.clip((values - means) / scales, -1, 1)[..., None]

    def logarithms(self, x: Array) -> Array:
        """``[..., frames, bins]`` of stored sounds, not normalized."""
        waves = self.sounds.to_network(x)[..., 0]
        return jnp.log(spectra.magnitudes(waves, self.window, self.hop)[..., :-1] + self.floor)

    def restored(self, x: Array) -> Array:
        """Waves ``[..., length, 1]`` float32."""
        length = self.sounds.shape[0]
        return spectra.griffin_lim(self.magnitudes(x), self.window, self.hop, length)[..., None]

    def magnitudes(self, x: Array) -> Array:
        """``[..., frames, bins + 1]`` of what networks see; 0 for the highest frequency."""
        means, scales = self._normalization(x.ndim - 1)
        found = jnp.maximum(jnp.exp(x[..., 0] * scales + means) - self.floor, 0)
        return jnp.concatenate([found, jnp.zeros_like(found[..., :1])], axis=-1)

    def to_stored(self, x: Array) -> np.ndarray:
        x = np.asarray(x)
        if x.dtype == np.int16:
            return x
        flat = x.reshape(-1, *self.shape)
        waves = np.empty((len(flat), *self.sounds.shape), np.float32)
        for start in range(0, len(flat), BLOCK):
            part = flat[start : start + BLOCK]
            filled = np.pad(part, [(0, BLOCK - len(part)), (0, 0), (0, 0), (0, 0)])
            waves[start : start + BLOCK] = _restored(self, filled)[: len(part)]
        return self.sounds.to_stored(waves.reshape(*x.shape[:-3], *self.sounds.shape))

    def picture(self, samples: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
        return self.sounds.picture(self.to_stored(samples), real)

    def _normalization(self, axes: int) -> tuple[np.ndarray, np.ndarray]:
        """What logarithms are reduced and divided by, along the last of so many axes."""
        row = lambda values: np.array(values, np.float32).reshape((1,) * (axes - 1) + (-1,))
        return row(self.means), DEVIATIONS * row(self.deviations)


class PhasedSpectrograms(Spectrograms):
    """``[..., frames, bins, 2]`` in [-1, 1]: `Spectrograms` with the instantaneous frequencies
    (`gan_jax.sound.phases`) as a second channel. Sounds are computed from both, without
    Griffin-Lim.
    """

    name, channels = "spectrograms with phases", 2

    def to_network(self, x: Array) -> Array:
        if x.dtype != jnp.int16:
            return super().to_network(x)
        waves = self.sounds.to_network(x)[..., 0]
        found = spectra.stft(waves, self.window, self.hop)[..., :-1]
        frequencies = phases.instantaneous_frequencies(found)[..., None]
        return jnp.concatenate([super().to_network(x), frequencies], axis=-1)

    def restored(self, x: Array) -> Array:
        """Waves ``[..., length, 1]`` float32."""
        angles = phases.phases(x[..., 1])
        angles = jnp.concatenate([angles, jnp.zeros_like(angles[..., :1])], axis=-1)
        found = self.magnitudes(x) * jnp.exp(1j * angles)
        return spectra.istft(found, self.window, self.hop, self.sounds.shape[0])[..., None]


PHASES = {"griffin_lim": Spectrograms, "if": PhasedSpectrograms}
"""Where the phases of samples come from: Griffin-Lim, or G, as instantaneous frequencies."""


def spectrogram(
    read: Read,
    window: int = 128,
    hop: int = 64,
    floor: float = spectra.QUIETEST,
    phase: str = "griffin_lim",
) -> Pairing:
    """Sounds as spectrograms, for any network of images. ``window``, ``hop``: samples of a frame,
    and between two. ``floor``: added to magnitudes before the logarithm. ``phase``: one of
    `PHASES`.
    """
    sounds = read.modality
    if not isinstance(sounds, Sounds):
        raise ConfigError(f"pairs spectrogram needs sounds, but the examples are {sounds}.")
    spectra.check_frames("pairs", window, hop)
    within("pairs.floor", floor, "(0, 1]")
    kind = PHASES[one_of("pairs.phase", phase, PHASES)]
    shape = (spectra.num_frames(sounds.shape[0], hop), window // 2, kind.channels)
    unscaled = kind(shape, sounds, window, hop, floor, (), ())
    return Pairing(example=_normalized(unscaled, read.trained.examples(CLIPS)))


def _normalized(kind: Spectrograms, clips: np.ndarray) -> Spectrograms:
    """The spectrograms with the statistics of these clips ``[n, length, 1]``. The deviation of a
    frequency that is silent in all of them is 1.
    """
    sums, count = np.zeros((2, kind.shape[1])), len(clips) * kind.shape[0]
    for start in range(0, len(clips), BLOCK):
        found = np.asarray(kind.logarithms(clips[start : start + BLOCK]), np.float64)
        sums += found.sum(axis=(0, 1)), (found**2).sum(axis=(0, 1))
    means, squares = sums / count
    deviations = np.sqrt(np.maximum(squares - means**2, 0))
    deviations = np.where(deviations > 1e-6, deviations, 1.0)
    return dataclasses.replace(
        kind, means=tuple(means.tolist()), deviations=tuple(deviations.tolist())
    )


@functools.partial(jax.jit, static_argnums=0)
def _restored(kind: Spectrograms, x: Array) -> Array:
    return kind.restored(x)
