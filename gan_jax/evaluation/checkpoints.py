"""The evaluation of a run's checkpoints: one, all, the best, or each new one while the run is being
trained elsewhere.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any, NamedTuple

from gan_jax import checkpoint
from gan_jax.errors import ConfigError
from gan_jax.evaluation import files as evaluation_files
from gan_jax.evaluation import members as evaluation_members
from gan_jax.evaluation.evaluator import Evaluator, evaluator_of
from gan_jax.evaluation.settings import DEFAULT_SETTINGS, Settings
from gan_jax.evaluation.text_evaluator import TextEvaluator
from gan_jax.report import write_report
from gan_jax.runs import evaluations as run_evaluations
from gan_jax.runs import folder as run_folder
from gan_jax.runs import restore
from gan_jax.runs.run import Run
from gan_jax.types import GanState

POLL = 2.0
"""Seconds between two checks for new checkpoints."""


class Summary(NamedTuple):
    """An evaluated step: its scalar ``scores``, a ``line`` and a ``table`` for a terminal, and the
    ``files`` that were written.
    """

    step: int
    scores: dict[str, float]
    line: str
    table: str
    files: list[Path]


class RunEvaluator:
    """Evaluates states of a run, of one GAN or of a population, with the same settings; writes
    files to WORKDIR/eval.

    Raises:
      ConfigError: as `gan_jax.build`.
    """

    def __init__(
        self,
        workdir: Path,
        run: Run,
        settings: Settings = DEFAULT_SETTINGS,
    ):
        self.workdir, self.folder = workdir, workdir / run_folder.EVAL
        self.run, self._settings, self._gan = run, settings, run.gan

    @functools.cached_property
    def _evaluator(self) -> Evaluator | TextEvaluator:
        return evaluator_of(self._gan, self.run.configs[0], self._settings)

    def prepare(self) -> None:
        """Prepares everything that the evaluations share.

        Raises:
          ConfigError: for settings that cannot be met, and as `Evaluator.prepare`.
        """
        self._evaluator.prepare()

    def steps(self) -> list[int]:
        """The steps of the existing checkpoints, oldest first."""
        return checkpoint.steps(self.workdir / run_folder.CHECKPOINTS)

    def done(self) -> dict[int, dict[str, Any]]:
        """The stored evaluations with these settings and features, by step, oldest first."""
        found = run_evaluations.read(self.folder, self._settings.suffix).by_step
        key = self._evaluator.key
        return {
            step: own
            for step, own in found.items()
            if own.get("provenance", {}).get("settings") == key
        }

    def load(self, step: int | None = None) -> Callable[[int], GanState]:
        """The state of each member by its number; a single GAN is number 0. Raises as
        `gan_jax.load`.
        """
        return restore.states(self.workdir, self.run, step)

    def evaluate(self, state: Callable[[int], GanState]) -> Summary:
        """Evaluates the result of `load`, or a state of the run in training, and writes files."""
        single = self.run.single
        summary = self._evaluate_single(state(0)) if single else self._evaluate_members(state)
        report = write_report(self.workdir, self._settings.suffix)
        return summary._replace(files=[*summary.files, report])

    def _evaluate_single(self, state: GanState) -> Summary:
        evaluation = self._evaluator.evaluate(self._gan, state)
        files = evaluation_files.save(evaluation, self.folder, self._settings.suffix)
        numbers = evaluation_files.scalars(vars(evaluation))
        return Summary(
            evaluation.step,
            {name: own[0] for name, own in numbers.items() if own[0] is not None},
            evaluation_files.line(evaluation),
            evaluation_files.table(evaluation),
            files,
        )

    def _evaluate_members(self, state: Callable[[int], GanState]) -> Summary:
        step = int(state(0).step)
        failed = evaluation_members.failures(self.workdir, step)
        gans = self.run.gans
        evaluations = evaluation_members.evaluate_members(self._evaluator, gans, state, failed)
        found = evaluation_members.aggregate(self.run.population, evaluations, failed)
        files = evaluation_members.save(evaluations, found, self.folder, self._settings.suffix)
        return Summary(
            step,
            evaluation_members.scalars(found),
            evaluation_members.line(step, found),
            evaluation_members.table(found),
            files,
        )


def table(values: dict[str, Any]) -> str:
    """The table of an evaluation, from its JSON values."""
    if evaluation_members.of_population(values):
        return evaluation_members.table(evaluation_members.loaded(values))
    return evaluation_files.table(evaluation_files.loaded(values))


def of_run(workdir: Path, settings: Settings = DEFAULT_SETTINGS) -> RunEvaluator:
    """The evaluator of a run folder.

    Warns if its files may not belong together.

    Raises:
      ConfigError: if this is not a run folder, or if it is damaged.
    """
    run = run_folder.read(workdir)
    run_folder.check_lines(workdir)
    if doubt := run_folder.doubt(workdir):
        warnings.warn(doubt, stacklevel=2)
    return RunEvaluator(workdir, run, settings)


def evaluate_all(evaluator: RunEvaluator, tell: Callable[[str], None]) -> list[Path]:
    """Evaluates every checkpoint that has not been evaluated yet, oldest first; calls ``tell`` with
    a line for each.

    Returns:
      The files that were written.

    Raises:
      ConfigError: if there is no checkpoint, or as `Evaluator`.
    """
    steps, files = evaluator.steps(), []
    if not steps:
        raise ConfigError(f"workdir: {evaluator.workdir} holds no checkpoint yet.")
    done = evaluator.done()
    for step in steps:
        if step in done:
            tell(f"step {step:,}: already evaluated")
        elif (state := _loaded(evaluator, step)) is not None:
            summary = evaluator.evaluate(state)
            tell(summary.line)
            files += summary.files
    return list(dict.fromkeys(files))


def best(
    evaluator: RunEvaluator,
    tell: Callable[[str], None],
    among: Callable[[int], bool] = lambda step: True,
) -> int:
    """Evaluates the remaining checkpoints and returns the best step; calls ``tell`` with the step
    and the criterion.

    The best step has the lowest Fréchet distance (for a population, the lowest mean of a setting).
    If the modes are known, it has the most modes covered and, among equals, the highest percentage
    of high-quality samples. For texts, it has the fewest bits of `gan_jax.metrics.ngrams`.

    Args:
      among: the steps to choose from.

    Raises:
      ConfigError: if no step has such a score; or as `evaluate_all`.
    """
    if evaluator.steps() or not evaluator.done():
        evaluate_all(evaluator, tell)
    ranked = {step: ranks(values) for step, values in evaluator.done().items() if among(step)}
    for title in (MODES, FRECHET, BITS):
        found = {step: own[title] for step, own in ranked.items() if title in own}
        if found:
            step = min(found, key=lambda step: (found[step], step))
            tell(f"best: step {step:,} of {len(found)}, by {title}")
            return step
    raise ConfigError(
        "checkpoint 'best' needs a Fréchet distance, but no evaluation has one; use a step, or "
        "metrics with fid."
    )


MODES, FRECHET = "modes covered, then high-quality samples", "Fréchet distance"
BITS = "held-out bits"


def ranks(values: dict[str, Any]) -> dict[str, tuple[float, ...]]:
    """The rankings of an evaluation, from its JSON values: by title, numbers of which the lowest is
    the best.
    """
    if evaluation_members.of_population(values):
        each = [
            {name: own["mean"] for name, own in setting["scores"].items()}
            for setting in values["settings"]
        ]
    else:
        each = [{name: numbers[0] for name, numbers in evaluation_files.scalars(values).items()}]
    found: dict[str, tuple[float, ...]] = {}
    for scores in each:
        known = {name: value for name, value in scores.items() if value is not None}
        own = {}
        if {"modes_covered", "high_quality_share"} <= known.keys():
            own[MODES] = (-known["modes_covered"], -known["high_quality_share"])
        distances = [
            value for name, value in known.items() if name.rpartition(".")[2] == "frechet_distance"
        ]
        if distances:
            own[FRECHET] = (distances[0],)
        if "reverse_bits" in known:
            own[BITS] = (known["reverse_bits"],)
        found |= {title: min(rank, found.get(title, (math.inf,))) for title, rank in own.items()}
    return found


def watch(evaluator: RunEvaluator, tell: Callable[[str], None], poll: float = POLL) -> None:
    """Evaluates each checkpoint as it appears, until the run's last step has been evaluated.

    Checkpoints that are removed before their turn are skipped; one that cannot be restored because
    it is incomplete is tried again.

    Raises:
      ConfigError: as `Evaluator`.
    """
    evaluator.prepare()
    troubled: set[int] = set()
    for step in sorted(set(evaluator.steps()) & set(evaluator.done())):
        tell(f"step {step:,}: already evaluated")
    while True:
        done = evaluator.done()
        waiting = [step for step in evaluator.steps() if step not in done]
        for step in waiting:
            state = _loaded(evaluator, step, quiet=step in troubled)
            if state is None:
                troubled.add(step)
            else:
                tell(evaluator.evaluate(state).line)
        if evaluator.run.config.steps in evaluator.done():
            return
        sleep(poll)


def _loaded(
    evaluator: RunEvaluator, step: int, quiet: bool = False
) -> Callable[[int], GanState] | None:
    """A checkpoint's states; None, with a warning, if it is missing or cannot be restored."""
    try:
        return evaluator.load(step)
    except ConfigError as error:
        if not quiet:
            gone = step not in evaluator.steps()
            warnings.warn(
                f"step {step:,}: its checkpoint was removed" if gone else str(error), stacklevel=2
            )
        return None
