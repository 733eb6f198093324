"""The batch axis under `jax.pmap`, where each device runs the step on its rows of the batch.

Inside `shared`, the functions below operate on the whole batch: `draw` returns a device's rows of
the random numbers that a single device would draw for all, `whole` gathers the rows of all devices,
and `mean` averages gradients and metrics. Outside of it, and under jit with a sharded batch, where
the program is written for the whole batch anyway, they change nothing.

A gradient through `whole` is correct: each device differentiates the sum of the objectives of all
devices with respect to its copy of the weights, and the mean of these gradients over the devices is
the gradient of the mean objective.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp

_NAME: ContextVar[str | None] = ContextVar("batch_axis", default=None)


@contextlib.contextmanager
def shared(name: str | None) -> Iterator[None]:
    """While a function is traced: the ``pmap`` axis over which devices share the batch."""
    token = _NAME.set(name)
    try:
        yield
    finally:
        _NAME.reset(token)


def name() -> str | None:
    """The name of the axis; None if a program sees the whole batch."""
    return _NAME.get()


def devices() -> int:
    """Number of devices that share the batch."""
    return 1 if name() is None else jax.lax.axis_size(name())


def draw(sample: Callable[..., jax.Array], key: jax.Array, shape: tuple, *args: Any, **kwargs: Any):
    """This device's rows of ``sample(key, shape)``, drawn for the whole batch.

    Args:
      sample: a function such as `jax.random.normal`.
      key: equal on all devices.
      shape: ``(b, ...)`` with this device's ``b``.
      args, kwargs: further arguments of ``sample``.
    """
    b, *rest = shape
    return own(sample(key, (b * devices(), *rest), *args, **kwargs))


def own(rows: Any) -> Any:
    """This device's rows ``[b, ...]`` of the whole batch ``[devices * b, ...]``."""
    if name() is None:
        return rows
    i, n = jax.lax.axis_index(name()), devices()
    take = lambda a: jax.lax.dynamic_slice_in_dim(a, i * (len(a) // n), len(a) // n)
    return jax.tree.map(take, rows)


def whole(rows: Any) -> Any:
    """The rows of all devices ``[devices * b, ...]``, from ``[b, ...]`` on each."""
    if name() is None:
        return rows
    return jax.tree.map(lambda a: jax.lax.all_gather(a, name(), axis=0, tiled=True), rows)


def mean(tree: Any) -> Any:
    """The means of all floats over the devices; integers are equal on all devices."""
    if name() is None:
        return tree
    floating = lambda a: jnp.issubdtype(a.dtype, jnp.inexact)
    return jax.tree.map(lambda a: jax.lax.pmean(a, name()) if floating(a) else a, tree)
