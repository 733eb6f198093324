"""Functions of many examples, in blocks of one shape."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from gan_jax.types import PyTree


def stream(function: Callable[..., PyTree], *arrays: np.ndarray, block: int) -> PyTree:
    """``function(*arrays)`` for a function of every example apart, ``block`` examples at a time.

    The last block is filled up with copies of its last example, so that a jitted function is
    compiled once.

    Args:
      function: takes ``[block, ...]`` arrays and returns a pytree of them.
      arrays: each ``[n, ...]``, ``n`` of 1 or more; memory-mapped ones are read block by block.

    Returns:
      The function's pytree with numpy leaves ``[n, ...]``.
    """
    n, parts = len(arrays[0]), []
    for start in range(0, n, block):
        index = np.minimum(np.arange(start, start + block), n - 1)
        parts.append(jax.device_get(function(*(array[index] for array in arrays))))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:n], *parts)
