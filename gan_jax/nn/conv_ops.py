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
written as such convolutions, or as products (`gan_jax.nn.conv_cpu`), large ones of 3x3 in fewer
multiplications (`gan_jax.nn.winograd`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from gan_jax.nn import conv_cpu
from gan_jax.nn.window import Window, mirrored

Array = jax.Array

ROLES = "xwy"
_SCOPES = {"y": "conv", "x": "conv_transpose", "w": "conv_weights"}  # their names in a profile


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
    return _contract("x", mirrored(w)[None], x[None], window, 1)[0]


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
    group = lambda a, b: conv_cpu.ROLES[role](a.astype(wide), b.astype(wide), window).astype(
        a.dtype
    )
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
