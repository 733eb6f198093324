"""Numbers as data: a scalar or schedule is five numbers on the device, so that changing it never
recompiles.

Every scalar is ``min(1, (t + 1) / warmup) (start + (end - start) s(t / steps))`` at update ``t`` of
G, where ``s`` rises from 0 to 1, linearly or as half a cosine, and then stays.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.config import SHAPES, Schedule
from gan_jax.errors import ConfigError, one_of
from gan_jax.types import Array, PyTree, Scalar


def check(
    field: str, value: Scalar, low: float, high: float = math.inf, accepted: str = ""
) -> None:
    """Refuses a scalar of which some value lies outside ``low < value < high``; a bound is accepted
    where ``accepted`` says so.

    Args:
      field: its path in the config.
      value: the scalar; a schedule's ends are both looked at.
      low, high: bounds, of which ``accepted``, an interval such as ``[0, 1)``, says whether they
        belong to it.

    Raises:
      ConfigError: naming the field, the value and the interval.
    """
    accepted = accepted or f"({low:g}, {high:g})"
    if isinstance(value, Schedule):
        one_of(f"{field}.shape", value.shape, SHAPES)
        for name, number, least in (("steps", value.steps, 1), ("warmup", value.warmup, 0)):
            if number < least:
                raise ConfigError(
                    f"{field}.{name}: {number} is too small; accepted: {least} or more."
                )
    for number in (value.start, value.end) if isinstance(value, Schedule) else (value,):
        above = number >= low if accepted[0] == "[" else number > low
        below = number <= high if accepted[-1] == "]" else number < high
        if not (above and below and math.isfinite(number)):
            raise ConfigError(f"{field}: {number} is not in {accepted}.")


def encode(scalars: PyTree) -> PyTree:
    """Each `Scalar` of a nested dict as ``[5]`` float32: start, end, steps, warmup, whether the
    shape is a cosine.
    """

    def numbers(scalar: Scalar) -> np.ndarray:
        s = scalar if isinstance(scalar, Schedule) else Schedule(scalar, scalar, 1)
        return np.array([s.start, s.end, s.steps, s.warmup, s.shape == "cosine"], np.float32)

    return jax.tree.map(
        numbers, scalars, is_leaf=lambda leaf: isinstance(leaf, (Schedule, float, int))
    )


def values(encoded: PyTree, step: Array) -> PyTree:
    """The values ``()`` float32 at a step, of all scalars at once: what `encode` gave, with arrays
    for its numbers.
    """
    leaves, structure = jax.tree.flatten(encoded)
    if not leaves:
        return encoded
    start, end, steps, warmup, cosine = jnp.stack(leaves, axis=1)
    t = step.astype(jnp.float32)
    way = jnp.minimum(t / steps, 1)
    way = jnp.where(cosine > 0, 0.5 * (1 - jnp.cos(jnp.pi * way)), way)
    now = (start + (end - start) * way) * jnp.minimum(1, (t + 1) / jnp.maximum(warmup, 1))
    return jax.tree.unflatten(structure, [now[i] for i in range(len(leaves))])
