"""The members of a population: seeds, and swept numbers of the training step. Imports neither jax
nor the engine.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing
from collections.abc import Iterator
from typing import Any

from gan_jax.config import Config, scalar_from_json, value_to_json, with_value
from gan_jax.errors import ConfigError, did_you_mean, either, within
from gan_jax.grammar import Part, Scalar, Schedule, scalar_from_text, scalar_to_text


@dataclasses.dataclass(frozen=True)
class Population:
    """The members of a run: every combination of the sweep's values, each with every seed.

    ``seeds``: the number of seeds, starting at the config's. ``sweep``: pairs of the path of a
    config's field, such as ``g_optimizer.lr``, and its values.
    """

    seeds: int = 1
    sweep: tuple[tuple[str, tuple[Scalar, ...]], ...] = ()

    def settings(self) -> list[dict[str, Scalar]]:
        """Every combination of the sweep's values; a single empty one without a sweep."""
        paths = [path for path, _ in self.sweep]
        return [
            dict(zip(paths, values, strict=True))
            for values in itertools.product(*(v for _, v in self.sweep))
        ]

    @property
    def size(self) -> int:
        """The number of members."""
        return self.seeds * len(self.settings())

    def members(self, config: Config) -> tuple[Config, ...]:
        """The members' configs: all seeds of the first setting, then all of the second, ...

        Raises:
          ConfigError: for a number of seeds out of range, a path that is not a number of the
            training step, or a path that is given twice.
        """
        within("seeds", self.seeds, f"[1, {2**32 - config.seed}]")
        paths = [path for path, _ in self.sweep]
        if len(set(paths)) < len(paths):
            raise ConfigError(f"sweep: {', '.join(paths)} has a duplicate; give each path once.")
        accepted = list(_scalars(config))
        for path in paths:
            if path not in accepted:
                hint = did_you_mean(path, accepted)
                raise ConfigError(
                    f"sweep: {path!r} is not a number of this config's training step; {hint}"
                    f"{'Use' if hint else 'use'} {either(accepted)}."
                )
        configs = []
        for setting in self.settings():
            changed = config
            for path, value in setting.items():
                changed = with_value(changed, path, value)
            configs += [
                dataclasses.replace(changed, seed=config.seed + i) for i in range(self.seeds)
            ]
        return tuple(configs)

    def names(self) -> list[str]:
        """The settings as readable text, ``g_optimizer.lr=0.0001``; a single empty one without a
        sweep.
        """
        return [
            " ".join(f"{path}={scalar_to_text(value)}" for path, value in setting.items())
            for setting in self.settings()
        ]


def from_text(texts: tuple[str, ...]) -> tuple[tuple[str, tuple[Scalar, ...]], ...]:
    """Reads a sweep from the command line: ``PATH=VALUE,VALUE,...`` for each path; a value is a
    number or a schedule.

    Raises:
      ConfigError: for anything else.
    """
    sweep = []
    for text in texts:
        path, equals, values = text.partition("=")
        try:
            numbers = tuple(scalar_from_text(value) for value in values.split(","))
        except ValueError as error:
            raise ConfigError(
                f"sweep: {text!r} does not have the form PATH=NUMBER,NUMBER,... ({error})."
            ) from error
        if len(set(numbers)) < len(numbers):
            raise ConfigError(f"sweep: {text!r} has a duplicate value; give each value once.")
        sweep.append((path.replace("-", "_") if equals else path, numbers))
    return tuple(sweep)


def to_text(sweep: tuple[tuple[str, tuple[Scalar, ...]], ...]) -> tuple[str, ...]:
    """The inverse of `from_text`."""
    return tuple(f"{path}={','.join(map(scalar_to_text, values))}" for path, values in sweep)


def to_dict(population: Population) -> dict[str, Any]:
    """The JSON form of a population."""
    return {
        "seeds": population.seeds,
        "sweep": {path: value_to_json(values) for path, values in population.sweep},
    }


def from_dict(values: Any) -> Population:
    """The inverse of `to_dict`.

    Raises:
      ConfigError: for anything else.
    """
    try:
        sweep = tuple(
            (path, tuple(scalar_from_json(number, f"sweep.{path}") for number in numbers))
            for path, numbers in values["sweep"].items()
        )
        return Population(int(values["seeds"]), sweep)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"population {values!r} is not valid; use what train.py --seeds or --sweep wrote."
        ) from error


def _scalars(config: Config) -> Iterator[str]:
    """Paths of all numbers of the training step; an element of a list has its index."""
    hints = typing.get_type_hints(Config)
    for field, value in ((name, getattr(config, name)) for name in hints):
        if Schedule in typing.get_args(hints[field]):
            yield field
        elif isinstance(value, Part):
            yield from (f"{field}.{key}" for key in value.scalars())
        elif isinstance(value, tuple):
            for i, part in enumerate(value):
                yield from (f"{field}.{i}.{key}" for key in part.scalars())
