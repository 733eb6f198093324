"""Nearest neighbours by Euclidean distance."""

from __future__ import annotations

import numpy as np


def nearest_neighbours(
    queries: np.ndarray, references: np.ndarray, k: int, block: int = 4096
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` nearest of ``references`` ``[m, ...]`` for each of ``queries`` ``[n, ...]``, any real dtype.

    Works in float64 through ``block`` references at a time, so references may be memory-mapped and large.

    Returns:
      Indices ``[n, k]`` int64 and distances ``[n, k]`` float64, nearest first.

    Raises:
      ValueError: for ``k`` outside 1..m.
    """
    if not 1 <= k <= len(references):
        raise ValueError(f"k: {k} neighbours of {len(references)} references; accepted: 1 to {len(references)}.")
    queries = queries.reshape(len(queries), -1).astype(np.float64)
    indices = np.empty((len(queries), 0), np.int64)
    squares = np.empty((len(queries), 0))
    for start in range(0, len(references), block):
        part = references[start : start + block].reshape(-1, queries.shape[1]).astype(np.float64)
        found = (queries**2).sum(1)[:, None] - 2 * queries @ part.T + (part**2).sum(1)
        squares = np.concatenate([squares, found], axis=1)
        indices = np.concatenate([indices, np.tile(np.arange(start, start + len(part)), (len(queries), 1))], axis=1)
        nearest = np.argsort(squares, axis=1, kind="stable")[:, :k]
        squares = np.take_along_axis(squares, nearest, axis=1)
        indices = np.take_along_axis(indices, nearest, axis=1)
    return indices, np.sqrt(np.maximum(squares, 0))
