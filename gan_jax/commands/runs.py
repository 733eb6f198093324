"""List the runs in a folder with their recipe, progress, scores, state and age.

The state is running, finished, stopped (by Ctrl-C or SIGTERM), killed, diverged or damaged; the
same training command resumes stopped and killed runs. The scores are those of eval with default
settings: the Fréchet distance (FD) or, for data with known modes, the modes covered and the
percentage of high-quality samples. The age is the time since the last line of metrics.
"""

from __future__ import annotations

import argparse
import pathlib
import time
from typing import Any, NamedTuple

from gan_jax import command_line
from gan_jax.errors import ConfigError

PATTERNS = ("run.json", "*/run.json", "*/*/run.json")
"""Where to look for runs: the folder itself, runs in it, stages of runs in it."""
COLUMNS = ("run", "recipe", "step", "best score", "last score", "state", "age")


class Row(NamedTuple):
    """A line of the table; ``trouble`` says why the run cannot be read."""

    cells: tuple[str, ...]
    trouble: str | None = None


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: the table was printed; 2: wrong input."""
    command_line.plain_warnings()
    with command_line.one_sentence_errors("gan-jax runs"), command_line.closed_pipe_ends():
        rows = found(_parser().parse_args(argv).folder, time.time())
        print(table([COLUMNS, *(row.cells for row in rows)]))
        for row in rows:
            if row.trouble:
                print(f"\n{row.trouble}")
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gan-jax runs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=pathlib.Path,
        default=pathlib.Path("runs"),
        help="folder with run folders, or a single run folder (default: runs)",
    )
    return parser


def found(folder: pathlib.Path, now: float) -> list[Row]:
    """The rows of all runs in a folder, ordered by name; ``now`` is in seconds since 1970.

    Raises:
      ConfigError: if there is no run.
    """
    from gan_jax.runs.folder import is_run

    paths = (path.parent for pattern in PATTERNS for path in folder.glob(pattern))
    runs = sorted(path for path in paths if is_run(path))
    if not runs:
        raise ConfigError(f"folder: {folder} contains no run; give a folder with run folders.")
    return [_row(path, str(path.relative_to(folder)), now) for path in runs]


def table(rows: list[tuple[str, ...]]) -> str:
    """Texts in columns of minimal width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(padded)


def age(seconds: float) -> str:
    """A duration in its largest unit: ``59 s``, ``2 min``, ``3 h``, ``4 d``."""
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(0, seconds):.0f} s"


def _row(path: pathlib.Path, name: str, now: float) -> Row:
    from gan_jax.runs import folder, logs

    written = [path / name for name in (folder.METRICS, folder.RUN) if (path / name).is_file()]
    old = age(now - written[0].stat().st_mtime)
    try:
        config, starts = folder.read(path).config, folder.starts(path) or [{}]
        steps = [line["step"] for line in logs.lines(path / folder.METRICS)]
    except ConfigError as error:
        return Row((name, "-", "-", "-", "-", "damaged", old), str(error))
    step = f"{max(steps, default=0):,} of {config.steps:,}"
    best, last = _scores(path / folder.EVAL)
    recipe = _recipe(starts[0].get("command", [])) or config.dataset
    return Row((name, recipe, step, best, last, _state(path, starts[-1], config.steps), old))


def _state(path: pathlib.Path, start: dict[str, Any], steps: int) -> str:
    from gan_jax.runs import lock

    if lock.holder(path) is not None:
        return "running"
    if "diverged" in start:
        return "diverged"
    if start.get("end_step", 0) >= steps:
        return "finished"
    return "killed" if lock.left_behind(path) else "stopped"


def _scores(folder: pathlib.Path) -> tuple[str, str]:
    """The best and the last score, each with its step."""
    from gan_jax.evaluation.checkpoints import FRECHET, MODES, ranks
    from gan_jax.runs import evaluations

    ranked = {step: ranks(values) for step, values in evaluations.read(folder).by_step.items()}
    for title in (MODES, FRECHET):
        of = {step: own[title] for step, own in ranked.items() if title in own}
        if of:
            best = min(of, key=lambda step: (of[step], step))
            return tuple(f"{_score(of[step])} at {step:,}" for step in (best, max(of)))
    return "-", "-"


def _score(rank: tuple[float, ...]) -> str:
    if len(rank) == 1:
        return f"FD {rank[0]:.3g}"
    return f"{-rank[0]:.3g} modes, {-rank[1]:.0%}"


def _recipe(command: list[str]) -> str | None:
    """The recipe in a command line; None if there is none."""
    from gan_jax.recipes import RECIPES

    return next((word for word in command if word in RECIPES), None)
