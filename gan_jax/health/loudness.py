"""How generated sounds compare with real ones before anyone listens: silence, clipping, pitch."""

from __future__ import annotations

import jax.numpy as jnp

from gan_jax.types import Array, Metrics

SILENT = 0.01
"""A sound is silent if its RMS is below this fraction, -40 dB, of the mean RMS of real ones."""
FULL, CLIPPED = 0.99, 0.01
"""A sound is clipped if more than this share of its values has at least this magnitude."""


def loudness(fake: Array, real: Array, rate: int) -> Metrics:
    """Measures of generated sounds beside those of real ones.

    Args:
      fake, real: ``[b, length]`` floats in [-1, 1].
      rate: samples per second.

    Returns:
      Metrics ``()`` float32:

      - ``rms_{real,fake}``: the mean of the sounds' root mean squares; 1 is full scale.
      - ``silent_share``: the fraction of fakes that are silent, see `SILENT`.
      - ``clipped_share_{real,fake}``: the fraction of sounds that are clipped, see `CLIPPED`.
      - ``centroid_{real,fake}``: the mean of the sounds' spectral centroids in Hz: the mean of all
        frequencies, weighted with their magnitudes; of silence it is 0.
    """
    root = lambda x: jnp.sqrt(jnp.mean(jnp.square(x), axis=1))
    metrics = {"silent_share": jnp.mean(root(fake) < SILENT * root(real).mean())}
    for name, x in (("real", real), ("fake", fake)):
        metrics[f"rms_{name}"] = root(x).mean()
        full = jnp.mean(jnp.abs(x) >= FULL, axis=1)
        metrics[f"clipped_share_{name}"] = jnp.mean(full > CLIPPED)
        metrics[f"centroid_{name}"] = _centroids(x, rate).mean()
    return metrics


def _centroids(x: Array, rate: int) -> Array:
    """``[b, length] -> [b]``, in Hz."""
    magnitudes = jnp.abs(jnp.fft.rfft(x))
    frequencies = jnp.linspace(0, rate / 2, magnitudes.shape[1])
    total = jnp.maximum(magnitudes.sum(1), jnp.finfo(jnp.float32).tiny)
    return magnitudes @ frequencies / total
