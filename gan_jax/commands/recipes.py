"""List the recipes with data, generator, steps, and measured time and scores (details are in each
recipe's docstring). FD is the Fréchet distance in the features of a small classifier.
"""

from __future__ import annotations

import dataclasses
import sys

from gan_jax import arguments, command_line
from gan_jax.recipes import NOTES, RECIPES

COLUMNS = ("recipe", "data", "generator", "steps", "time", "score")


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line; there are no options."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: listed; 2: wrong input."""
    with command_line.running("recipes"):
        argv = sys.argv[1:] if argv is None else argv
        arguments.parse(command_line.called("recipes"), __doc__, argv, Options)
        print(table())
    return 0


def table() -> str:
    """One line per recipe, below a line of titles."""
    rows = [COLUMNS, *(row(name) for name in RECIPES)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = ([cell.ljust(width) for cell, width in zip(own, widths, strict=True)] for own in rows)
    return "\n".join("  ".join(own).rstrip() for own in cells)


def row(name: str) -> tuple[str, ...]:
    """The cells of a recipe."""
    config, note = RECIPES[name], NOTES[name]
    side = f" {config.size}x{config.size}" if config.size else ""
    steps = f"{config.steps:,}"
    return name, f"{config.dataset}{side}", config.generator.name, steps, note.time, note.score
