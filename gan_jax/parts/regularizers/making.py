"""Makes regularizers from functions of the context and numbers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from gan_jax.types import Array, PyTree, Regularizer


def with_memory(init: Callable[[], PyTree]) -> Callable[[Callable], Callable[..., Regularizer]]:
    """Turns ``apply(memory, context, *, **numbers) -> (penalty [b], memory)`` into
    ``make(**numbers) -> Regularizer``.

    Equal numbers, explicit or by default, give the same object, so that equal GANs share compiled
    programs. The signature of ``make`` has only the numbers.
    """

    def decorate(apply: Callable[..., tuple[Array, PyTree]]) -> Callable[..., Regularizer]:
        signature = inspect.signature(apply)
        numbers = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
        defaults = {p.name: p.default for p in numbers}

        @functools.cache
        def made(**numbers: Any) -> Regularizer:
            return Regularizer(init, lambda memory, context: apply(memory, context, **numbers))

        make = functools.wraps(apply)(lambda **numbers: made(**(defaults | numbers)))
        make.__signature__ = signature.replace(parameters=numbers, return_annotation=Regularizer)
        return make

    return decorate


def memoryless(penalty: Callable[..., Array]) -> Callable[..., Regularizer]:
    """As `with_memory`, from ``penalty(context, *, **numbers) -> [b]``."""

    @functools.wraps(penalty)
    def apply(memory, context, **numbers):
        return penalty(context, **numbers), memory

    return with_memory(tuple)(apply)
