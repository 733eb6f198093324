"""Style mixing: coarse layers of one image, fine layers of another."""

from __future__ import annotations

import jax.numpy as jnp

from gan_jax.types import Array


def mixed(coarse: Array, fine: Array, cutoff: int) -> Array:
    """Every pair of two sets of ``w`` (Karras et al. 2019, "A style-based generator architecture
    for generative adversarial networks", section 3.1).

    Args:
      coarse: ``[r, layers, s]``, the source of the first ``cutoff`` layers.
      fine: ``[c, layers, s]``, the source of the others.
      cutoff: number of layers from ``coarse``.

    Returns:
      ``[r * c, layers, s]``, row by row: all of ``fine`` for the first of ``coarse``.
    """
    layers, size = coarse.shape[1:]
    own = (jnp.arange(layers) < cutoff)[None, None, :, None]
    return jnp.where(own, coarse[:, None], fine[None]).reshape(-1, layers, size)
