"""Functions of many examples, in blocks of one shape."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import numpy as np

from gan_jax.types import PyTree

FEATURE_BLOCK = 4096
"""Features in a block of a metric that takes many of them on the device."""


def block_size(n: int, most: int = FEATURE_BLOCK) -> int:
    """The size of blocks of ``n`` examples, 1 or more: as few as do not exceed ``most`` examples,
    and of nearly equal size, so that little of the last one is filling.
    """
    return math.ceil(n / math.ceil(n / most))


def filled(rows: np.ndarray, size: int) -> np.ndarray:
    """``rows [n, ...]``, followed by zeros up to ``size`` rows."""
    return np.concatenate([rows, np.zeros((size - len(rows), *rows.shape[1:]), rows.dtype)])


def stream(function: Callable[..., PyTree], *arrays: PyTree, block: int) -> PyTree:
    """``function(*arrays)`` for a function of every example apart, ``block`` examples at a time.

    The last block is filled up with copies of its last example, so that a jitted function is
    compiled once.

    Args:
      function: takes ``[block, ...]`` arrays and returns a pytree of them.
      arrays: pytrees of arrays ``[n, ...]``, ``n`` of 1 or more; memory-mapped ones are read block
        by block.

    Returns:
      The function's pytree with numpy leaves ``[n, ...]``.
    """
    n, parts = len(jax.tree.leaves(arrays)[0]), []
    for start in range(0, n, block):
        index = np.minimum(np.arange(start, start + block), n - 1)
        parts.append(jax.device_get(function(*jax.tree.map(lambda a: a[index], arrays))))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:n], *parts)
