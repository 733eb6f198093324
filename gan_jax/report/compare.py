"""Compares runs side by side: config differences, curves, scores and samples.

``read`` collects the files of a run folder; ``page`` is a pure function of these. A sweep has one
`Entry` per setting.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_jax.config import to_dict
from gan_jax.health.diagnostics import PREFIX
from gan_jax.metrics import SCORES
from gan_jax.metrics.estimate import mean
from gan_jax.report import hyperparameters
from gan_jax.report.charts import Chart, Series, chart
from gan_jax.report.grids import Grid
from gan_jax.report.page import device, duration, png_uri, template
from gan_jax.report.reading import progress
from gan_jax.report.scores import Row, interval, score_rows, score_title, shown
from gan_jax.runs import evaluations as run_evaluations
from gan_jax.runs import folder as run_folder
from gan_jax.runs import logs
from gan_jax.runs.run import Run

MAIN = {
    "d/loss": "loss of D",
    "g/loss": "loss of G",
    PREFIX + "d_accuracy_real": "accuracy of D on real examples",
    PREFIX + "d_accuracy_fake": "accuracy of D on fakes",
    PREFIX + "d_accuracy_held_out": "accuracy of D on held-out examples",
    PREFIX + "d_ranking": "ranking accuracy of D (real above fake)",
    PREFIX + "diversity": "diversity of samples (1: as diverse as the data)",
    PREFIX + "g_grad_norm": "gradient norm of G",
    PREFIX + "d_grad_norm": "gradient norm of D",
}
"""Titles of the metrics that are shown first; all others are folded."""
SHARES = (PREFIX + "d_accuracy", PREFIX + "d_ranking")
"""Prefixes of metrics that are fractions."""
EVALUATION = "eval/"
"""Prefix of the scores of evaluations in the metrics of a run."""


class Point(NamedTuple):
    """A value of a run, with the ends of its 95% interval if known."""

    images: float
    seconds: float
    value: float
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Entry:
    """A GAN, or several GANs that differ only in their seeds.

    Attributes:
      member: the run folder, the run, and the number of the first member.
      curves, scores: points over training by metric; means over the members if there are several.
      rows, evaluated: the scores of the newest evaluation, and its step.
      settings: the settings of the evaluation; scores with equal settings can be compared.
      grid: the newest sample picture, if there is one.
    """

    name: str
    member: tuple[Path, Run, int]
    config: dict[str, Any]
    facts: dict[str, str]
    curves: dict[str, list[Point]]
    scores: dict[str, list[Point]]
    rows: list[Row]
    evaluated: int | None
    settings: Any
    grid: Grid | None


def read(workdir: Path, name: str, suffix: str = "") -> list[Entry]:
    """The entries of a run folder.

    Args:
      name: the name of the run on the page.
      suffix: the suffix of the evaluations' files.

    Raises:
      ConfigError: if this is not a run folder.
    """
    run = run_folder.read(workdir)
    lines = [line for line in logs.lines(workdir / run_folder.METRICS) if "event" not in line]
    evaluations = list(run_evaluations.read(workdir / run_folder.EVAL, suffix).by_step.values())
    axes = _axes(run, lines)
    facts = _facts(run, lines, run_folder.starts(workdir) or [])
    if run.single:
        curves = _points(lines, axes, lambda value: (value,))
        scores = [_single_scores(each) for each in evaluations]
        newest = evaluations[-1] if evaluations else {}
        return [
            Entry(
                *(name, (workdir, run, 0), run.to_dict(), facts, curves),
                *(_points(scores, axes, tuple), score_rows(newest), newest.get("step")),
                *(_settings(newest), _newest_samples(workdir, newest)),
            )
        ]
    of_members = logs.lines(workdir / run_folder.MEMBERS)
    entries = []
    for i, setting in enumerate(run.population.names()):
        own = range(i * run.population.seeds, (i + 1) * run.population.seeds)
        curves = _points(_of_members(of_members, own), axes, lambda found: tuple(mean(found)))
        scores = [_setting_scores(each, i) for each in evaluations]
        newest = evaluations[-1] if evaluations else {}
        entries.append(
            Entry(
                *(
                    f"{name} {setting}".strip(),
                    (workdir, run, own[0]),
                    to_dict(run.configs[own[0]]),
                ),
                *(facts, curves, _points(scores, axes, tuple), _setting_rows(newest, i)),
                *(newest.get("step"), _settings(newest), _newest_samples(workdir, {})),
            )
        )
    return entries


def page(entries: Sequence[Entry], grids: Sequence[Grid | None]) -> str:
    """The comparison as self-contained HTML.

    Args:
      grids: for each entry, samples to show instead of `Entry.grid`, or None.
    """
    names = [entry.name for entry in entries]
    chosen = [grid or entry.grid for grid, entry in zip(grids, entries, strict=True)]
    main = dict.fromkeys(n for n in MAIN if any(n in entry.curves for entry in entries))
    others = dict.fromkeys(
        name
        for entry in entries
        for name in entry.curves
        if name not in main and not name.startswith(EVALUATION)
    )
    return template("compare.html").render(
        title=f"Comparison of {len(names)} runs",
        names=names,
        differences=hyperparameters.differences([entry.config for entry in entries]),
        facts=_rows_of_facts(entries),
        charts=_charts(entries, main, lambda entry: entry.curves),
        others=_charts(entries, others, lambda entry: entry.curves),
        score_charts=_charts(
            entries, dict.fromkeys(n for e in entries for n in e.scores), lambda e: e.scores
        ),
        tables=_tables(entries),
        grids=[
            {
                "number": i,
                "title": names[i],
                "caption": grid.caption,
                "source": png_uri(grid.picture),
            }
            for i, grid in enumerate(chosen)
            if grid
        ],
    )


# Reading


def _axes(run: Run, lines: list[dict]) -> Callable[[float], tuple[float, float]]:
    """A function from a step to the real images seen and the elapsed seconds."""
    per_step = run.config.batch_size * run.config.minibatches
    steps = [0.0, *(line["step"] for line in lines)]
    seconds = [0.0, *(line.get("seconds", math.nan) for line in lines)]
    return lambda step: (step * per_step, float(np.interp(step, steps, seconds)))


def _points(
    lines: list[dict],
    axes: Callable[[float], tuple[float, float]],
    estimate: Callable[[Any], Sequence[float | None]],
) -> dict[str, list[Point]]:
    """By metric, a point for each line that has it."""
    found: dict[str, list[Point]] = {}
    for line in lines:
        for name, value in line.items():
            if name not in ("step", "seconds") and value is not None:
                point = Point(*axes(line["step"]), *estimate(value))
                found.setdefault(name, []).append(point)
    return found


def _of_members(lines: list[dict], members: range) -> list[dict]:
    """The lines of ``members.jsonl``, with the values of the given members that have them."""
    found = []
    for line in lines:
        lists = {name: own for name, own in line.items() if isinstance(own, list)}
        kept = {
            name: [own[m] for m in members if m < len(own) and own[m] is not None]
            for name, own in lists.items()
        }
        found.append({"step": line["step"]} | {n: values for n, values in kept.items() if values})
    return found


def _single_scores(evaluation: dict) -> dict[str, Any]:
    within = evaluation.get("intervals") or {}
    scores = evaluation.get("scores") or {}
    return {"step": evaluation["step"]} | {
        name: (value, *(within.get(name) or (None, None)))
        for name, value in scores.items()
        if isinstance(value, (int, float))
    }


def _setting(evaluation: dict, number: int) -> dict[str, dict]:
    settings = evaluation.get("settings") or []
    return (settings[number].get("scores") or {}) if number < len(settings) else {}


def _setting_scores(evaluation: dict, number: int) -> dict[str, Any]:
    return {"step": evaluation["step"]} | {
        name: (own["mean"], own["low"], own["high"])
        for name, own in _setting(evaluation, number).items()
    }


def _setting_rows(evaluation: dict, number: int) -> list[Row]:
    cell = lambda name, own: (shown(name, own["mean"]), interval(name, [own["low"], own["high"]]))
    scores = _setting(evaluation, number)
    return [Row(name, None, cell(name, own), None) for name, own in scores.items()]


def _settings(evaluation: dict) -> Any:
    return (evaluation.get("provenance") or {}).get("settings")


def _newest_samples(workdir: Path, evaluation: dict) -> Grid | None:
    """The samples of an evaluation, or else the last ones drawn in training."""
    file = (evaluation.get("pictures") or {}).get("samples")
    path = workdir / run_folder.EVAL / Path(file).name if file else None
    if path is not None and path.is_file():
        return Grid(path.read_bytes(), f"Step {evaluation['step']:,}, latents of the evaluation.")
    for step, pictures in reversed(progress(workdir).items()):
        name, picture = next(iter(pictures.items()))
        which = f", {name} member" if name else ""
        return Grid(picture, f"Step {step:,}{which}, latents of the training.")
    return None


def _facts(run: Run, lines: list[dict], starts: list[dict]) -> dict[str, str]:
    step = lines[-1]["step"] if lines else 0
    images = step * run.config.batch_size * run.config.minibatches
    seconds = next((line["seconds"] for line in reversed(lines) if "seconds" in line), None)
    facts = {
        "step": f"{step:,} of {run.config.steps:,}",
        "images": f"{images:,}",
        "training time": "" if seconds is None else duration(seconds),
        "device": device(starts),
        "members": "" if run.single else f"{run.population.seeds} seeds",
        "revision": str(starts[-1].get("git_revision") or "")[:10] if starts else "",
    }
    return {name: text for name, text in facts.items() if text}


# Page


def _rows_of_facts(entries: Sequence[Entry]) -> dict[str, list[str]]:
    names = dict.fromkeys(name for entry in entries for name in entry.facts)
    return {
        name: [entry.facts.get(name, hyperparameters.ABSENT) for entry in entries] for name in names
    }


def _charts(
    entries: Sequence[Entry], names: Mapping[str, None], of: Callable[[Entry], dict]
) -> list[tuple[Chart, Chart]]:
    """Two charts per metric, over images and over time; a run has the same colour in all."""
    latest = max(
        (p.seconds for entry in entries for points in of(entry).values() for p in points),
        default=0.0,
    )
    unit, size = next(
        ((unit, size) for unit, size in (("hours", 3600), ("minutes", 60)) if latest > 3 * size),
        ("seconds", 1),
    )
    axes = (("images", lambda p: p.images), (unit, lambda p: p.seconds / size))
    pairs = []
    for name in names:
        score = SCORES.get(name)
        title = score_title(name) if score else MAIN.get(name, name.removeprefix(PREFIX))
        share = score.share if score else name.startswith(SHARES)
        pair = []
        for axis, place in axes:
            series = [
                Series(
                    entry.name,
                    [place(p) for p in of(entry).get(name, [])],
                    *zip(*[p[2:] for p in of(entry).get(name, [])], strict=True),
                    colour=i,
                )
                for i, entry in enumerate(entries)
                if of(entry).get(name)
            ]
            pair.append(chart(f"{title}, over {axis}", series, share=share, from_zero=True))
        if None not in pair:
            pairs.append(tuple(pair))
    return pairs


def _tables(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The newest scores, in one table per group of runs whose scores can be compared."""
    groups: dict[str, list[int]] = {}
    for i, entry in enumerate(entries):
        if entry.rows:
            data = [entry.config.get(name) for name in ("dataset", "size")]
            groups.setdefault(json.dumps([data, entry.settings], sort_keys=True), []).append(i)
    tables = []
    for members in groups.values():
        of_each = [{row.title: row for row in entries[i].rows} for i in members]
        rows = []
        for title in dict.fromkeys(title for own in of_each for title in own):
            found = [own.get(title) for own in of_each]
            real = next((row.real for row in found if row and row.real), None)
            rows.append((title, [row.sample if row else None for row in found], real))
        tables.append(
            {
                "runs": [(i, entries[i].name, entries[i].evaluated) for i in members],
                "rows": rows,
                "real": any(real for _, _, real in rows),
            }
        )
    return tables
