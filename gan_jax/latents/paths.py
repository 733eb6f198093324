"""Paths from one point of a latent space to another.

Each function takes the ends ``[n, ...]`` and positions ``t [steps]``, and returns ``[n, steps,
...]``; t = 0 is the first end.
"""

from __future__ import annotations

import math

import jax.numpy as jnp

from gan_jax.types import Array

PARALLEL = 1e-3
"""Sine of the angle below which two directions count as equal or opposite, in float32."""


def line(a: Array, b: Array, t: Array) -> Array:
    """The straight line, t in [0, 1]: the path in ``w``, whose distribution is no sphere."""
    t = _of_steps(t, a)
    return (1 - t) * a[:, None] + t * b[:, None]


def slerp(a: Array, b: Array, t: Array) -> Array:
    """Spherical linear interpolation (Shoemake 1985; White 2016, "Sampling generative networks",
    section 2.1), t in [0, 1]: the angle between the ends grows evenly, and so does the norm.

    Normal vectors of many dimensions have nearly equal norms, which a straight line leaves. Ends in
    equal or opposite directions determine no arc; they are joined by a straight line.
    """
    n = a.shape[0]
    norms = [jnp.linalg.norm(end.reshape(n, -1), axis=1) for end in (a, b)]
    column = lambda v: v.reshape(n, *(1,) * a.ndim)
    units = [end[:, None] / column(norm) for end, norm in zip((a, b), norms, strict=True)]
    cosine = jnp.sum(units[0] * units[1], axis=tuple(range(1, a.ndim + 1)))
    angle = column(jnp.arccos(jnp.clip(cosine, -1, 1)))
    t = _of_steps(t, a)
    near = jnp.sin(angle) < PARALLEL
    sine = jnp.where(near, 1.0, jnp.sin(angle))
    direction = (jnp.sin((1 - t) * angle) * units[0] + jnp.sin(t * angle) * units[1]) / sine
    norm = (1 - t) * column(norms[0]) + t * column(norms[1])
    return jnp.where(near, line(a, b, t.ravel()), norm * direction)


def arc(a: Array, b: Array, t: Array) -> Array:
    """``cos(pi/2 t) a + sin(pi/2 t) b``, t in [0, 1].

    If both ends are independent draws from N(0, 1), so is every point of the arc.
    """
    t = math.pi / 2 * _of_steps(t, a)
    return jnp.cos(t) * a[:, None] + jnp.sin(t) * b[:, None]


def _of_steps(t: Array, a: Array) -> Array:
    """``[1, steps, 1, ...]``, for ends ``[n, ...]``."""
    return jnp.asarray(t).reshape(1, -1, *(1,) * (a.ndim - 1))
