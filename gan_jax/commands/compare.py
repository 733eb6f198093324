"""Compare runs on one self-contained page: config differences, scores and losses over images and
over time with 95% confidence intervals, and samples from equal latents.

The scores come from the newest evaluation of each run; a run without an evaluation is compared by
its training only. A sweep gets one column per setting.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import sys

from gan_jax import arguments, command_line
from gan_jax.arguments import Positional
from gan_jax.commands import interrupts
from gan_jax.errors import ConfigError

FEWEST, MOST = 2, 8


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    runs: Positional[tuple[pathlib.Path, ...]]
    """Two to eight run folders."""
    output: pathlib.Path = pathlib.Path("compare.html")
    """The page to write; an existing one is replaced."""
    suffix: str = ""
    """Compare the evaluations with this file name suffix, such as _n10000."""
    seed: int = 0
    """Random seed of the latents of the samples."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: the page was written; 2: wrong input, and nothing was written; 130: stopped by
    Ctrl-C.
    """
    argv = sys.argv[1:] if argv is None else argv
    program = f"{command_line.called('compare')} RUN RUN ..."
    with command_line.running("compare"):
        (options,) = arguments.parse(program, __doc__, argv, Options)
        check(options)
        command_line.loading()
        with interrupts.ends_with("Stopped; nothing was written."):
            command_line.fast_cpu()
            command_line.keep_compilations()
            run(options)
    return 0


def check(options: Options) -> None:
    """Checks everything that can be checked before JAX is loaded."""
    from gan_jax.errors import is_seed
    from gan_jax.files import check_file

    if not FEWEST <= len(options.runs) <= MOST:
        raise ConfigError(
            f"runs: {FEWEST} to {MOST} run folders are needed, but {len(options.runs)} given."
        )
    resolved = [folder.resolve() for folder in options.runs]
    for i, folder in enumerate(resolved):
        if folder in resolved[:i]:
            raise ConfigError(f"runs: {options.runs[i]} is given twice; give each run once.")
    is_seed("seed", options.seed)
    check_file("output", options.output)


def run(options: Options) -> None:
    from gan_jax.files import write
    from gan_jax.report import compare
    from gan_jax.report.grids import at_equal_latents

    entries = [
        entry
        for folder, name in zip(options.runs, names(options.runs), strict=True)
        for entry in compare.read(folder, name, options.suffix)
    ]
    if options.suffix and not any(entry.rows for entry in entries):
        raise ConfigError(
            f"suffix: no run has an evaluation with the suffix {options.suffix!r}; use one such as "
            "_n10000, as in eval/scores_n10000.csv, or none."
        )
    grids = at_equal_latents([entry.member for entry in entries], options.seed)
    write(options.output, compare.page(entries, grids))
    print(f"written:     {options.output}")


def names(folders: tuple[pathlib.Path, ...]) -> list[str]:
    """The folders' names, with as many parents as needed to make them unique."""
    parts = [folder.resolve().parts for folder in folders]
    depth = next(
        n for n in range(1, max(map(len, parts)) + 1) if len({p[-n:] for p in parts}) == len(parts)
    )
    return [os.path.join(*own[-depth:]) for own in parts]
