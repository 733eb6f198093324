"""Compare runs on one self-contained page: what differs in their configs, losses and scores over
images and over time with intervals, and samples from equal latents.

Scores are those that `gan-jax eval` has written; a run without an evaluation is compared by its
training alone.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib

import tyro

from gan_jax import command_line
from gan_jax.errors import ConfigError

FEWEST, MOST = 2, 8


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    runs: tyro.conf.Positional[tuple[pathlib.Path, ...]]
    """Two to eight run folders."""
    output: pathlib.Path = pathlib.Path("compare.html")
    """The page to write; an existing one is replaced."""
    suffix: str = ""
    """Compare the evaluations whose files have this suffix, such as _n10000."""
    seed: int = 0
    """Determines the latents of the samples."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: the page was written; 2: wrong input, and nothing was written."""
    command_line.plain_warnings()
    with command_line.one_sentence_errors("compare"), command_line.closed_pipe_ends():
        options = tyro.cli(Options, prog="gan-jax compare", description=__doc__, args=argv)
        check(options)
        command_line.fast_cpu()
        command_line.keep_compilations()
        run(options)
    return 0


def check(options: Options) -> None:
    """What can be refused before anything is read."""
    if not FEWEST <= len(options.runs) <= MOST:
        raise ConfigError(
            f"runs: {len(options.runs)} given; accepted: {FEWEST} to {MOST} run folders."
        )
    resolved = [folder.resolve() for folder in options.runs]
    for i, folder in enumerate(resolved):
        if folder in resolved[:i]:
            raise ConfigError(f"runs: {options.runs[i]} is given twice; accepted: each run once.")
    if options.output.is_dir():
        raise ConfigError(f"output: {options.output} is a folder; accepted: the name of a file.")
    nearest = next(path for path in options.output.absolute().parents if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        raise ConfigError(
            f"output: {options.output} cannot be written; accepted: a file in a writable folder."
        )


def run(options: Options) -> None:
    from gan_jax.errors import is_seed
    from gan_jax.files import write
    from gan_jax.report import compare
    from gan_jax.report.grids import at_equal_latents

    is_seed("seed", options.seed)
    entries = [
        entry
        for folder, name in zip(options.runs, names(options.runs), strict=True)
        for entry in compare.read(folder, name, options.suffix)
    ]
    grids = at_equal_latents([entry.member for entry in entries], options.seed)
    write(options.output, compare.page(entries, grids))
    print(f"written:     {options.output}")


def names(folders: tuple[pathlib.Path, ...]) -> list[str]:
    """The folders' names, with as many parents as it takes to tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    depth = next(
        n for n in range(1, max(map(len, parts)) + 1) if len({p[-n:] for p in parts}) == len(parts)
    )
    return [os.path.join(*own[-depth:]) for own in parts]
