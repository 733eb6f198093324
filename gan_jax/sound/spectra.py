"""Short-time spectra of waves ``[..., length]`` float32, their inverse, and mel bands.

A frame is ``window`` samples under a periodic Hann window, and the next one begins ``hop`` samples
later. Silence of ``window - hop`` samples, half of it on each side, is added to a wave, so that it
has ``ceil(length / hop)`` frames and every sample is seen by a frame in which it has weight:
therefore the inverse is exact.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import ConfigError
from gan_jax.types import Array

QUIETEST = 1e-6
"""Added to magnitudes before their logarithm, as in SpecGAN (Donahue et al. 2019)."""
ITERATIONS, MOMENTUM = 32, 0.9
"""Of Griffin-Lim. SpecGAN has 16 iterations without momentum, which leave larger differences."""


def num_frames(length: int, hop: int) -> int:
    """Number of frames of a wave of ``length`` samples."""
    return -(-length // hop)


def check_frames(field: str, window: int, hop: int) -> None:
    """Refuses frames from which a wave cannot be computed.

    Raises:
      ConfigError: for an odd or non-positive window, or frames that overlap by less than a half.
    """
    if window < 2 or window % 2:
        raise ConfigError(f"{field}.window must be a positive even number, not {window}.")
    if not 1 <= hop <= window // 2 or (window - hop) % 2:
        raise ConfigError(
            f"{field}.hop must be an even number from 2 to {window // 2}, half of the window, not "
            f"{hop}."
        )


def stft(x: Array, window: int, hop: int) -> Array:
    """The spectrum of each frame: ``[..., length] -> [..., frames, window // 2 + 1]`` complex64."""
    frames, before = num_frames(x.shape[-1], hop), (window - hop) // 2
    total = (frames - 1) * hop + window
    x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, total - before - x.shape[-1])])
    places = hop * np.arange(frames)[:, None] + np.arange(window)
    return jnp.fft.rfft(x[..., places] * _hann(window, x.ndim + 1))


def istft(spectra: Array, window: int, hop: int, length: int) -> Array:
    """The wave ``[..., length]`` whose frames have such spectra ``[..., frames, window // 2 + 1]``;
    the one nearest to them in the sense of least squares if there is none (Griffin & Lim 1984,
    equation 6).
    """
    pieces = jnp.fft.irfft(spectra, window) * _hann(window, spectra.ndim)
    weights = _overlap_added(jnp.tile(_hann(window, 2) ** 2, (pieces.shape[-2], 1)), hop)
    before = (window - hop) // 2
    kept = slice(before, before + length)
    weights = weights[kept].reshape((1,) * (pieces.ndim - 2) + (-1,))
    return _overlap_added(pieces, hop)[..., kept] / weights


def griffin_lim(
    magnitudes: Array,
    window: int,
    hop: int,
    length: int,
    *,
    iterations: int = ITERATIONS,
    momentum: float = MOMENTUM,
    key: Array | None = None,
) -> Array:
    """A wave ``[..., length]`` whose spectra have nearly these magnitudes (Griffin & Lim 1984): the
    phases of the wave's own spectra replace the assumed ones, again and again.

    Args:
      magnitudes: ``[..., frames, window // 2 + 1]``, not negative.
      window, hop, length: as for `istft`.
      iterations: how often the phases are replaced.
      momentum: that of fast Griffin-Lim (Perraudin et al. 2013); 0: without.
      key: the first phases are uniformly random; None: zero.
    """
    phases = jnp.zeros(magnitudes.shape)
    if key is not None:
        phases = jax.random.uniform(key, magnitudes.shape, maxval=2 * jnp.pi)

    def step(_, carry):
        spectra, last = carry
        made = stft(istft(spectra, window, hop, length), window, hop)
        ahead = made + momentum * (made - last)
        return magnitudes * ahead / jnp.maximum(jnp.abs(ahead), 1e-12), made

    spectra = magnitudes * jnp.exp(1j * phases)
    spectra, _ = jax.lax.fori_loop(0, iterations, step, (spectra, jnp.zeros_like(spectra)))
    return istft(spectra, window, hop, length)


def spectral_convergence(magnitudes: Array, waves: Array, window: int, hop: int) -> Array:
    """How far the magnitudes ``[..., frames, bins]`` are from those of the waves ``[..., length]``,
    relative to their norm: ``[...]``.
    """
    norm = lambda a: jnp.sqrt(jnp.sum(a**2, axis=(-2, -1)))
    return norm(jnp.abs(stft(waves, window, hop)) - magnitudes) / norm(magnitudes)


def mel_filters(rate: int, bins: int, mels: int, low: float, high: float) -> np.ndarray:
    """Triangles over frequency, ``[bins, mels]`` float32: each begins at the middle of the one
    before, has height 1 at its middle and ends at the middle of the next. The middles are evenly
    spaced on the mel scale of HTK, ``2595 log10(1 + f / 700)``.

    Args:
      rate: samples per second.
      bins: frequencies of a spectrum, from 0 to ``rate / 2``.
      mels: number of triangles.
      low, high: in Hz, where the first begins and the last ends.
    """
    to_mel = lambda f: 2595 * np.log10(1 + f / 700)
    places = np.linspace(to_mel(low), to_mel(high), mels + 2)
    middles = 700 * (10 ** (places / 2595) - 1)
    frequencies = np.linspace(0, rate / 2, bins)[:, None]
    rising = (frequencies - middles[:-2]) / (middles[1:-1] - middles[:-2])
    falling = (middles[2:] - frequencies) / (middles[2:] - middles[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def log_mel(
    x: Array,
    rate: int,
    window: int,
    hop: int,
    mels: int,
    low: float,
    high: float,
    floor: float = QUIETEST,
) -> Array:
    """Logarithms of the magnitudes in mel bands, plus ``floor``: ``[..., length] -> [..., frames,
    mels]`` float32; see `stft` and `mel_filters`.
    """
    filters = mel_filters(rate, window // 2 + 1, mels, low, high)
    return jnp.log(magnitudes(x, window, hop) @ filters + floor)


def magnitudes(x: Array, window: int, hop: int) -> Array:
    """Magnitudes of `stft`; their gradient is 0 where they are 0."""
    spectra = stft(x, window, hop)
    power = spectra.real**2 + spectra.imag**2
    return jnp.where(power > 0, jnp.sqrt(jnp.where(power > 0, power, 1)), 0)


def _hann(window: int, axes: int) -> np.ndarray:
    """The periodic Hann window along the last of so many axes, float32."""
    values = np.sin(np.pi * np.arange(window) / window) ** 2
    return values.astype(np.float32).reshape((1,) * (axes - 1) + (-1,))


def _overlap_added(pieces: Array, hop: int) -> Array:
    """The sum ``[..., (frames - 1) * hop + window]`` of frames ``[..., frames, window]``, each of
    which begins ``hop`` after the one before.
    """
    *lead, frames, window = pieces.shape
    parts = num_frames(window, hop)
    pad = lambda a, *sides: jnp.pad(a, [(0, 0)] * len(lead) + list(sides))
    pieces = pad(pieces, (0, 0), (0, parts * hop - window))
    blocks = pieces.reshape(*lead, frames, parts, hop)
    moved = (pad(blocks[..., i, :], (i, parts - 1 - i), (0, 0)) for i in range(parts))
    return sum(moved).reshape(*lead, -1)[..., : (frames - 1) * hop + window]
