"""Many samples of a trained GAN, in the form in which data sets store examples, and D's scores of
them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gan_jax.engine.gan import Gan
from gan_jax.engine.trained import discriminate, generate
from gan_jax.errors import ConfigError
from gan_jax.metrics.streaming import stream
from gan_jax.types import GanState, PyTree

SAMPLE_BLOCK = 500
"""Samples generated, or scored by D, at once."""
PATIENCE = 200
"""Draws per image that is kept, on average, after which a filter is taken for too strict."""

Accept = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""A filter: which of samples ``[b, ...]`` with labels ``[b]`` to keep, bool ``[b]``."""


def generated(gan: Gan, state: GanState, latents: PyTree, labels: np.ndarray) -> np.ndarray:
    """The samples ``[n, ...]`` of latents of the GAN's prior and labels ``[n]`` int32, as a data
    set stores such examples: images as uint8, vectors as float32.
    """
    make = lambda z, y: gan.modality.to_stored(generate(gan, state, z, y))
    return stream(make, jax.device_get(latents), labels, block=min(SAMPLE_BLOCK, len(labels)))


def draw(
    gan: Gan,
    state: GanState,
    labels: np.ndarray,
    seed: int,
    *,
    truncation: float | None = None,
    accepts: tuple[Accept, ...] = (),
    progress: Callable[[int], Any] | None = None,
) -> tuple[np.ndarray, int]:
    """Samples of wanted labels: a function of its arguments alone.

    Args:
      gan, state: the generator's moving average draws.
      labels: ``[n]``; those of an unconditional GAN are ignored.
      seed: determines the latents and the filters' chance.
      truncation: of the latents, see `gan_jax.parts.priors`.
      accepts: a sample is kept if all of these keep it; otherwise another one is drawn in its
        place.
      progress: called with the number of samples kept since the last call.

    Returns:
      Samples ``[n, ...]`` as `generated` gives them, and how many were drawn for them.

    Raises:
      ConfigError: if more than `PATIENCE` draws per sample would be needed.
    """
    modality = gan.modality
    labels = np.asarray(labels, np.int32)
    n, block = len(labels), min(SAMPLE_BLOCK, len(labels))
    key, chance = jax.random.key(seed), np.random.default_rng(seed)
    samples = np.empty((n, *modality.shape), modality.stored)
    pending, drawn = np.arange(n), 0
    while len(pending):
        if drawn >= PATIENCE * (n - len(pending) + SAMPLE_BLOCK):
            raise ConfigError(
                f"filters: {drawn:,} draws gave {n - len(pending):,} images; "
                "accepted: filters that keep more."
            )
        places = np.resize(pending[:block], block)
        z = gan.prior.draw(jax.random.fold_in(key, drawn), block, truncation)
        made = modality.to_stored(generate(gan, state, z, labels[places]))
        kept = np.ones(block, bool)
        kept[len(pending) :] = bool(accepts)  # without a filter the filling is no second chance
        for accept in accepts:
            kept &= accept(made, labels[places], chance)
        filled, first = np.unique(places[kept], return_index=True)
        samples[filled] = made[kept][first]
        drawn += block if accepts else len(filled)
        pending = np.setdiff1d(pending, filled, assume_unique=True)
        if progress is not None:
            progress(len(filled))
    return samples, drawn


def discriminator_scores(
    gan: Gan, state: GanState, examples: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """D's scores ``[n]`` of examples ``[n, ...]``, as stored or as networks see them, with labels
    ``[n]``; of a D that gives several scores for an example, their mean.

    A D that normalizes over the batch, or compares its examples, sees `SAMPLE_BLOCK` of them at
    once.
    """
    labels = np.asarray(labels, np.int32)
    score = lambda x, y: discriminate(gan, state, x, y).score.reshape(len(y), -1).mean(axis=1)
    return stream(score, examples, labels, block=min(SAMPLE_BLOCK, len(labels)))
