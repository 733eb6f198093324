"""The starting point of ``train``, a recipe or a config.json, and its memory check."""

from __future__ import annotations

import json
import pathlib
import sys
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from gan_jax import arguments, config, sweeps
from gan_jax.commands import memory, parts
from gan_jax.config import Config
from gan_jax.errors import ConfigError
from gan_jax.recipes import RECIPES, recipe
from gan_jax.sweeps import Population

DEFAULT = "digits_dcgan"
PARTS = "--help-parts"


class Start(NamedTuple):
    """A config with its population, and the default name of the run folder."""

    name: str
    config: Config
    population: Population = Population()


def start(argv: Sequence[str]) -> tuple[Start, list[str]]:
    """Reads the recipe, which is the first argument or the last one behind the options, or the file
    of ``--config``; also returns the other arguments.

    Raises:
      ConfigError: for an unknown recipe, both a recipe and a file, or a file without a config.
    """
    rest = list(argv)
    if rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        own = Start(name, recipe(name))
    elif len(rest) > 1 and rest[-1] in RECIPES and not rest[-2].startswith("--"):
        name = rest.pop()
        own = Start(name, recipe(name))
    else:
        name, own = None, Start(DEFAULT, recipe(DEFAULT))
    file = _config_file(rest)
    if file is None:
        return own, rest
    if name is not None:
        raise ConfigError(f"config {file} conflicts with the recipe {name}; use one of them.")
    return read(file), rest


def read(file: pathlib.Path) -> Start:
    """Reads config and population from a run's config.json of any version.

    Raises:
      ConfigError: for a file that cannot be read or is not a config.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"config: cannot read {file} ({why}); give the config.json of a run."
        ) from None
    population = values.pop("population", None) if isinstance(values, dict) else None
    name = file.absolute().parent.name if file.name == "config.json" else file.stem
    try:
        found = config.from_dict(values)
        members = Population() if population is None else sweeps.from_dict(population)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    return Start(name, found, members)


def _config_file(argv: Sequence[str]) -> pathlib.Path | None:
    for i, argument in enumerate(argv):
        flag, equals, text = argument.partition("=")
        if flag == "--config" and (equals or i + 1 < len(argv)):
            return arguments.as_path("config", text if equals else argv[i + 1])
    return None


def description(text: str) -> str:
    """The beginning of the help text."""
    names = "\n".join(f"  {line}" for line in textwrap.wrap(", ".join(RECIPES), 96))
    return (
        f"{text}\n\nRecipes (`gan-jax recipes` describes them; the default is {DEFAULT}):\n{names}"
    )


def help_parts(argv: Sequence[str]) -> None:
    """Prints all parts with their options and exits, if ``--help-parts`` is given."""
    if PARTS in argv:
        print(parts.listing())
        sys.exit(0)


def check_memory(own: Config, population: Population, alone: bool) -> None:
    """Refuses runs that exceed this machine's memory, before the members are built.

    Args:
      own, population: the config and the population of the run.
      alone: whether this process holds complete batches and states.

    Raises:
      ConfigError: naming the option whose value is too large.
    """
    from gan_jax.build import assemble

    if alone:
        memory.check(assemble(own), own.minibatches * own.batch_size, population.size)
