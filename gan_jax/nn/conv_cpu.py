"""The three roles of `gan_jax.nn.conv_ops` on the CPU, for ``x [n, h, w, ci]``, ``w [k, l, ci,
co]`` and ``y [n, i, j, co]``: as convolutions for which XLA has a fast kernel, or as products.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.nn import winograd
from gan_jax.nn.window import Window, mirrored

Array = jax.Array

MANY = 128  # channels, and
PLACES = 4096
"""Outputs over all examples from which minimal filtering beats a 3x3 convolution on the CPU."""
FEW = 8
"""Channels up to which a product with every tap and a sum of shifted parts beats a convolution on
the CPU.
"""
CACHE = 2**22
"""Bytes of a map that one CPU core reads back from its caches, not from memory."""

_ORDER = ("NHWC", "HWIO", "NHWC")


def _convolution(x: Array, w: Array, window: Window) -> Array:
    if window.pointwise:
        return jnp.einsum("nhwi,io->nhwo", x, w[0, 0])
    if window.unit_stride and w.shape[-1] <= FEW:
        return _by_columns(mirrored(w), x, window.mirrored())
    if _minimal(window, *w.shape[-2:], x.shape[0]):
        return winograd.convolve(x, w, window.padding)
    return _correlation(x, w, window.strides, window.padding)


def _correlation(x: Array, w: Array, strides: tuple[int, ...], pads: Sequence) -> Array:
    """XLA's, of ``x`` that is padded beforehand where it is smaller than the kernel: XLA exchanges
    their roles otherwise, and has no fast kernel for that.
    """
    if any(n < k for n, k in zip(x.shape[1:3], w.shape[:2], strict=True)):
        every = ((0, 0, 0), *((lo, hi, 0) for lo, hi in pads), (0, 0, 0))
        x = lax.optimization_barrier(lax.pad(x, jnp.zeros((), x.dtype), every))
        pads = ((0, 0), (0, 0))
    return lax.conv_general_dilated(x, w, strides, pads, dimension_numbers=_ORDER)


def _input_cotangent(w: Array, y: Array, window: Window) -> Array:
    if window.unit_stride:
        return _convolution(y, mirrored(w), window.mirrored())
    return (_by_columns if w.shape[-2] <= FEW else _by_phases)(w, y, window)


def _weight_cotangent(x: Array, y: Array, window: Window) -> Array:
    """Contracts examples and places: channels of x take the place of examples, and examples that of
    channels.
    """
    if window.pointwise:
        rows, columns = (a.reshape(-1, a.shape[-1]) for a in (x, y))  # of more axes: copied first
        return (rows.T @ columns)[None, None]
    if _minimal(window, x.shape[-1], y.shape[-1], x.shape[0]):
        return winograd.weights(x, y, window.padding)
    if window.unit_stride and y.shape[-1] < x.shape[-1]:  # fewer rows, longer columns
        return mirrored(_weight_cotangent(y, x, window.mirrored()))
    pads = [
        (lo, (o - 1) * s + k - n - lo)
        for s, (lo, _), n, k, o in zip(*window, window.outputs, strict=True)
    ]  # inputs after the last window are left out
    x, y = lax.optimization_barrier((x, y))  # not computed while transposing, with strided reads
    x, y = x.transpose(3, 1, 2, 0), y.transpose(1, 2, 0, 3)
    w = lax.conv_general_dilated(
        x, y, (1, 1), pads, rhs_dilation=window.strides, dimension_numbers=_ORDER
    )
    return w.transpose(1, 2, 0, 3)


def _minimal(window: Window, ci: int, co: int, examples: int) -> bool:
    """Whether a convolution is large enough for minimal filtering to save more multiplications than
    it adds memory traffic. A number of examples that is not known, as in a program for batches of
    any size (`jax.export.symbolic_shape`), counts as large.
    """
    square = window.unit_stride and window.taps == (3, 3)
    if not square or min(ci, co) < MANY:
        return False
    return not isinstance(examples, int) or examples * math.prod(window.outputs) >= PLACES


class Phase(NamedTuple):
    """The positions ``i = stride j + offset`` of a side: which outputs and taps have a share in
    them.
    """

    taps: range  # in which the r-th tap meets output j + shift - r
    shift: int
    count: int  # of positions


def _phases(window: Window) -> list[list[Phase]]:
    return [
        [Phase(range((i + lo) % s, k, s), (i + lo) // s, len(range(i, n, s))) for i in range(s)]
        for s, (lo, _), n, k in zip(*window, strict=True)
    ]


def _interleaved(parts, like: Array, channels: int, window: Window) -> Array:
    """``[n, h, w, channels]`` of which ``part(row phase, column phase)`` gives every stride-th row
    and column.

    The parts are written side by side into one array: a sum of dilated ones would be computed anew
    by all that reads it.
    """
    rows, columns = _phases(window)
    most = (rows[0].count, columns[0].count)

    def padded(*phases: Phase) -> Array:
        if not all(phase.taps and phase.count for phase in phases):
            return jnp.zeros((like.shape[0], *most, channels), like.dtype)
        pads = [(0, n - phase.count) for n, phase in zip(most, phases, strict=True)]
        return jnp.pad(parts(*phases), ((0, 0), *pads, (0, 0)))

    x = jnp.stack([jnp.stack([padded(r, c) for c in columns], axis=3) for r in rows], axis=2)
    x = x.reshape(like.shape[0], most[0] * len(rows), most[1] * len(columns), channels)
    return x[:, : window.sides[0], : window.sides[1]]


def _interleaved_sum(parts, like: Array, channels: int, window: Window) -> Array:
    """As `_interleaved`, as a sum of dilated parts, which is faster where a part is a sum and has
    few channels.
    """
    zero = jnp.zeros((), like.dtype)
    x = jnp.zeros((like.shape[0], *window.sides, channels), like.dtype)
    for phases in itertools.product(*map(enumerate, _phases(window))):
        if all(phase.taps and phase.count for _, phase in phases):
            part = parts(*(phase for _, phase in phases))
            pads = [
                (i, n - i - (phase.count - 1) * s - 1, s - 1)
                for (i, phase), n, s in zip(phases, window.sides, window.strides, strict=True)
            ]
            x += lax.pad(part, zero, ((0, 0, 0), *pads, (0, 0, 0)))
    return x


def _by_phases(w: Array, y: Array, window: Window) -> Array:
    """The cotangent of x by a convolution for each phase (sub-pixel), with the taps that fall on
    it.
    """

    def part(rows: Phase, columns: Phase) -> Array:
        kernel = mirrored(
            w[rows.taps.start :: rows.taps.step, columns.taps.start :: columns.taps.step]
        )
        pads = [
            (len(phase.taps) - 1 - phase.shift, phase.count + phase.shift - o)
            for phase, o in zip((rows, columns), window.outputs, strict=True)
        ]
        return _correlation(y, kernel, (1, 1), pads)

    return _interleaved(part, y, w.shape[2], window)


def _by_columns(w: Array, y: Array, window: Window) -> Array:
    """The cotangent of x by one product with all taps, whose parts are shifted to their places and
    added; for a few examples at a time where the products of all would leave the cache.
    """
    few = _share(y.shape[0], math.prod(y.shape[1:-1]) * math.prod(w.shape[:-1]) * y.dtype.itemsize)
    if few == y.shape[0]:
        return _shifted_sum(w, y, window)
    parts = lax.map(lambda y: _shifted_sum(w, y, window), y.reshape(-1, few, *y.shape[1:]))
    return parts.reshape(-1, *parts.shape[2:])


def _share(examples: int, size: int) -> int:
    """The most examples, of ``size`` bytes each, that the cache holds, as a divisor of all; all
    where their number is not known.
    """
    if not isinstance(examples, int):
        return examples
    fits = [n for n in range(1, examples + 1) if not examples % n and n * size <= CACHE]
    return max(fits, default=1)


def _shifted_sum(w: Array, y: Array, window: Window) -> Array:
    products = jnp.einsum("nijo,klco->nijklc", y, w)

    def part(*phases: Phase) -> Array:
        total = 0.0
        for taps in itertools.product(*(enumerate(phase.taps) for phase in phases)):
            pads = [
                (r - phase.shift, phase.count - r + phase.shift - o, 0)
                for (r, _), phase, o in zip(taps, phases, window.outputs, strict=True)
            ]
            share = products[:, :, :, taps[0][1], taps[1][1]]
            total += lax.pad(share, jnp.zeros((), share.dtype), ((0, 0, 0), *pads, (0, 0, 0)))
        return total

    return _interleaved_sum(part, y, w.shape[2], window)


ROLES = {"x": _input_cotangent, "w": _weight_cotangent, "y": _convolution}
"""A function of the two other operands and the window, by the one that it computes."""
