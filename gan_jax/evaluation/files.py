"""The files of an evaluation, written whole or not at all, and its table in a terminal.

``step_XXXXXX.json``, ``step_XXXXXX_PICTURE.png`` and ``scores.csv``, which has a row a step. Other
settings than the default have files of their own: the suffix of `Settings` stands behind
``step_XXXXXX`` and ``scores``.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gan_jax import pictures
from gan_jax.errors import ConfigError
from gan_jax.evaluation.judge import Evaluation
from gan_jax.files import write
from gan_jax.metrics import SCORES, Metric, parse

SHOWN_CLASSES = 20
"""Classes that a table lists; the JSON has all."""
LINE = ("frechet_distance", "label_agreement", "test_error", "modes_covered", "high_quality_share")
"""Scores that the one line of an evaluation shows, those of its protocols aside."""


def save(evaluation: Evaluation, folder: Path, suffix: str = "") -> list[Path]:
    """Writes ``step_XXXXXX.json`` and a PNG a picture: each whole or not at all, the JSON last;
    then ``scores.csv`` anew.

    Args:
      suffix: of the evaluation's `Settings`.

    Returns:
      The files, the JSON first.

    Raises:
      ConfigError: if the folder cannot be written.
    """
    stem = f"step_{evaluation.step:06}{suffix}"
    files = {name: f"{stem}_{name}.png" for name in evaluation.pictures}
    values = {f.name: getattr(evaluation, f.name) for f in dataclasses.fields(evaluation)} | {
        "pictures": files
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as unfinished:
            for name, pixels in evaluation.pictures.items():
                pictures.save(Path(unfinished, files[name]), pixels)
            Path(unfinished, f"{stem}.json").write_text(
                json.dumps(values, indent=2, allow_nan=False) + "\n"
            )
            for file in (*files.values(), f"{stem}.json"):
                os.replace(Path(unfinished, file), folder / file)
    except OSError as error:
        raise ConfigError(f"workdir: {folder} cannot be written ({error.strerror}).") from error
    table = write_csv(
        folder, suffix, [{"step": step} | cells(own) for step, own in read(folder, suffix).items()]
    )
    return [folder / f"{stem}.json", *(folder / file for file in files.values()), table]


def read(folder: Path, suffix: str = "") -> dict[int, dict[str, Any]]:
    """What the JSON files of some settings hold, by step, oldest first; one that is unreadable is
    left out.
    """
    found = {}
    for path in folder.glob(f"step_*{suffix}.json"):
        name = re.fullmatch(rf"step_(\d+){re.escape(suffix)}\.json", path.name)
        try:
            values = json.loads(path.read_text()) if name else None
        except (OSError, ValueError):
            continue
        if isinstance(values, dict):
            found[int(name[1])] = values
    return dict(sorted(found.items()))


def loaded(values: dict[str, Any]) -> Evaluation:
    """The evaluation that `save` wrote, without its pictures."""
    fields = {f.name: values[f.name] for f in dataclasses.fields(Evaluation) if f.name in values}
    return Evaluation(**fields | {"pictures": {}})


def scalars(values: dict[str, Any]) -> dict[str, tuple[float | None, float | None, float | None]]:
    """Value, low and high of every score that is one number, of the JSON's values; a protocol's as
    ``fid10k.frechet_distance``.
    """
    found = {
        name: (value, *values.get("intervals", {}).get(name, (None, None)))
        for name, value in values.get("scores", {}).items()
        if not isinstance(value, dict)
    }
    for protocol, scores in values.get("protocols", {}).items():
        found |= {
            f"{protocol}.{name}": tuple(own)
            for name, own in scores.items()
            if not isinstance(own, dict)
        }
    return found


def cells(values: dict[str, Any]) -> dict[str, float | None]:
    """`scalars` as cells of a row: ``NAME``, ``NAME_low``, ``NAME_high``."""
    return {
        f"{name}{end}": number
        for name, own in scalars(values).items()
        for end, number in zip(("", "_low", "_high"), own, strict=True)
    }


def write_csv(folder: Path, suffix: str, rows: Iterable[dict[str, Any]]) -> Path:
    """Writes ``scores.csv`` so that it is the old or the new one at any moment; an empty cell is a
    number that is not known.

    Raises:
      ConfigError: if it cannot be written.
    """
    rows, text = list(rows), io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    path = folder / f"scores{suffix}.csv"
    write(path, text.getvalue())
    return path


def line(evaluation: Evaluation) -> str:
    """The step and the scores that matter most, with their intervals."""
    numbers = scalars(vars(evaluation))
    chosen = [name for name in numbers if name in LINE or "." in name]
    told = [f"{_title(name)} {_with_interval(name, numbers[name])}" for name in chosen]
    return f"step {evaluation.step:,}: {'; '.join(told) or 'no score of one number'}"


def table(evaluation: Evaluation) -> str:
    """The scores of samples and of real images side by side, with what was compared with what, to
    be read in a terminal.
    """
    scores, real = evaluation.scores, evaluation.real
    intervals, real_intervals = evaluation.intervals, evaluation.real_intervals
    lines = [f"{'':30}{'samples':>10}  {'95 % interval':19}{'real images':>12}  95 % interval"]
    by_class = [name for name, score in scores.items() if isinstance(score, dict)]
    for name in (name for name in scores if name not in by_class):
        cells = scores[name], intervals.get(name), real.get(name), real_intervals.get(name)
        lines.append(_row(name, SCORES[name].title, *cells))
    for name in by_class:
        lines += ["", f"{SCORES[name].title}, by class"]
        for label in list(scores[name])[:SHOWN_CLASSES]:
            cells = (
                part.get(name, {}).get(label) for part in (scores, intervals, real, real_intervals)
            )
            lines.append(_row(name, f"  {label}", *cells))
        if len(scores[name]) > SHOWN_CLASSES:
            lines.append(f"  ... {len(scores[name])} classes in all")
    return "\n".join([*lines, *_protocol_lines(evaluation), "", *_told_about(evaluation)])


def _row(name: str, title: str, value, interval, real, real_interval) -> str:
    cells = f"{_shown(name, value):>10}  {_ends(name, interval):19}{_shown(name, real):>12}  {_ends(name, real_interval)}"
    return f"{title:30}{cells}".rstrip()


def _protocol_lines(evaluation: Evaluation) -> list[str]:
    lines = []
    for protocol, scores in evaluation.protocols.items():
        lines += ["", f"{_metric(protocol).title}, {protocol}"]
        for name, own in scores.items():
            by_class = own if isinstance(own, dict) else {SCORES[name].title: own}
            for label, (value, *ends) in list(by_class.items())[:SHOWN_CLASSES]:
                lines.append(f"  {label:28}{_shown(name, value):>10}  {_ends(name, ends)}")
    return lines


def _told_about(evaluation: Evaluation) -> list[str]:
    """What was compared with what, through what, and what is missing."""
    about = evaluation.provenance
    samples, yardstick, network = about["samples"], about["real"], about["feature_network"]
    right = (
        f", right on {network['test_accuracy']:.2%} of {_told(yardstick)}"
        if "test_accuracy" in network
        else ""
    )
    truncation = about.get("truncation")
    within = "" if truncation is None else f", latents within {truncation:g}"
    left_out = dict.fromkeys((SCORES[name].title, why) for name, why in evaluation.left_out.items())
    return [
        f"samples:     {samples['images']:,} of step {evaluation.step:,}, against {_told(samples['reference'])}{within}.",
        f"real images: {_told(yardstick)}, against {_told(yardstick['reference'])}: the yardstick.",
        f"features:    {network['features']} of {network['network']}{right}.",
        *(f"left out:    {title}, as {why}." for title, why in left_out),
    ]


def _metric(protocol: str) -> Metric:
    (parsed,) = parse(protocol)
    return parsed.definition


def _title(name: str) -> str:
    protocol, _, score = name.rpartition(".")
    return f"{protocol} {SCORES[score].title}".strip()


def _with_interval(name: str, numbers: tuple[float | None, ...]) -> str:
    score, ends = name.rpartition(".")[2], _ends(name.rpartition(".")[2], numbers[1:])
    return _shown(score, numbers[0]) + (f" ({ends})" if ends else "")


def _told(part: dict[str, Any]) -> str:
    return f"{part['images']:,} images of {part['split']}"


def _ends(name: str, interval: Iterable[float | None] | None) -> str:
    """An interval, empty where neither end is known."""
    ends = list(interval or ())
    if all(end is None for end in ends):
        return ""
    low, high = ends
    return f"{_shown(name, low)} to {_shown(name, high)}"


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if SCORES[name].share else f"{value:.4g}"
