"""Optimizers of optax by name, with their hyperparameters as data of the step."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from gan_jax.errors import ConfigError, has_option, one_of
from gan_jax.grammar import check_scalar
from gan_jax.types import Scalar, Tunable

DEFAULTS: dict[str, dict[str, Scalar]] = {"adam": {"b1": 0.5}}
"""Defaults that differ from optax's (Radford et al. 2016, section 4)."""
INTERVALS = {
    "lr": "(0, inf)",
    "b1": "[0, 1)",
    "b2": "[0, 1)",
    "b3": "[0, 1)",
    "decay": "[0, 1)",
    "rho": "[0, 1)",
    "momentum": "(-1, 1)",
    "eps": "(0, inf)",
    "eps_root": "[0, inf)",
    "weight_decay": "[0, inf)",
    "alpha": "[0, inf)",
    "beta": "[0, inf)",
}
"""Options by their name in optax (``lr``: ``learning_rate``), with their intervals. Momentum may be
negative (Gidel et al. 2019, "Negative momentum for improved game dynamics").
"""


@dataclasses.dataclass(frozen=True)
class Freezing:
    """An optimizer that freezes some weights: ``Freezing(make, names)(**numbers)`` is
    ``make(**numbers)`` for all others.

    ``names``: top-level keys of the parameters. Frozen weights have no optimizer state.
    """

    make: Callable[..., optax.GradientTransformation]
    names: tuple[str, ...]

    def __call__(self, **numbers: Any) -> optax.GradientTransformation:
        parts = {False: self.make(**numbers), True: optax.set_to_zero()}
        return optax.partition(parts, lambda params: {name: name in self.names for name in params})


def options_of(name: str) -> tuple[str, ...]:
    """The options of an optimizer."""
    parameters = inspect.signature(optimizers()[name]).parameters
    return tuple(o for o in INTERVALS if o in parameters or o == "lr")


def tunable(field: str, name: str, numbers: Mapping[str, Scalar]) -> Tunable:
    """An optimizer of optax by its name.

    Args:
      field: its path in the config, for errors.
      name: an optax function with the argument ``learning_rate``.
      numbers: that and other arguments of the function.

    Raises:
      ConfigError: for an unknown name or option, or an option outside its interval.
    """
    make = optimizers()[one_of(f"{field}.name", name, optimizers())]
    for number, value in numbers.items():
        option = "lr" if number == "learning_rate" else number
        has_option(field, name, option, options_of(name))
        check_scalar(f"{field}.{option}", value, INTERVALS[option])
    tuned = Tunable(make, {**DEFAULTS.get(name, {}), **numbers})
    _try(field, name, tuned)
    return tuned


@functools.cache
def optimizers() -> dict[str, Callable[..., optax.GradientTransformation]]:
    """All functions of optax that make an optimizer from a learning rate."""
    found = {}
    for name in dir(optax):
        part = getattr(optax, name)
        if not inspect.isfunction(part) or name.startswith(("_", "scale_by")):
            continue
        if next(iter(inspect.signature(part).parameters), None) == "learning_rate":
            found[name] = part
    return found


def _try(field: str, name: str, optimizer: Tunable) -> None:
    """Traces one update with the hyperparameters as data."""

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
            f"{field}.name {name!r} does not work with {', '.join(optimizer.numbers)} ({reason})."
        ) from error
