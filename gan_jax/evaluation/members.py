"""The evaluation of a population: all members, means with intervals over those that did not fail,
and the failed fraction.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError
from gan_jax.evaluation import files as evaluation_files
from gan_jax.evaluation.evaluator import Evaluator
from gan_jax.evaluation.result import Evaluation
from gan_jax.evaluation.text_evaluator import TextEvaluator
from gan_jax.files import write
from gan_jax.metrics.estimate import LEVEL, mean, share
from gan_jax.report.scores import score_title, with_interval
from gan_jax.runs import evaluations as run_evaluations
from gan_jax.runs import folder as run_folder
from gan_jax.runs import logs
from gan_jax.runs.provenance import provenance
from gan_jax.sweeps import Population
from gan_jax.types import GanState

FAR = 3.0
"""A member fails if its Fréchet distance exceeds the population median by this factor."""
LINE = ("frechet_distance", "reverse_bits")
"""Scores of which the line of a population has the first that there is."""
CRITERION = (
    f"a metric or weight that is not finite, a Fréchet distance above {FAR:g} times the median of "
    "all members or, if the modes are known, fewer modes than the real examples cover"
)


@dataclasses.dataclass(frozen=True)
class Aggregate:
    """Members with the same setting, which differ only in their seeds.

    ``failed``: the reason, by the number of the member. ``share``: the failed fraction with the
    ends of its Wilson interval. ``scores``: by name (such as ``fid10k.frechet_distance``), the mean
    over the other members with the ends of Student's interval, and their number; an end is None if
    there are too few members.
    """

    name: str
    members: tuple[int, ...]
    failed: dict[int, str]
    share: tuple[float, float, float]
    scores: dict[str, dict[str, float | None]]

    @property
    def title(self) -> str:
        return self.name or "all members"


def failures(workdir: Path, step: int) -> dict[int, str]:
    """The reasons of members that failed in training up to a step, by member number."""
    return {
        line["member"]: line["failed"]
        for line in logs.lines(workdir / run_folder.MEMBERS, step)
        if "member" in line
    }


def evaluate_members(
    evaluator: Evaluator | TextEvaluator,
    gans: Sequence[Gan],
    state: Callable[[int], GanState],
    failed: dict[int, str],
) -> dict[int, Evaluation]:
    """Evaluates the members that did not fail in training, all on the same latents.

    Args:
      gans, state: the GANs of all members; ``state`` returns a member's state by its number.
      failed: the result of `failures`; these members are left out.

    Returns:
      The evaluations by the number of the member.

    Raises:
      ConfigError: if every member has failed.
    """
    evaluations = {
        i: evaluator.evaluate(gan, state(i)) for i, gan in enumerate(gans) if i not in failed
    }
    if not evaluations:
        raise ConfigError(
            f"workdir: all {len(failed)} members failed, so that there is nothing to evaluate."
        )
    return evaluations


def aggregate(
    population: Population, evaluations: dict[int, Evaluation], failed: dict[int, str]
) -> list[Aggregate]:
    """The means and failures of each setting of a sweep, from the evaluations of its members and
    their failures in training.
    """
    failed = _poor(evaluations) | failed
    result = []
    for i, name in enumerate(population.names()):
        members = tuple(range(i * population.seeds, (i + 1) * population.seeds))
        own = {m: failed[m] for m in members if m in failed}
        kept = [evaluation_files.scalars(vars(evaluations[m])) for m in members if m not in failed]
        of_failed = share(len(own) / len(members), len(members))
        result.append(Aggregate(name, members, own, tuple(of_failed), _means(kept)))
    return result


def save(
    evaluations: dict[int, Evaluation],
    aggregates: list[Aggregate],
    folder: Path,
    suffix: str = "",
) -> list[Path]:
    """Writes ``step_XXXXXX.json`` with the aggregates, ``scores.csv`` with one row per step and
    setting, and each member's files into a folder ``member_XX``.

    Args:
      suffix: the suffix of the `Settings`.

    Raises:
      ConfigError: if the folder cannot be written.
    """
    first = next(iter(evaluations.values()))
    files = [
        evaluation_files.save(own, run_evaluations.of_member(folder, i), suffix)[0]
        for i, own in evaluations.items()
    ]
    path = folder / f"{run_evaluations.stem(first.step, suffix)}.json"
    values = {
        "step": first.step,
        "level": LEVEL,
        "criterion": CRITERION,
        "settings": [dataclasses.asdict(each) for each in aggregates],
        "members": {
            i: file.relative_to(folder).as_posix()
            for i, file in zip(evaluations, files, strict=True)
        },
        "provenance": {"settings": first.provenance.get("settings"), **provenance()},
    }
    write(path, json.dumps(values, indent=2, allow_nan=False) + "\n")
    rows = [
        {"step": step, "setting": each.name} | _cells(each)
        for step, own in run_evaluations.read(folder, suffix).by_step.items()
        for each in loaded(own)
    ]
    return [path, *files, evaluation_files.write_csv(folder, suffix, rows)]


def of_population(values: dict[str, Any]) -> bool:
    """Whether the JSON values of an evaluation are those of a population."""
    return "members" in values


def loaded(values: dict[str, Any]) -> list[Aggregate]:
    """Reads the aggregates written by `save`."""
    number = lambda own: {int(member): why for member, why in own["failed"].items()}
    lists = lambda own: {name: tuple(own[name]) for name in ("members", "share")}
    return [Aggregate(**own | lists(own) | {"failed": number(own)}) for own in values["settings"]]


def scalars(aggregates: list[Aggregate]) -> dict[str, float]:
    """The means by name, prefixed with the setting if there are several, and failed fractions."""
    found = {}
    for each in aggregates:
        prefix = f"{each.name}/" if each.name else ""
        found |= {f"{prefix}{name}": score["mean"] for name, score in each.scores.items()}
        found[f"{prefix}failed"] = each.share[0]
    return found


def line(step: int, aggregates: list[Aggregate]) -> str:
    """The step, and the mean Fréchet distance with interval (of texts, the held-out bits) and the
    failures of each setting.
    """
    texts = []
    for each in aggregates:
        name = next((name for name in LINE if name in each.scores), None)
        text = "no mean"
        if name is not None:
            score = each.scores[name]
            ends = [score["low"], score["high"]]
            text = f"mean {score_title(name)} {with_interval(name, score['mean'], ends)}"
        texts.append(f"{each.title}: {text}, {len(each.failed)} of {len(each.members)} failed")
    return f"step {step:,}: {'; '.join(texts)}"


def table(aggregates: list[Aggregate]) -> str:
    """The aggregates as a table for a terminal."""
    lines = []
    for each in aggregates:
        lines.append(each.title)
        for name, score in each.scores.items():
            ends = "-" if score["low"] is None else f"{score['low']:.4g} to {score['high']:.4g}"
            number = f"({LEVEL:.0%}, {score['members']} members)"
            lines.append(f"  {name:28}{score['mean']:>12.4g}   {ends} {number}")
        part, low, high = (100 * value for value in each.share)
        number = f"({LEVEL:.0%}, {len(each.failed)} of {len(each.members)})"
        lines.append(f"  {'failed':28}{part:>11.1f}%   {low:.1f}% to {high:.1f}% {number}")
        lines += [f"    member {i}: {why}" for i, why in each.failed.items()]
    return "\n".join([*lines, f"failed: {CRITERION}."])


def _poor(evaluations: dict[int, Evaluation]) -> dict[int, str]:
    """The reasons of members whose values are finite but that failed nevertheless."""
    failed = {}
    distances = {
        i: e.scores["frechet_distance"]
        for i, e in evaluations.items()
        if e.scores.get("frechet_distance") is not None
    }
    median = float(np.median(list(distances.values()))) if distances else math.inf
    for i, evaluation in evaluations.items():
        modes = (evaluation.scores | evaluation.matched).get("modes_covered")
        expected = evaluation.real.get("modes_covered")
        if i in distances and distances[i] > FAR * median:
            failed[i] = (
                f"its Fréchet distance {distances[i]:.4g} is above {FAR:g} times the median "
                f"{median:.4g}"
            )
        elif modes is not None and expected is not None and modes < expected:
            failed[i] = f"it covers {modes:g} modes, while real examples cover {expected:g}"
    return failed


def _means(scores: list[dict[str, tuple[float | None, ...]]]) -> dict[str, dict[str, float | None]]:
    """Means of the members' `scalars`, over the members that have the score."""
    means = {}
    for name in scores[0] if scores else ():
        values = [own[name][0] for own in scores if name in own and own[name][0] is not None]
        if values:
            value, *ends = mean(values)
            low, high = (end if math.isfinite(end) else None for end in ends)
            means[name] = {"mean": value, "low": low, "high": high, "members": len(values)}
    return means


def _cells(each: Aggregate) -> dict[str, float | None]:
    keys = {"": "mean", "_low": "low", "_high": "high"}
    cells = {
        f"{name}{end}": score[key]
        for name, score in each.scores.items()
        for end, key in keys.items()
    }
    return cells | dict(zip(("failed", "failed_low", "failed_high"), each.share, strict=True))
