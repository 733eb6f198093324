"""Draws many samples of a trained GAN in the form in which datasets store examples, and scores them
with D.
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
"""Samples that are generated, or scored by D, per call."""
PATIENCE = 200
"""Average number of draws per kept image above which a filter counts as too strict."""

Accept = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""A filter: maps samples ``[b, ...]`` and labels ``[b]`` to the ones to keep, bool ``[b]``."""


def generated(gan: Gan, state: GanState, latents: PyTree, y: PyTree) -> np.ndarray:
    """Generates samples ``[n, ...]`` from latents of the GAN's prior and conditions ``[n, ...]``,
    such as labels int32, in the form that datasets store: images as uint8, vectors as float32.
    """
    make = lambda z, y: gan.modality.to_stored(generate(gan, state, z, y))
    return stream(make, jax.device_get(latents), y, block=min(SAMPLE_BLOCK, _count(y)))


def _count(y: PyTree) -> int:
    return len(jax.tree.leaves(y)[0])


def draw(
    gan: Gan,
    state: GanState,
    labels: np.ndarray,
    seed: int,
    *,
    y: PyTree | None = None,
    truncation: float | None = None,
    accepts: tuple[Accept, ...] = (),
    progress: Callable[[int], Any] | None = None,
) -> tuple[np.ndarray, int]:
    """Draws samples of given labels or other conditions, deterministically.

    Args:
      gan, state: the GAN and its state; samples come from the EMA of the generator.
      labels: ``[n]``; ignored by an unconditional GAN.
      seed: determines the latents and the random choices of the filters.
      y: the conditions ``[n, ...]`` of a GAN whose conditions are not labels; None: the labels.
      truncation: truncation of the latents, see `gan_jax.parts.priors`.
      accepts: filters. A sample is kept if all of them keep it; otherwise it is replaced by another
        draw.
      progress: called with the number of samples kept since the last call.

    Returns:
      Samples ``[n, ...]`` as returned by `generated`, and the number of draws.

    Raises:
      ConfigError: if more than `PATIENCE` draws per sample would be needed.
    """
    modality = gan.modality
    labels = np.asarray(labels, np.int32)
    y = labels if y is None else y
    n, block = len(labels), min(SAMPLE_BLOCK, len(labels))
    key, chance = jax.random.key(seed), np.random.default_rng(seed)
    samples = np.empty((n, *modality.stored_shape), modality.stored)
    pending, drawn = np.arange(n), 0
    while len(pending):
        if drawn >= PATIENCE * (n - len(pending) + SAMPLE_BLOCK):
            raise ConfigError(
                f"filters are too strict: only {n - len(pending):,} of {drawn:,} images were kept; "
                "relax them."
            )
        places = np.resize(pending[:block], block)
        z = gan.prior.draw(jax.random.fold_in(key, drawn), block, truncation)
        own = jax.tree.map(lambda leaf: leaf[places], y)
        made = modality.to_stored(generate(gan, state, z, own))
        kept = np.ones(block, bool)
        kept[len(pending) :] = bool(accepts)  # without filters, the padding needs no second draw
        for accept in accepts:
            kept &= accept(made, labels[places], chance)
        filled, first = np.unique(places[kept], return_index=True)
        samples[filled] = made[kept][first]
        drawn += block if accepts else len(filled)
        pending = np.setdiff1d(pending, filled, assume_unique=True)
        if progress is not None:
            progress(len(filled))
    return samples, drawn


def discriminator_scores(gan: Gan, state: GanState, examples: np.ndarray, y: PyTree) -> np.ndarray:
    """D's scores ``[n]`` of examples ``[n, ...]``, as stored or as networks see them, with
    conditions ``[n, ...]``; the mean score if D returns several scores per example.

    A D that normalizes over the batch, or compares its examples, sees `SAMPLE_BLOCK` of them per
    call.
    """
    score = lambda x, y: discriminate(gan, state, x, y).score.reshape(len(x), -1).mean(axis=1)
    return stream(score, examples, y, block=min(SAMPLE_BLOCK, len(examples)))
