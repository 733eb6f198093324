"""Penalties on the players by name.

An entry is a function ``make(**numbers) -> Regularizer`` (see `gan_jax.types.Regularizer`): keyword arguments with defaults are the
penalty's own numbers, and equal ones give the same object. Penalties of D read a `DContext`, those of G a `GContext`. What a penalty
needs and does not find in its context (class logits, image sides) it refuses by a `ConfigError` when it is traced.
"""

from collections.abc import Callable

from gan_jax.regularizers.classes import d_classes, g_classes
from gan_jax.regularizers.gradients import r1
from gan_jax.types import Regularizer

__all__ = ["G_REGULARIZERS", "REGULARIZERS", "d_classes", "g_classes", "r1"]

REGULARIZERS: dict[str, Callable[..., Regularizer]] = {"r1": r1}
G_REGULARIZERS: dict[str, Callable[..., Regularizer]] = {}
