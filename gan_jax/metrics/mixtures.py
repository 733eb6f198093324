"""Scores for known modes: modes covered, high-quality samples, and the frequencies of the modes.

Pure functions of jax.numpy without shapes that depend on values, so they work under `jax.jit` and,
for many GANs at once, under `jax.vmap`. The definitions are those of Lin et al. 2018 (PacGAN),
section 4.1, after Srivastava et al. 2017 (VEEGAN).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from gan_jax.data.truths import Truth
from gan_jax.types import Array


class Modes(NamedTuple):
    """The modes of ``n`` samples.

    ``nearest``: ``[n]`` int32 in [0, k). ``good``: ``[n]`` bool, whether the sample is of high
    quality. ``weights``: ``[k]`` float32, the true probabilities of the modes.
    """

    nearest: Array
    good: Array
    weights: Array


def nearest_modes(points: Array, truth: Truth) -> Modes:
    """The mode of the nearest centre of ``points`` ``[n, d]``; good if it is within the truth's
    radius. Non-finite points are not good.
    """
    distances = _distances(points, truth)
    nearest = jnp.argmin(distances, axis=1)
    good = jnp.min(distances, axis=1) <= truth.radius
    return Modes(jnp.asarray(truth.modes)[nearest], good, jnp.asarray(truth.weights))


def mode_logits(points: Array, truth: Truth) -> Array:
    """``[n, k]`` float32: the log-density of each Gaussian of a mixture at ``points`` ``[n, d]``,
    up to a constant.
    """
    return -0.5 * jnp.square(_distances(points, truth) * (3 / truth.radius))


def modes_covered(modes: Modes, least: float = 1) -> Array:
    """How many modes have ``least`` or more good samples nearest to them, ``()`` int32."""
    return jnp.sum(_counts(modes.nearest, modes.good, len(modes.weights)) >= least)


def high_quality_share(modes: Modes) -> Array:
    """The fraction of good samples, ``()`` float32. It is 1 - exp(-9/2) for true Gaussians in the
    plane.
    """
    return jnp.mean(modes.good.astype(jnp.float32))


def mode_divergence(modes: Modes) -> Array:
    """KL(frequencies || weights) of the modes of all samples, in nats, ``()`` float32; about ``(k -
    1) / 2n`` for ``n`` draws from the truth.
    """
    counts = _counts(modes.nearest, jnp.ones_like(modes.good), len(modes.weights))
    shares = counts / len(modes.nearest)
    return jnp.sum(
        jnp.where(shares > 0, shares * jnp.log(jnp.where(shares > 0, shares, 1) / modes.weights), 0)
    )


def mixture_scores(points: Array, truth: Truth, least: float = 1) -> dict[str, Array]:
    """``modes_covered``, ``high_quality_share`` and ``mode_divergence`` of ``points`` ``[n, d]``,
    each ``()``.

    >>> scores = lambda points: mixture_scores(points, TRUTHS["grid25"])
    >>> jax.vmap(scores)(points_of_each_gan)  # [members, n, 2]
    """
    modes = nearest_modes(points, truth)
    return {
        "modes_covered": modes_covered(modes, least),
        "high_quality_share": high_quality_share(modes),
        "mode_divergence": mode_divergence(modes),
    }


def equal_modes(predicted: Array, k: int) -> Modes:
    """Predicted modes ``[n]`` in [0, k) of a truth in which they are equally likely; every sample
    is good.
    """
    predicted = jnp.asarray(predicted, jnp.int32)
    return Modes(predicted, jnp.ones(predicted.shape, bool), jnp.full(k, 1 / k, jnp.float32))


def _distances(points: Array, truth: Truth) -> Array:
    """``[n, m]`` from each point to each centre; by differences, as sums of squares would lose
    small distances in float32.
    """
    offsets = jnp.abs(jnp.asarray(points)[:, None, :] - jnp.asarray(truth.centres)[None, :, :])
    return (
        offsets.max(axis=-1)
        if truth.largest_coordinate
        else jnp.sqrt(jnp.sum(jnp.square(offsets), axis=-1))
    )


def _counts(nearest: Array, counted: Array, k: int) -> Array:
    """How many of the samples that are counted belong to each mode, ``[k]`` float32."""
    return jnp.zeros(k).at[nearest].add(counted.astype(jnp.float32))
