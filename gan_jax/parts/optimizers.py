"""Optimizers by name: optax's, with their numbers as data of the step."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import optax

from gan_jax.errors import ConfigError, one_of
from gan_jax.types import Scalar, Tunable

DEFAULTS: dict[str, dict[str, Scalar]] = {"adam": {"b1": 0.5}}
"""Numbers in which a GAN's defaults are not optax's (Radford et al. 2016, section 4)."""


def tunable(field: str, name: str, numbers: Mapping[str, Scalar]) -> Tunable:
    """The optimizer of optax by its name there.

    Args:
      field: its path in the config, for errors.
      name: of an optax function with the argument ``learning_rate``.
      numbers: that and other arguments of the function.

    Raises:
      ConfigError: for an unknown name, or a number that the optimizer does not have or cannot take.
    """
    make = _optimizers()[one_of(f"{field}.name", name, _optimizers())]
    accepted = [p for p in inspect.signature(make).parameters if p != "learning_rate"]
    for number in numbers:
        if number not in ("learning_rate", *accepted):
            raise ConfigError(
                f"{field}.{number}: {name} has no such number; accepted: {', '.join(accepted) or 'none'}."
            )
    tuned = Tunable(make, {**DEFAULTS.get(name, {}), **numbers})
    _try(field, name, tuned)
    return tuned


@functools.cache
def _optimizers() -> dict[str, Callable[..., optax.GradientTransformation]]:
    """All of optax that make an optimizer from a learning rate."""
    found = {}
    for name in dir(optax):
        part = getattr(optax, name)
        if not inspect.isfunction(part) or name.startswith("scale_by"):
            continue
        if next(iter(inspect.signature(part).parameters), None) == "learning_rate":
            found[name] = part
    return found


def _try(field: str, name: str, optimizer: Tunable) -> None:
    """Traces one update with numbers as data."""

    def update(numbers):
        transformation = optimizer.make(**numbers)
        params = {"w": jnp.ones((2, 2))}
        return transformation.update(params, transformation.init(params), params)

    try:
        jax.eval_shape(update, {number: jnp.zeros(()) for number in optimizer.numbers})
    except (
        Exception
    ) as error:  # whatever an optimizer raises that wants more than gradients and numbers
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"{field}.name: {name!r} does not work with {', '.join(optimizer.numbers)} ({reason})."
        ) from error
