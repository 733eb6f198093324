"""Regularizers of the player's parameters."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gan_jax.errors import within
from gan_jax.parts.regularizers.making import memoryless
from gan_jax.types import Array, Context


@memoryless
def orthogonal(context: Context, *, diagonal: float = 1.0):
    """``|W^T W - 1|^2``, summed over the player's kernels ``[..., c_out]`` as matrices ``W``, the
    same for each example.

    Brock et al. 2017, "Neural photo editing with introspective adversarial networks", there with
    absolute values. ``diagonal`` is the weight of the diagonal; with 0, columns of any length need
    only be orthogonal (Brock et al. 2019, "Large scale GAN training", equation 3). The kernels are
    the trained ones, before spectral normalization. More columns than rows cannot all be
    orthogonal, so the value of such a kernel stays above 0.
    Parameters called ``embedding``, the vectors of classes, are left out, as in BigGAN.
    """
    within("diagonal", diagonal, "[0, inf)")
    kernels = [
        w.reshape(-1, w.shape[-1])
        for path, w in jax.tree.leaves_with_path(context.params)
        if w.ndim > 1 and getattr(path[-1], "key", None) != "embedding"
    ]
    scores = context.fake_critique.score
    return jnp.broadcast_to(
        sum(_defect(w, diagonal) for w in kernels).astype(scores.dtype), scores.shape
    )


def _defect(w: Array, diagonal: float) -> Array:
    lengths = jnp.sum(jnp.square(w), axis=0)
    if (
        w.shape[0] < w.shape[1]
    ):  # |W^T W| = |W W^T|, which is smaller; no cancellation, as this part cannot vanish
        angles = jnp.sum(jnp.square(_gram(w.T))) - jnp.sum(jnp.square(lengths))
    else:
        angles = jnp.sum(jnp.square(_gram(w) * (1 - jnp.eye(w.shape[1]))))
    return angles + diagonal * jnp.sum(jnp.square(lengths - 1))


def _gram(w: Array) -> Array:
    return jnp.matmul(w.T, w, precision=jax.lax.Precision.HIGHEST)
