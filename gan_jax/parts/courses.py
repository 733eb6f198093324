"""The courses of schedules: how a number gets from its start to its end.

Each is ``(start, end, way) -> value``, all ``[n]`` float32; ``way`` rises linearly from 0 to 1, and
the value is finite for every start and end, as the courses of all schedules are computed together.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp

from gan_jax.types import Array

Course = Callable[[Array, Array, Array], Array]


def linear(start: Array, end: Array, way: Array) -> Array:
    """``start + (end - start) way``."""
    return start + (end - start) * way


def cosine(start: Array, end: Array, way: Array) -> Array:
    """Half a period of a cosine: ``start + (end - start) (1 - cos(pi way)) / 2``."""
    return linear(start, end, 0.5 * (1 - jnp.cos(jnp.pi * way)))


def exponential(start: Array, end: Array, way: Array) -> Array:
    """``start (end / start)^way``, for a start and an end above 0."""
    low, high = (jnp.log(jnp.where(x > 0, x, 1)) for x in (start, end))
    return jnp.exp(linear(low, high, way))


COURSES: dict[str, Course] = {"linear": linear, "cosine": cosine, "exponential": exponential}
"""By the shapes of `gan_jax.grammar.SHAPES`."""
