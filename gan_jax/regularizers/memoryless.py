"""Regularizers without memory, from a function of the context and its numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gan_jax.types import Array, Regularizer


def memoryless(penalty: Callable[..., Array]) -> Callable[..., Regularizer]:
    """Turns ``penalty(context, **numbers) -> [b]`` into ``make(**numbers) -> Regularizer``.

    Equal numbers give the same object, so that equal GANs share their compilations.
    """

    @functools.cache
    def make(**numbers: Any) -> Regularizer:
        return Regularizer(lambda: (), lambda memory, context: (penalty(context, **numbers), memory))

    return functools.wraps(penalty)(make)
