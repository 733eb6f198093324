"""Numbers that are repeated, with gradients that are summed in float32.

The gradient of what is repeated is a sum, such as that of a bias over all places of a feature map.
XLA may sum bf16 numbers in bf16, which has 8 significant bits: a sum stops growing once its terms
fall below its last bit, after some hundred of them.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def broadcast(a: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """``a`` repeated as by `jnp.broadcast_to`, as ``dtype``.

    Its gradient is summed in float32, or in the type of ``a`` if that is wider.
    """
    wide = a.astype(jnp.promote_types(a.dtype, jnp.float32))
    return jnp.broadcast_to(wide, shape).astype(dtype)


def add_bias(y: jax.Array, bias: jax.Array | None) -> jax.Array:
    """``y [..., c]`` plus ``bias [c]``, in the type of ``y``; without a bias, ``y``."""
    return y if bias is None else y + broadcast(bias, y.shape, y.dtype)
