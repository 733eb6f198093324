"""Samples at another temperature of the generator than that of the training."""

from __future__ import annotations

import dataclasses

from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, within
from gan_jax.types import GanState

NAME = "temperature"


def check_temperature(gan: Gan, temperature: float) -> None:
    """Refuses temperatures that cannot be set.

    Raises:
      ConfigError: for a temperature that is not positive, or a generator without one.
    """
    within(NAME, temperature, "(0, inf)")
    if NAME not in (gan.generator.numbers or {}):
        name = type(gan.generator.network).__module__.rpartition(".")[2]
        raise ConfigError(f"{NAME} {temperature} does not apply: generator {name!r} has none.")


def at_temperature(gan: Gan, state: GanState, temperature: float) -> tuple[Gan, GanState]:
    """The same weights with another temperature of samples; other scalars as in the beginning.

    Raises:
      ConfigError: as `check_temperature`.
    """
    check_temperature(gan, temperature)
    player = gan.generator
    numbers = {**player.numbers, NAME: temperature}
    gan = dataclasses.replace(gan, generator=dataclasses.replace(player, numbers=numbers))
    return gan, state.replace(scalars=scalars.encode(gan))
