"""Nearest neighbours by Euclidean distance, on the device, one block of the distance matrix at a
time.

The matrix of all pairs is never stored: 50,000 x 50,000 takes the memory of two blocks. The device
works in float32 around a common centre; the results are recomputed in float64.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics.streaming import FEATURE_BLOCK, block_size, filled
from gan_jax.types import Array

SPARE = 4
"""Additional candidates beyond the ``k`` nearest, as float32 may swap almost equal distances."""
ROUNDING = 4e-6
"""Relative error of squared distances in float32, as a fraction of the squared norms."""


def nearest_neighbours(
    queries: np.ndarray,
    references: np.ndarray,
    k: int,
    block: int = FEATURE_BLOCK,
    *,
    leave_one_out: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` nearest of ``references`` ``[m, ...]`` for each of ``queries`` ``[n, ...]``, any
    real dtype.

    Candidates are found in float32, ``block`` by ``block`` at a time, so references may be large
    and memory-mapped, and are ranked by their distances in float64. Only neighbours whose squared
    distances differ by less than float32 can resolve, 1e-6 of the squared norms, can be confused,
    and only at rank ``k``.

    Args:
      leave_one_out: the queries are the references, and none is its own neighbour.

    Returns:
      Indices ``[n, k]`` int64 and distances ``[n, k]`` float64, nearest first, equally near ones by
      index.

    Raises:
      ValueError: for ``k`` outside 1..m (1..m-1 without oneself).
    """
    most = len(references) - leave_one_out
    if not 1 <= k <= most:
        raise ValueError(f"k must be between 1 and {most}, the number of references, not {k}.")
    kept, found = min(k + SPARE, most), {}
    for i, q, j, r in _blocks(queries, references, block):
        if i not in found:
            found[i] = (
                jnp.full((len(q[0]), kept), jnp.inf),
                jnp.zeros((len(q[0]), kept), jnp.int32),
            )
        found[i] = _nearer(*found[i], q, r, i if leave_one_out else -1, j, kept)
    candidates = np.concatenate([jax.device_get(index) for _, index in found.values()])[
        : len(queries)
    ].astype(np.int64)
    candidates.sort(axis=1)
    distances = _distances(queries, references, candidates)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(candidates, nearest, axis=1), np.take_along_axis(
        distances, nearest, axis=1
    )


def count_within(
    queries: np.ndarray,
    references: np.ndarray,
    radii: np.ndarray | float,
    block: int = FEATURE_BLOCK,
    *,
    leave_one_out: bool = False,
) -> np.ndarray:
    """The number of balls around ``references`` ``[m, f]`` that contain each of ``queries`` ``[n,
    f]``, ``[n]`` int64.

    Args:
      radii: of the balls, ``[m]`` or one for all; the surface belongs to the ball. Decided in
        float32, or in float64 for queries too close to a surface for float32.
      leave_one_out: the queries are the references, and none counts its own ball.
    """
    radii = np.broadcast_to(np.asarray(radii, np.float64), (len(references),))
    found: dict[int, Array] = {}
    for i, q, j, r in _blocks(queries, references, block):
        size = len(r[0])
        squared = jnp.asarray(filled(radii[j : j + size] ** 2, size).astype(np.float32))
        here = _within(q, r, squared, i if leave_one_out else -1, j)
        found[i] = found[i] + here if i in found else here
    counts, unclear = np.concatenate([jax.device_get(part) for part in found.values()], axis=1)[
        :, : len(queries)
    ]
    counts = counts.astype(np.int64)
    for query in np.flatnonzero(unclear):
        apart = references.reshape(len(references), -1) - queries[query].reshape(1, -1).astype(
            np.float64
        )
        counts[query] = (np.sqrt(np.einsum("mf,mf->m", apart, apart)) <= radii).sum()
        counts[query] -= leave_one_out  # its distance to itself is 0
    return counts


# A block: its rows in float32, filled up to one size, their squared norms, and which of them are
# real.
_Rows = tuple[Array, Array, Array]


def _blocks(
    queries: np.ndarray, references: np.ndarray, block: int
) -> Iterator[tuple[int, _Rows, int, _Rows]]:
    """All pairs of blocks: where the queries start, the queries, where the references start, the
    references.
    """
    centre = (
        references[:block].reshape(min(block, len(references)), -1).mean(axis=0, dtype=np.float64)
    )
    size = block_size(len(queries), block)
    on_device = {
        i: _rows(queries[i : i + size], centre, size) for i in range(0, len(queries), size)
    }
    size = block_size(len(references), block)
    for j in range(0, len(references), size):
        r = _rows(references[j : j + size], centre, size)
        for i, q in on_device.items():
            yield i, q, j, r


def _rows(part: np.ndarray, centre: np.ndarray, size: int) -> _Rows:
    rows = (np.asarray(part).reshape(len(part), -1) - centre).astype(np.float32)
    squares = (rows.astype(np.float64) ** 2).sum(axis=1).astype(np.float32)
    real = np.arange(size) < len(part)
    return jnp.asarray(filled(rows, size)), jnp.asarray(filled(squares, size)), jnp.asarray(real)


def _squares(q: _Rows, r: _Rows, i: Array, j: Array) -> Array:
    """Squared distances ``[b, c]``; infinite from what is only filling and, where ``i`` is not
    negative, from oneself.
    """
    squares = q[1][:, None] + r[1][None] - 2 * jnp.matmul(q[0], r[0].T, precision="highest")
    rows, columns = jnp.arange(squares.shape[0]), jnp.arange(squares.shape[1])
    itself = (i >= 0) & ((i + rows)[:, None] == (j + columns)[None])
    return jnp.where(itself | ~r[2][None], jnp.inf, squares)


@functools.partial(jax.jit, static_argnames="kept")
def _nearer(
    nearest: Array, index: Array, q: _Rows, r: _Rows, i: Array, j: Array, kept: int
) -> tuple[Array, Array]:
    """The ``kept`` nearest so far, after another block of references."""
    closest, here = jax.lax.top_k(-_squares(q, r, i, j), min(kept, len(r[0])))
    nearest = jnp.concatenate([nearest, -closest], axis=1)
    index = jnp.concatenate([index, here.astype(jnp.int32) + j], axis=1)
    closest, here = jax.lax.top_k(-nearest, kept)
    return -closest, jnp.take_along_axis(index, here, axis=1)


@jax.jit
def _within(q: _Rows, r: _Rows, squared_radii: Array, i: Array, j: Array) -> Array:
    """Of how many balls each query is inside, and near how many borders, ``[2, b]``."""
    squares = _squares(q, r, i, j)
    unclear = jnp.abs(squares - squared_radii[None]) <= ROUNDING * (q[1][:, None] + r[1][None])
    return jnp.stack(
        [jnp.sum(x, axis=1, dtype=jnp.int32) for x in (squares <= squared_radii[None], unclear)]
    )


def _distances(queries: np.ndarray, references: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Distances in float64 to the candidates ``[n, k]`` of each query."""
    distances = np.empty(candidates.shape)
    queries = queries.reshape(len(queries), -1)
    block = max(1, 2**22 // (queries.shape[1] * candidates.shape[1]))
    for start in range(0, len(queries), block):
        rows = slice(start, start + block)
        near = (
            references[candidates[rows].ravel()]
            .reshape(*candidates[rows].shape, -1)
            .astype(np.float64)
        )
        near -= queries[rows, None]
        distances[rows] = np.sqrt(np.einsum("nkf,nkf->nk", near, near))
    return distances
