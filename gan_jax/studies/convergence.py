"""Measure how often published methods converge on problems with known answers, with many seeds.

The Dirac-GAN tests convergence to an equilibrium, from one starting point per seed. A grid of 25
Gaussians (with --problems ring8, a ring of 8) tests whether all modes are covered. Results:

  success.csv, success.md         success rates with 95% Wilson intervals
  dirac.png                       trajectories in the plane of generator and discriminator, one
                                  panel per method
  grid25.png, ring8.png           samples of each method's median seed over the true centres
"""

from __future__ import annotations

import csv
import dataclasses
import io
import pathlib
import sys
import time
from typing import Any

from gan_jax import command_line
from gan_jax.errors import ConfigError, at_least, fits_memory, one_of
from gan_jax.files import check_folder, write
from gan_jax.studies import command
from gan_jax.studies.methods import METHODS, STEPS

DIRAC, MIXTURES = "dirac", ("grid25", "ring8")
DEFAULT = "dirac,grid25"
LOCAL = ("r1", "r1_r2", "consensus", "extragradient")
"""Methods whose local convergence rate is compared with the Jacobian's; they draw no random numbers
and apply the same rule at every step.
"""

DIRAC_COLUMNS = (
    *("method", "converged (runs)", "95% interval", "theory", "median distance left (fraction)"),
)
MIXTURE_COLUMNS = (
    *("method", "success (seeds)", "95% interval"),
    *("modes covered, mean", "high-quality samples, mean"),
)
LEAST_BYTES = 4096
"""A lower bound of the memory per GAN, for any problem."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    workdir: pathlib.Path = pathlib.Path("studies/convergence")
    """Folder for tables and figures; it must be empty unless --overwrite is given."""
    problems: str = DEFAULT
    """Problems, separated by commas: dirac, grid25, ring8."""
    methods: str = "all"
    """Methods, separated by commas, or all."""
    seeds: int = 32
    """GANs trained in parallel for each method and problem."""
    steps: int = STEPS
    """G steps on the mixtures."""
    overwrite: bool = False
    """Replace the contents of the folder."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: done; 2: wrong input, and nothing was written."""
    with command.asked("convergence", __doc__, argv, Options) as options:
        problems = [
            one_of("problems", name, (DIRAC, *MIXTURES)) for name in options.problems.split(",")
        ]
        names = list(METHODS) if options.methods == "all" else options.methods.split(",")
        methods = [one_of("methods", name, METHODS) for name in names]
        at_least("seeds", options.seeds, 1)
        at_least("steps", options.steps, 1)
        fits_memory("seeds", f"{options.seeds:,} GANs", LEAST_BYTES * options.seeds)
        check_folder("workdir", options.workdir)
        if not options.overwrite and options.workdir.exists() and any(options.workdir.iterdir()):
            raise ConfigError(
                f"workdir {options.workdir} is not empty; use a new folder, or --overwrite."
            )
        command_line.divide_cpu(options.seeds)
        command_line.keep_compilations()
        return run(options, problems, methods)


def run(options: Options, problems: list[str], methods: list[str]) -> int:
    from tqdm import tqdm

    from gan_jax.studies import figures, games

    tried = lambda problem, name: (
        (METHODS[name].dirac if problem == DIRAC else METHODS[name].mixtures) is not None
    )
    cells = [(problem, name) for problem in problems for name in methods if tried(problem, name)]
    rows, seen = [], {problem: {} for problem in problems}
    with tqdm(cells, unit=" cells", desc="convergence", disable=None, dynamic_ncols=True) as bar:
        for problem, name in bar:
            bar.set_postfix_str(f"{problem}, {name}")
            began = time.perf_counter()
            if problem == DIRAC:
                result = games.dirac(METHODS[name], options.seeds)
            else:
                result = games.mixture(METHODS[name], problem, options.seeds, options.steps)
            seconds = time.perf_counter() - began
            rows.append(_row(problem, name, result.success, result.score, result.quality, seconds))
            seen[problem][METHODS[name].title] = result
            tqdm.write(_line(rows[-1]))
    options.workdir.mkdir(parents=True, exist_ok=True)
    _write(options.workdir, rows, [name for name in LOCAL if name in methods and DIRAC in problems])
    for problem, results in seen.items():
        draw = figures.trajectories if problem == DIRAC else figures.samples
        draw(options.workdir / f"{problem}.png", problem, results)
    print(f"Written: {options.workdir}")
    return 0


def _row(
    problem: str, name: str, success: Any, score: float, quality: float | None, seconds: float
) -> dict[str, Any]:
    """A row of the table."""
    from gan_jax.metrics.estimate import share

    method, k, n = METHODS[name], int(success.sum()), len(success)
    rate, low, high = share(k / n, n)
    theories = {None: "-", True: "converges", False: "does not"}
    return {
        "problem": problem,
        "name": name,
        "title": method.title,
        "source": method.source,
        "theory": theories[method.converges] if problem == DIRAC else "-",
        "successes": k,
        "seeds": n,
        "rate": rate,
        "low": low,
        "high": high,
        "score": score,
        "quality": quality,
        "seconds": seconds,
    }


def _line(row: dict[str, Any]) -> str:
    found = f"{row['successes']:3} of {row['seeds']}   {row['score']:.4g}"
    return f"{row['problem']:8} {row['title']:32} {found}"


def _write(folder: pathlib.Path, rows: list[dict[str, Any]], local: list[str]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    write(folder / "success.csv", text.getvalue())
    lines = table(rows) + (rates(local) if local else [])
    write(folder / "success.md", "\n".join(lines) + "\n")


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown, one table per problem. ``score``: median distance at the end relative to the start,
    or mean number of modes covered.
    """
    lines = []
    for problem in dict.fromkeys(row["problem"] for row in rows):
        on_dirac = problem == DIRAC
        columns = DIRAC_COLUMNS if on_dirac else MIXTURE_COLUMNS
        lines += [
            "",
            f"**{problem}**",
            "",
            f"| {' | '.join(columns)} |",
        ]
        lines.append("| --- | ---: | ---: | " + ("--- | ---: |" if on_dirac else "---: | ---: |"))
        for row in (row for row in rows if row["problem"] == problem):
            if on_dirac:
                cells = row["theory"], f"{row['score']:.2g}"
            else:
                cells = f"{row['score']:.1f}", f"{row['quality']:.0%}"
            lines.append(
                f"| {row['title']} ({row['source']}) | {row['successes']} / {row['seeds']} | "
                f"{row['low']:.0%} - {row['high']:.0%} | {' | '.join(cells)} |"
            )
    return lines[1:]


def rates(names: list[str]) -> list[str]:
    """Markdown: the factor by which a step shrinks the distance to the equilibrium, predicted by
    the Jacobian and measured.
    """
    from gan_jax.studies.games import local_rate

    lines = ["", "**dirac, near the equilibrium**", ""]
    lines += [
        "| method | factor per step, from the Jacobian | factor per step, measured | "
        "ratio of the rates |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name in names:
        theory, measured = local_rate(METHODS[name])
        ratio = (1 - measured) / (1 - theory)
        lines.append(f"| {METHODS[name].title} | {theory:.5f} | {measured:.5f} | {ratio:.4f} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
