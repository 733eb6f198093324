"""Scalars as data: every scalar of a `Gan` is in the state, so that changing it never recompiles.

A constant or schedule is six numbers on the device. Its value at G step ``t`` is
``min(1, (t + 1) / warmup) course(start, end, way)``, where ``way`` is ``(t - begin) / steps``
within [0, 1], and the course is one of `gan_jax.parts.courses`. A `Feedback` is a number that
follows a metric of the step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.config import Feedback, Schedule
from gan_jax.errors import one_of
from gan_jax.grammar import SHAPES
from gan_jax.parts.courses import COURSES
from gan_jax.types import Array, Metrics, PyTree, Scalar


@flax.struct.dataclass
class FeedbackState:
    """The state of a `Feedback`: its value, the sum of the metric since its last change,
    parameters.
    """

    value: Array
    total: Array
    numbers: Array
    metric: str = flax.struct.field(pytree_node=False)


def encode(part: Any) -> PyTree:
    """The scalars of a `Gan`, or of any part of it, as nested dicts and tuples of numpy arrays."""
    if type(part) is tuple:
        found = tuple(map(encode, part))
        return found if any(found) else {}
    if not dataclasses.is_dataclass(part) or isinstance(part, nn.Module):
        return {}
    found = {
        f.name: jax.tree.map(_encoded, value) if _own(f) else encode(value)
        for f in dataclasses.fields(part)
        if (value := getattr(part, f.name)) is not None
    }
    return {name: value for name, value in found.items() if type(value) is not dict or value}


def bind(part: Any, encoded: PyTree, step: Array) -> Any:
    """A copy of the part with the scalars of a step: ``()`` float32 arrays; None if unset."""
    return _bound(part, values(encoded, step))


def values(encoded: PyTree, step: Array) -> PyTree:
    """The values ``()`` float32 of all scalars at a step, nested as `encode` returns them."""
    leaves, structure = jax.tree.flatten(encoded, is_leaf=_is_feedback)
    schedules = [leaf for leaf in leaves if not _is_feedback(leaf)]
    now = iter(_scheduled(schedules, step) if schedules else ())
    return structure.unflatten([leaf.value if _is_feedback(leaf) else next(now) for leaf in leaves])


def after(encoded: PyTree, metrics: Metrics, step: Array) -> PyTree:
    """The encoded scalars after a step with ``metrics``: every `Feedback` is updated.

    Raises:
      ConfigError: for a `Feedback` on a metric that the step does not measure.
    """

    def moved(leaf):
        if not _is_feedback(leaf):
            return leaf
        target, rate, low, high, every, proportional = leaf.numbers
        total = leaf.total + metrics[one_of("feedback.metric", leaf.metric, metrics)]
        error = total / every - target
        change = rate * jnp.where(proportional > 0, error, jnp.sign(error))
        due = (step + 1) % every.astype(jnp.int32) == 0
        value = jnp.where(due, jnp.clip(leaf.value + change, low, high), leaf.value)
        return leaf.replace(value=value, total=jnp.where(due, 0.0, total))

    return jax.tree.map(moved, encoded, is_leaf=_is_feedback)


def followed(part: Any) -> set[str]:
    """The metrics that feedbacks of a `Gan`, or of any part of it, follow."""
    leaves = jax.tree.leaves(encode(part), is_leaf=_is_feedback)
    return {leaf.metric for leaf in leaves if _is_feedback(leaf)}


def moving(part: Any, encoded: PyTree) -> Metrics:
    """The values ``()`` of all feedbacks of a `Gan` by name, such as
    ``feedback/augments/ada/strength``: the path of the field, with the names of the parts.
    """
    leaves = jax.tree.leaves_with_path(encoded, is_leaf=_is_feedback)
    return {
        "/".join(["feedback", *_names(part, path)]): leaf.value
        for path, leaf in leaves
        if _is_feedback(leaf)
    }


def _names(part: Any, path: tuple) -> list[str]:
    """The keys of a path into an encoded part; a part of several goes by its own name."""
    found = []
    for entry in path:
        key = getattr(entry, "key", getattr(entry, "idx", None))
        if isinstance(part, Mapping):
            part = part[key]
        elif isinstance(part, tuple):
            part = part[key]
            key = getattr(part, "name", key)
        else:
            part = getattr(part, key)
        found.append(str(key))
    return found


def _is_feedback(leaf: Any) -> bool:
    return isinstance(leaf, FeedbackState)


def _own(field: dataclasses.Field) -> bool:
    """Whether a field contains scalars, not a part that may have some."""
    return field.metadata.get("scalar", False)


def _encoded(value: Scalar) -> PyTree:
    if isinstance(value, Feedback):
        f = value
        numbers = [f.target, f.rate, f.low, f.high, f.every, f.proportional]
        start, zero = np.float32(f.start), np.float32(0)
        return FeedbackState(start, zero, np.array(numbers, np.float32), f.metric)
    s = value if isinstance(value, Schedule) else Schedule(value, value, 1)
    numbers = [s.start, s.end, s.steps, s.warmup, SHAPES.index(s.shape), s.begin]
    return np.array(numbers, np.float32)


def _scheduled(schedules: list[Array], step: Array) -> Array:
    start, end, steps, warmup, shape, begin = jnp.stack(schedules, axis=1)
    t = step.astype(jnp.float32)
    way = jnp.clip((t - begin) / steps, 0, 1)
    courses = [COURSES[name](start, end, way) for name in SHAPES]
    value = jnp.select([shape == i for i in range(len(courses))], courses)
    return value * jnp.minimum(1, (t + 1) / jnp.maximum(warmup, 1))


def _bound(part: Any, now: PyTree) -> Any:
    if type(part) is tuple:
        return tuple(map(_bound, part, now)) if now else part
    changes = {}
    for f in dataclasses.fields(part):
        if _own(f):  # the state decides which scalars are set
            changes[f.name] = now.get(f.name)
        elif f.name in now:
            changes[f.name] = _bound(getattr(part, f.name), now[f.name])
    return dataclasses.replace(part, **changes)
