"""3x3 convolutions at unit stride in 2.25 times fewer multiplications: minimal filtering F(2x2,
3x3).

Winograd 1980; Lavin & Gray 2016, section 4.1. Two outputs of three taps take four products instead
of six, ``y = A'[(G w) * (B' x)]``; in two dimensions two by two outputs take 16 instead of 36. What
is summed over channels are these products, so that each of the 16 is one matrix product over all
tiles of two by two outputs. The coefficients are 0, 1, -1 and 1/2: rounding stays that of float32.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Array = jax.Array
Pads = Sequence[tuple[int, int]]

INPUT = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))  # B'
KERNEL = np.array([(1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)], np.float32)  # G
OUTPUT = ((1, 1, 1, 0), (0, 1, -1, -1))  # A'


def convolve(x: Array, w: Array, padding: Pads) -> Array:
    """Correlates ``x [n, h, w, ci]`` with ``w [3, 3, ci, co]``: ``[n, h + sum(padding[0]) - 2, w +
    sum(padding[1]) - 2, co]``.
    """
    sides = [n + sum(p) - 2 for n, p in zip(x.shape[1:3], padding, strict=True)]
    tiles, part = _inputs(x, sides, padding)
    kernels = jnp.einsum("ak,bl,klio->abio", KERNEL, KERNEL, w)
    products = [[part(a, b) @ kernels[a, b] for b in range(4)] for a in range(4)]
    output = lambda row, column: _sum(row, lambda a: _sum(column, lambda b: products[a][b]))
    y = jnp.stack([jnp.stack([output(row, column) for column in OUTPUT], 1) for row in OUTPUT], 1)
    y = y.reshape(x.shape[0], *tiles, 2, 2, w.shape[-1]).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(x.shape[0], 2 * tiles[0], 2 * tiles[1], -1)[:, : sides[0], : sides[1]]


def weights(x: Array, y: Array, padding: Pads) -> Array:
    """The cotangent ``[3, 3, ci, co]`` of the kernel in `convolve`, given that of its result, ``y
    [n, i, j, co]``.
    """
    tiles, part = _inputs(x, y.shape[1:3], padding)
    y = jnp.pad(
        y, ((0, 0), *((0, 2 * t - n) for t, n in zip(tiles, y.shape[1:3], strict=True)), (0, 0))
    )
    y = y.reshape(y.shape[0], tiles[0], 2, tiles[1], 2, -1)
    columns = list(zip(*OUTPUT, strict=True))
    spread = lambda a, b: _sum(columns[a], lambda i: _sum(columns[b], lambda j: y[:, :, i, :, j]))
    over_tiles = lambda v, u: lax.dot_general(
        v, u.reshape(-1, u.shape[-1]), (((0,), (0,)), ((), ()))
    )
    products = jnp.stack(
        [over_tiles(part(a, b), spread(a, b)) for a, b in itertools.product(range(4), repeat=2)]
    )
    return jnp.einsum(
        "ak,bl,abio->klio", KERNEL, KERNEL, products.reshape(4, 4, *products.shape[1:])
    )


def _inputs(
    x: Array, sides: Sequence[int], padding: Pads
) -> tuple[list[int], Callable[[int, int], Array]]:
    """How many tiles each side has, and a function to ``(B' x B)[a, b]`` of all tiles, ``[n tiles,
    ci]``.
    """
    tiles = [(n + 1) // 2 for n in sides]
    pads = [
        (lo, 2 * t + 2 - n - lo, 0)
        for t, n, (lo, _) in zip(tiles, x.shape[1:3], padding, strict=True)
    ]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *pads, (0, 0, 0)])
    x = x.reshape(x.shape[0], tiles[0] + 1, 2, tiles[1] + 1, 2, x.shape[-1])

    def at(i: int, j: int) -> Array:
        """The input at place (i, j) of every tile, which begins where the one before has its third
        place.
        """
        return x[:, i // 2 : i // 2 + tiles[0], i % 2, j // 2 : j // 2 + tiles[1], j % 2]

    def part(a: int, b: int) -> Array:
        return _sum(INPUT[a], lambda i: _sum(INPUT[b], lambda j: at(i, j))).reshape(-1, x.shape[-1])

    return tiles, part


def _sum(signs: Sequence[int], term: Callable[[int], Array]) -> Array:
    """``sum of signs[i] term(i)`` over those that are not 0."""
    (first, sign), *rest = [(i, sign) for i, sign in enumerate(signs) if sign]
    total = term(first) if sign > 0 else -term(first)
    for i, sign in rest:
        total = total + term(i) if sign > 0 else total - term(i)
    return total
