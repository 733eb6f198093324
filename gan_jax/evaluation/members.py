"""The evaluation of a population: every member judged, the mean of those that did not fail with its
interval, the share of the others.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

from gan_jax.build import build
from gan_jax.config import Config
from gan_jax.errors import ConfigError
from gan_jax.evaluation import files as evaluation_files
from gan_jax.evaluation.judge import Evaluation, Judge, Settings
from gan_jax.runs import folder as run_folder
from gan_jax.runs import logs
from gan_jax.sweeps import Population
from gan_jax.types import GanState

LEVEL = 0.95
"""Of all intervals."""
FAR = 3.0
"""A member whose Frechet distance is more than so many times the population's median has failed."""
CRITERION = (
    "a metric or weight that is not finite, a Frechet distance above {far:g} times the median of all members, or fewer modes "
    "than real examples where these are known"
)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Members with the same numbers, which differ in their seeds.

    ``failed``: why, by the number of the member. ``share``: of the failed, with the ends of its
    Wilson interval. ``scores``: by metric (a protocol's as ``fid10k.frechet_distance``) the mean
    over the others with the ends of Student's t-interval, and how many they are; None where there
    are too few.
    """

    name: str
    members: tuple[int, ...]
    failed: dict[int, str]
    share: tuple[float, float, float]
    scores: dict[str, dict[str, float | None]]


def evaluate_members(
    workdir: Path, checkpoint: int | None = None, *, far: float = FAR, **options: Any
) -> tuple[dict[int, Evaluation], list[Verdict]]:
    """Evaluates every member of a population whose numbers are finite.

    Args:
      workdir, checkpoint: as for `gan_jax.load`.
      far: see `FAR`.
      options: of `evaluate`, the same for all: the members are judged on the same latents.

    Returns:
      The evaluations by member, and a verdict on each setting of the sweep.

    Raises:
      ConfigError: as `gan_jax.load` and `evaluate`.
    """
    population = run_folder.read_population(workdir)
    if population is None:
        raise ConfigError(
            f"workdir: {workdir} holds a single GAN; accepted: a run of train.py --seeds or --sweep."
        )
    configs, state = run_folder.load_members(workdir, checkpoint)
    judge = Judge(build(configs[0]), configs[0], Settings(**options))
    return judge_members(
        judge, population, configs, state, failures(workdir, int(state(0).step)), far
    )


def failures(workdir: Path, step: int) -> dict[int, str]:
    """How members failed while training up to a step, by their numbers."""
    return {
        line["member"]: line["failed"]
        for line in logs.lines(workdir / run_folder.MEMBERS, step)
        if "member" in line
    }


def judge_members(
    judge: Judge,
    population: Population,
    configs: Sequence[Config],
    state: Callable[[int], GanState],
    failed: dict[int, str],
    far: float = FAR,
) -> tuple[dict[int, Evaluation], list[Verdict]]:
    """`evaluate_members` of states given by number, leaving out those that failed while training."""
    evaluations = {
        i: judge.evaluate(build(own), state(i)) for i, own in enumerate(configs) if i not in failed
    }
    return evaluations, verdicts(population, evaluations, failed, far)


def verdicts(
    population: Population,
    evaluations: dict[int, Evaluation],
    failed: dict[int, str],
    far: float = FAR,
) -> list[Verdict]:
    """What is to be said of each setting of a sweep, from its members' evaluations and the failures
    while training.
    """
    failed = _poor(evaluations, far) | failed
    result = []
    for i, name in enumerate(population.names()):
        members = tuple(range(i * population.seeds, (i + 1) * population.seeds))
        own = {m: failed[m] for m in members if m in failed}
        kept = [evaluation_files.scalars(vars(evaluations[m])) for m in members if m not in failed]
        result.append(Verdict(name, members, own, wilson(len(own), len(members)), _summary(kept)))
    return result


def save(
    evaluations: dict[int, Evaluation],
    given: list[Verdict],
    folder: Path,
    suffix: str = "",
    far: float = FAR,
) -> list[Path]:
    """Writes ``step_XXXXXX.json`` with the verdicts, ``scores.csv`` with a row a step and setting,
    and each member's files into a folder ``member_XX``.

    Args:
      suffix: of the `Settings`.

    Raises:
      ConfigError: if the folder cannot be written.
    """
    first = next(iter(evaluations.values()))
    files = [
        evaluation_files.save(own, folder / f"member_{i:02}", suffix)[0]
        for i, own in evaluations.items()
    ]
    path = folder / f"step_{first.step:06}{suffix}.json"
    values = {
        "step": first.step,
        "level": LEVEL,
        "criterion": CRITERION.format(far=far),
        "settings": [dataclasses.asdict(verdict) for verdict in given],
        "members": {
            i: file.relative_to(folder).as_posix()
            for i, file in zip(evaluations, files, strict=True)
        },
        "provenance": {"settings": first.provenance.get("settings"), **run_folder.provenance()},
    }
    write(path, json.dumps(values, indent=2, allow_nan=False) + "\n")
    rows = [
        {"step": step, "setting": verdict.name} | _cells(verdict)
        for step, own in evaluation_files.read(folder, suffix).items()
        for verdict in loaded(own)
    ]
    return [path, *files, evaluation_files.write_csv(folder, suffix, rows)]


def loaded(values: dict[str, Any]) -> list[Verdict]:
    """The verdicts that `save` wrote."""
    number = lambda verdict: {int(member): why for member, why in verdict["failed"].items()}
    lists = lambda verdict: {name: tuple(verdict[name]) for name in ("members", "share")}
    return [
        Verdict(**verdict | lists(verdict) | {"failed": number(verdict)})
        for verdict in values["settings"]
    ]


def scalars(given: list[Verdict]) -> dict[str, float]:
    """The means by name, behind that of the setting where there are several, and the share of those
    that failed.
    """
    found = {}
    for verdict in given:
        prefix = f"{verdict.name}/" if verdict.name else ""
        found |= {f"{prefix}{name}": score["mean"] for name, score in verdict.scores.items()}
        found[f"{prefix}failed"] = verdict.share[0]
    return found


def line(step: int, given: list[Verdict]) -> str:
    """The step, each setting's mean Frechet distance with its interval, and who failed."""
    told = []
    for verdict in given:
        score = verdict.scores.get("frechet_distance")
        mean = "no mean" if score is None else f"mean Frechet distance {_with_interval(score)}"
        told.append(
            f"{verdict.name or 'all members'}: {mean}, {len(verdict.failed)} of {len(verdict.members)} failed"
        )
    return f"step {step:,}: {'; '.join(told)}"


def table(given: list[Verdict], far: float = FAR) -> str:
    """The verdicts, to be read in a terminal."""
    lines = []
    for verdict in given:
        share, low, high = verdict.share
        lines.append(verdict.name or "all members")
        for name, score in verdict.scores.items():
            interval = "-" if score["low"] is None else f"{score['low']:.4g} to {score['high']:.4g}"
            lines.append(
                f"  {name:28}{score['mean']:>12.4g}   {interval} ({LEVEL:.0%}, {score['members']} members)"
            )
        count = f"{len(verdict.failed)} of {len(verdict.members)}"
        lines.append(
            f"  {'failed':28}{100 * share:>10.1f} %   {100 * low:.1f} to {100 * high:.1f} % ({LEVEL:.0%}, {count})"
        )
        lines += [f"    member {i}: {why}" for i, why in verdict.failed.items()]
    return "\n".join([*lines, f"failed: {CRITERION.format(far=far)}."])


def t_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's interval for the mean of independent values; None for fewer than two."""
    n = len(values)
    if n < 2:
        return None
    half = (
        float(scipy.stats.t.ppf((1 + LEVEL) / 2, n - 1))
        * float(np.std(values, ddof=1))
        / math.sqrt(n)
    )
    mean = float(np.mean(values))
    return mean - half, mean + half


def wilson(successes: int, n: int) -> tuple[float, float, float]:
    """A share with the ends of its score interval (Wilson 1927)."""
    interval = scipy.stats.binomtest(successes, n).proportion_ci(LEVEL, method="wilson")
    return successes / n, float(interval.low), float(interval.high)


def _poor(evaluations: dict[int, Evaluation], far: float) -> dict[int, str]:
    """Why members have failed whose numbers are finite."""
    failed = {}
    distances = {
        i: e.scores["frechet_distance"]
        for i, e in evaluations.items()
        if e.scores.get("frechet_distance") is not None
    }
    median = float(np.median(list(distances.values()))) if distances else math.inf
    for i, evaluation in evaluations.items():
        modes, expected = (
            scores.get("modes_covered") for scores in (evaluation.scores, evaluation.real)
        )
        if i in distances and distances[i] > far * median:
            failed[i] = (
                f"its Frechet distance {distances[i]:.4g} is above {far:g} times the median {median:.4g}"
            )
        elif modes is not None and expected is not None and modes < expected:
            failed[i] = f"modes covered: {modes:g}, where real examples cover {expected:g}"
    return failed


def _summary(
    scores: list[dict[str, tuple[float | None, ...]]],
) -> dict[str, dict[str, float | None]]:
    """Of members' `scalars`: means over those that have the score."""
    summary = {}
    for name in scores[0] if scores else ():
        values = [own[name][0] for own in scores if name in own and own[name][0] is not None]
        if values:
            low, high = t_interval(values) or (None, None)
            summary[name] = {
                "mean": float(np.mean(values)),
                "low": low,
                "high": high,
                "members": len(values),
            }
    return summary


def _cells(verdict: Verdict) -> dict[str, float | None]:
    keys = {"": "mean", "_low": "low", "_high": "high"}
    cells = {
        f"{name}{end}": score[key]
        for name, score in verdict.scores.items()
        for end, key in keys.items()
    }
    return cells | dict(zip(("failed", "failed_low", "failed_high"), verdict.share, strict=True))


def _with_interval(score: dict[str, float | None]) -> str:
    ends = "" if score["low"] is None else f" ({score['low']:.4g} to {score['high']:.4g})"
    return f"{score['mean']:.4g}{ends}"
