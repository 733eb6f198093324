"""Which GANs a population holds: seeds, and numbers of the training step that vary; imports neither
jax nor the engine.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any

from gan_jax.config import Config, Scalar, Schedule, scalar_from_text, scalar_to_text
from gan_jax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Population:
    """The members of a run: every combination of the sweep's values, each with every seed.

    ``seeds``: how many, from the config's seed on. ``sweep``: by path of a config's field, such as
    ``g_optimizer.lr``, the values that it takes.
    """

    seeds: int = 1
    sweep: tuple[tuple[str, tuple[float | Schedule, ...]], ...] = ()

    def settings(self) -> list[dict[str, float | Schedule]]:
        """Every combination of the sweep's values; a single empty one without a sweep."""
        paths = [path for path, _ in self.sweep]
        return [
            dict(zip(paths, values, strict=True))
            for values in itertools.product(*(v for _, v in self.sweep))
        ]

    def members(self, config: Config) -> tuple[Config, ...]:
        """The members' configs: all seeds of the first setting, then all of the second, ...

        Raises:
          ConfigError: for a number of seeds that is none, a path that names no number of the
            training step, or one named twice.
        """
        if self.seeds < 1 or config.seed + self.seeds > 2**32:
            raise ConfigError(f"seeds: {self.seeds} is not in [1, {2**32 - config.seed}].")
        paths = [path for path, _ in self.sweep]
        if len(set(paths)) < len(paths):
            raise ConfigError(
                f"sweep: {', '.join(paths)} names one twice; accepted: each at most once."
            )
        accepted = dict(_scalars(Config, config, ()))
        for path in paths:
            if path not in accepted:
                near = difflib.get_close_matches(path, accepted, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise ConfigError(
                    f"sweep: {path!r} is no number of this config's training step; {hint}accepted: {', '.join(accepted)}."
                )
        configs = []
        for setting in self.settings():
            changed = config
            for path, value in setting.items():
                changed = _changed(changed, accepted[path], value)
            configs += [
                dataclasses.replace(changed, seed=config.seed + i) for i in range(self.seeds)
            ]
        return tuple(configs)

    def names(self) -> list[str]:
        """The settings as a person reads them, ``g_optimizer.lr=0.0001``; a single empty one
        without a sweep.
        """
        return [
            " ".join(f"{path}={scalar_to_text(value)}" for path, value in setting.items())
            for setting in self.settings()
        ]


def from_text(texts: tuple[str, ...]) -> tuple[tuple[str, tuple[float | Schedule, ...]], ...]:
    """A sweep as the command line writes it: ``PATH=VALUE,VALUE,...`` for each path; a value is a
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
                f"sweep: {text!r} is not of the form PATH=NUMBER,NUMBER,... ({error})."
            ) from error
        if len(set(numbers)) < len(numbers):
            raise ConfigError(f"sweep: {text!r} gives a value twice; accepted: different ones.")
        sweep.append((path.replace("-", "_") if equals else path, numbers))
    return tuple(sweep)


def to_dict(population: Population) -> dict[str, Any]:
    """As JSON holds it."""
    return {
        "seeds": population.seeds,
        "sweep": {path: [_plain(v) for v in values] for path, values in population.sweep},
    }


def from_dict(values: Any) -> Population:
    """The inverse of `to_dict`.

    Raises:
      ConfigError: for anything else.
    """
    try:
        number = lambda value: Schedule(**value) if isinstance(value, dict) else float(value)
        sweep = tuple(
            (path, tuple(map(number, numbers))) for path, numbers in values["sweep"].items()
        )
        return Population(int(values["seeds"]), sweep)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"population: {values!r} is none; accepted: what train.py --seeds or --sweep wrote."
        ) from error


def _plain(value: float | Schedule) -> Any:
    return dataclasses.asdict(value) if isinstance(value, Schedule) else value


def _scalars(
    kind: Any, value: Any, at: tuple[str | int, ...]
) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Paths of all numbers of the training step, with the way to them; an element of a list has its
    index.
    """
    if typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (types.UnionType, typing.Union) and Schedule in typing.get_args(
        kind
    ):
        yield ".".join(map(str, at)), at
    elif isinstance(value, tuple) and typing.get_args(kind):
        for i, element in enumerate(value):
            yield from _scalars(typing.get_args(kind)[0], element, (*at, i))
    elif dataclasses.is_dataclass(value):
        hints = typing.get_type_hints(type(value), include_extras=True)
        for field in dataclasses.fields(value):
            yield from _scalars(hints[field.name], getattr(value, field.name), (*at, field.name))


def _changed(value: Any, way: tuple[str | int, ...], scalar: Scalar) -> Any:
    """The value with another number at the end of the way."""
    if not way:
        return scalar
    first, *rest = way
    if isinstance(first, int):
        return (*value[:first], _changed(value[first], tuple(rest), scalar), *value[first + 1 :])
    return dataclasses.replace(
        value, **{first: _changed(getattr(value, first), tuple(rest), scalar)}
    )
