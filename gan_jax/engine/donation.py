"""Compiled functions that reuse the memory of the state they are given."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax

from gan_jax.errors import ConfigError


def donates_state(*static: str) -> Callable[[Callable], Callable]:
    """Compiles ``function(gan, state, ...)`` so that it reuses the memory of ``state``.

    A state that was donated before is refused; successful calls have no overhead. As with
    `jax.jit`, ``lower`` returns the program of a call.

    Args:
      static: names of the arguments that are constants of the program.
    """

    def decorate(function: Callable) -> Callable:
        compiled = jax.jit(function, static_argnames=static, donate_argnames="state")

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return compiled(*args, **kwargs)
            except (RuntimeError, ValueError) as error:
                if any(map(_overwritten, jax.tree.leaves((args, kwargs)))):
                    raise ConfigError(
                        f"state: {function.__name__} was given a state whose arrays an earlier "
                        "step has overwritten; continue with the state that this step returned."
                    ) from error
                raise

        call.lower, call._cache_size = compiled.lower, compiled._cache_size
        return call

    return decorate


def _overwritten(leaf: Any) -> bool:
    concrete = isinstance(leaf, jax.Array) and not isinstance(leaf, jax.core.Tracer)
    return concrete and leaf.is_deleted()
