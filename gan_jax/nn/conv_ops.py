"""The convolution as a bilinear operation whose derivatives, of any order, are fast wherever they
are computed.

With stride ``s`` and padding ``(lo, hi)`` a convolution is given by the trilinear form ::

    form(x, w, y) = sum over examples n, outputs o and taps t of  x[n, s o + t - lo, :] @ w[t, :, :]
    @ y[n, o, :]

Its derivative by one argument is a bilinear operation of the two others: by ``y`` the convolution,
by ``x`` the transposed convolution, by ``w`` the cotangent of the weights. The derivatives of each
of them are the two others, so that one primitive with three roles is closed under differentiation.

XLA has a fast kernel for each role on GPU and TPU, and there the primitive is the stock operation.
On the CPU it has one for convolutions alone, in the order `NHWC, HWIO -> NHWC`, into which XLA
turns the others in the outermost computation at best, and in no loop or branch: there each role is
written as such convolutions, or as products; large ones of 3x3 in fewer multiplications, see
`gan_jax.nn.winograd`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from gan_jax.nn import winograd

Array = jax.Array
Pads = tuple[tuple[int, int], ...]

ROLES = "xwy"
_SCOPES = {"y": "conv", "x": "conv_transpose", "w": "conv_weights"}  # their names in a profile
MANY = 128  # channels, and
PLACES = 4096
"""Outputs over all examples from which minimal filtering beats a 3x3 convolution on the CPU."""
FEW = 8
"""Channels up to which a product with every tap and a sum of shifted parts beats a convolution on
the CPU.
"""


class Window(NamedTuple):
    """The numbers of a convolution, a tuple for each: one element for every spatial dimension."""

    strides: tuple[int, ...]
    padding: Pads
    sides: tuple[int, ...]  # of x
    taps: tuple[int, ...]  # of w

    @property
    def outputs(self) -> tuple[int, ...]:
        """Sides of y."""
        return tuple((n + sum(p) - k) // s + 1 for s, p, n, k in zip(*self, strict=True))

    @property
    def unit_stride(self) -> bool:
        return set(self.strides) == {1}

    @property
    def pointwise(self) -> bool:
        return self.unit_stride and set(self.taps) == {1} and not any(map(any, self.padding))

    def mirrored(self) -> Window:
        """The window in which x and y exchange their roles, with `_mirror(w)`, at unit stride."""
        padding = tuple(
            (k - 1 - lo, k - 1 - hi) for k, (lo, hi) in zip(self.taps, self.padding, strict=True)
        )
        return Window(self.strides, padding, self.outputs, self.taps)


def conv(
    x: Array, w: Array, strides: Sequence[int], padding: Sequence[tuple[int, int]], groups: int = 1
) -> Array:
    """Correlates ``x [b, *sides, ci]`` with ``w [*taps, ci / groups, co]`` to ``[b, *outputs,
    co]``.

    As `lax.conv_general_dilated` channels last, in one or two spatial dimensions, ``padding``
    before and after each.
    """
    window = Window(tuple(strides), tuple(map(tuple, padding)), x.shape[1:-1], w.shape[:-2])
    return _contract("y", x[None], w[None], window, groups)[0]


def conv_transpose(
    x: Array, w: Array, strides: Sequence[int], padding: Sequence[tuple[int, int]]
) -> Array:
    """Correlates ``x [b, *sides, ci]``, dilated by ``strides``, with ``w [*taps, ci, co]``:
    `lax.conv_transpose`.
    """
    taps = w.shape[:-2]
    sides = tuple(
        (n - 1) * s + sum(p) - k + 2
        for n, s, p, k in zip(x.shape[1:-1], strides, padding, taps, strict=True)
    )
    pads = tuple((k - 1 - lo, k - 1 - hi) for k, (lo, hi) in zip(taps, padding, strict=True))
    window = Window(tuple(strides), pads, sides, taps)
    return _contract("x", _mirror(w)[None], x[None], window, 1)[0]


def _mirror(w: Array) -> Array:
    """``[*taps, ci, co] -> [*taps, co, ci]`` with the taps in opposite order."""
    return jnp.flip(w, range(w.ndim - 2)).swapaxes(-1, -2)


# The primitive. Every operand leads with an axis of independent problems, the members of a vmap,
# and ends with one of channels, in groups. The role says which derivative of the form it is; the
# operands are the two others, in the order of ROLES.

_contract_p = Primitive("gan_jax_conv")


def _contract(role: str, a: Array, b: Array, window: Window, groups: int) -> Array:
    # Under shard_map the operands of an operation vary along the same axes; JAX sees to that for
    # its own alone.
    axes = [jax.typeof(o).mat.varying for o in (a, b)]
    missing = [tuple(axes[1] - axes[0]), tuple(axes[0] - axes[1])]
    a, b = (lax.pcast(o, m, to="varying") if m else o for o, m in zip((a, b), missing, strict=True))
    return _contract_p.bind(a, b, role=role, window=window, groups=groups)


def _others(role: str) -> str:
    return ROLES.replace(role, "")


def _shape(
    role: str, a: Sequence[int], b: Sequence[int], window: Window, groups: int
) -> tuple[int, ...]:
    if role == "y":
        return (*a[:2], *window.outputs, b[-1])
    if role == "x":
        return (*b[:2], *window.sides, a[-2] * groups)
    return (a[0], *window.taps, a[-1] // groups, b[-1])


def _abstract(a, b, *, role, window, groups):
    if a.dtype != b.dtype:
        raise TypeError(f"a convolution takes operands of one type, not {a.dtype} and {b.dtype}.")
    return a.update(shape=_shape(role, a.shape, b.shape, window, groups), weak_type=False)


def _cotangent(operand, ct, a, b, *, role, window, groups):
    """Of one operand (0 or 1), given the cotangent of the result: the derivative of the form by
    that operand.
    """
    known = {role: ct, _others(role)[1 - operand]: (a, b)[1 - operand]}
    wanted = _others(role)[operand]
    return _contract(wanted, *(known[r] for r in _others(wanted)), window, groups)


def _batch(operands, axes, *, role, window, groups):
    alone = {"y": 0, "x": 1}.get(
        role
    )  # the operand that shares its axis of examples with the result
    if alone is not None and axes[1 - alone] is None:
        members = jnp.moveaxis(operands[alone], axes[alone], 1)
        merged = members.reshape(members.shape[0], -1, *members.shape[3:])
        pair = (merged if i == alone else operands[i] for i in range(2))
        y = _contract(role, *pair, window, groups)
        return y.reshape(y.shape[0], *members.shape[1:3], *y.shape[2:]), 1
    size = next(o.shape[axis] for o, axis in zip(operands, axes, strict=True) if axis is not None)
    a, b = (
        jnp.broadcast_to(o, (size, *o.shape)) if axis is None else jnp.moveaxis(o, axis, 0)
        for o, axis in zip(operands, axes, strict=True)
    )
    y = _contract(role, a.reshape(-1, *a.shape[2:]), b.reshape(-1, *b.shape[2:]), window, groups)
    return y.reshape(size, -1, *y.shape[1:]), 0


def _stock(a, b, *, role, window, groups):
    dims = "HW"[: len(window.taps)]
    order = (f"N{dims}C", f"{dims}IO", f"N{dims}C")
    forward = lambda x, w: lax.conv_general_dilated(
        x, w, window.strides, window.padding, dimension_numbers=order, feature_group_count=groups
    )

    def one(a, b):
        if role == "y":
            return forward(a, b)
        result = jax.ShapeDtypeStruct(
            _shape(role, (1, *a.shape), (1, *b.shape), window, groups)[1:], a.dtype
        )
        linear = (lambda x: forward(x, a)) if role == "x" else (lambda w: forward(a, w))
        return jax.linear_transpose(linear, result)(b)[0]

    with jax.named_scope(_SCOPES[role]):
        return one(a[0], b[0])[None] if a.shape[0] == 1 else jax.vmap(one)(a, b)


def _on_cpu(a, b, *, role, window, groups):
    """Two-dimensional, in float32 at least, one problem and one group after the other."""
    if len(window.taps) == 1:
        rows = Window((1,), ((0, 0),), (1,), (1,))
        axes = {r: 1 if r == "w" else 2 for r in ROLES}
        a, b = (jnp.expand_dims(o, axes[r]) for o, r in zip((a, b), _others(role), strict=True))
        flat = Window(*(row + own for row, own in zip(rows, window, strict=True)))
        return _on_cpu(a, b, role=role, window=flat, groups=groups).squeeze(axes[role])
    wide = jnp.promote_types(a.dtype, jnp.float32)
    group = lambda a, b: _CPU[role](a.astype(wide), b.astype(wide), window).astype(a.dtype)
    one = lambda a, b: _in_groups(group, a, b, groups)
    with jax.named_scope(_SCOPES[role]):
        return one(a[0], b[0])[None] if a.shape[0] == 1 else lax.map(lambda ab: one(*ab), (a, b))


def _in_groups(group, a: Array, b: Array, groups: int) -> Array:
    """``group`` of each group of channels, whose results are written side by side: to move the
    groups to the front would copy all maps, which takes longer than many a convolution.
    """
    if groups == 1:
        return group(a, b)

    def part(i: Array) -> Array:
        own = lambda o: lax.dynamic_slice_in_dim(o, i * (n := o.shape[-1] // groups), n, o.ndim - 1)
        return group(own(a), own(b))

    shape = jax.eval_shape(part, 0)
    c = shape.shape[-1]
    write = lambda i, y: lax.dynamic_update_slice_in_dim(y, part(i), i * c, y.ndim - 1)
    return lax.fori_loop(0, groups, write, jnp.empty((*shape.shape[:-1], groups * c), shape.dtype))


_contract_p.def_impl(jax.jit(_contract_p.bind, static_argnames=("role", "window", "groups")))
_contract_p.def_abstract_eval(_abstract)
ad.defbilinear(_contract_p, partial(_cotangent, 0), partial(_cotangent, 1))
batching.primitive_batchers[_contract_p] = _batch
mlir.register_lowering(_contract_p, mlir.lower_fun(_stock, multiple_results=False))
mlir.register_lowering(_contract_p, mlir.lower_fun(_on_cpu, multiple_results=False), platform="cpu")


# The roles on the CPU, for x [n, h, w, ci], w [k, l, ci, co] and y [n, i, j, co].

_ORDER = ("NHWC", "HWIO", "NHWC")


def _convolution(x: Array, w: Array, window: Window) -> Array:
    if window.pointwise:
        return jnp.einsum("nhwi,io->nhwo", x, w[0, 0])
    if window.unit_stride and w.shape[-1] <= FEW:
        return _by_columns(_mirror(w), x, window.mirrored())
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
        return _convolution(y, _mirror(w), window.mirrored())
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
        return _mirror(_weight_cotangent(y, x, window.mirrored()))
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


_CPU = {"y": _convolution, "x": _input_cotangent, "w": _weight_cotangent}


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
        kernel = _mirror(
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
    added.
    """
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
