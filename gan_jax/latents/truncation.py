"""Truncation in ``w``, towards its mean or the centre of a class. For truncation in z, see
`gan_jax.parts.priors`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gan_jax.types import Array


def truncated(w: Array, centre: Array, psi: float | Array, cutoff: int | None = None) -> Array:
    """Moves ``w`` towards a centre: ``centre + psi (w - centre)`` (Karras et al. 2019, "A
    style-based generator architecture for generative adversarial networks", appendix B).

    Args:
      w: ``[n, s]`` or ``[n, layers, s]``.
      centre: ``[s]``, or one for each point, ``[n, s]``: the mean of ``w``, or rows of `centres`.
      psi: the fraction of the distance that remains; 1 changes nothing, 0 returns the centre.
      cutoff: truncate only so many layers, the coarsest first; None truncates all.
    """
    centre = jnp.broadcast_to(centre, (w.shape[0], w.shape[-1]))
    centre = centre.reshape(w.shape[0], *(1,) * (w.ndim - 2), w.shape[-1])
    moved = centre + psi * (w - centre)
    if cutoff is None:
        return moved
    return jnp.where((jnp.arange(w.shape[1]) < cutoff)[None, :, None], moved, w)


def centres(points: Array, labels: Array, num_classes: int) -> Array:
    """The mean of the points of each class, ``[num_classes, ...]``; NaN for a class without points.

    Args:
      points: ``[n, ...]``.
      labels: ``[n]`` int32: the conditions of a conditional GAN, or the classes that a recognizer
        sees in the images of an unconditional one.
    """
    member = jax.nn.one_hot(labels, num_classes, dtype=points.dtype)
    total = jnp.tensordot(member, points, axes=((0,), (0,)))
    return total / member.sum(axis=0).reshape(-1, *(1,) * (points.ndim - 1))
