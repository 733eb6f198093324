"""The files of an evaluation, written atomically, and its table for a terminal.

The files are ``step_XXXXXX.json``, ``step_XXXXXX_PICTURE.png``, for sounds
``step_XXXXXX_samples_CLASS.wav``, and ``scores.csv``, with one row per step. Non-default settings
appear in the file names: the suffix of `gan_jax.evaluation.settings.Settings` follows
``step_XXXXXX`` and ``scores``.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gan_jax import pictures
from gan_jax.errors import ConfigError
from gan_jax.evaluation.result import Evaluation
from gan_jax.files import replacing, write
from gan_jax.metrics import SCORES, Metric, parse
from gan_jax.report.scores import (
    compared,
    interval,
    ladder,
    left_out,
    score_rows,
    score_title,
    shown,
    with_interval,
)
from gan_jax.runs.evaluations import read, stem

SHOWN_TEXTS = 20
"""Maximum number of texts in a table; the JSON has more."""
SHOWN_CLASSES = 20
"""Maximum number of classes in a table; the JSON has all."""
LINE = (
    "frechet_distance", "label_agreement", "test_error", "modes_covered", "high_quality_share",
    "reverse_bits", "copied", "valid", "recognized",
)  # fmt: skip
"""Scores in the one-line summary of an evaluation, in addition to those of its metrics."""


def save(evaluation: Evaluation, folder: Path, suffix: str = "") -> list[Path]:
    """Writes ``step_XXXXXX.json`` and a file per picture and sound, the JSON last; then rewrites
    ``scores.csv``.

    Args:
      suffix: the suffix of the evaluation's `Settings`.

    Returns:
      The files, the JSON first.

    Raises:
      ConfigError: if the folder cannot be written.
    """
    begin = stem(evaluation.step, suffix)
    drawn = {name: f"{begin}_{name}.png" for name in evaluation.pictures}
    heard = {name: f"{begin}_samples_{name}.wav" for name in evaluation.sounds}
    values = {f.name: getattr(evaluation, f.name) for f in dataclasses.fields(evaluation)}
    values |= {"pictures": drawn, "sounds": heard}
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    paths = [folder / name for name in (f"{begin}.json", *drawn.values(), *heard.values())]
    try:
        with contextlib.ExitStack() as stack:  # closes in reverse order, hence the JSON last
            to_json, *others = [stack.enter_context(replacing(path)) for path in paths]
            to_json.write_text(text, encoding="utf-8")
            to_pictures, to_sounds = others[: len(drawn)], others[len(drawn) :]
            for path, pixels in zip(to_pictures, evaluation.pictures.values(), strict=True):
                pictures.save(path, pixels)
            for path, wav in zip(to_sounds, evaluation.sounds.values(), strict=True):
                path.write_bytes(wav)
    except OSError as error:
        raise ConfigError(f"workdir: {folder} cannot be written ({error.strerror}).") from error
    evaluations = read(folder, suffix).by_step
    rows = [{"step": step} | cells(own) for step, own in evaluations.items()]
    return [*paths, write_csv(folder, suffix, rows)]


def loaded(values: dict[str, Any]) -> Evaluation:
    """Reads an evaluation written by `save`, without its pictures and sounds."""
    fields = {f.name: values[f.name] for f in dataclasses.fields(Evaluation) if f.name in values}
    return Evaluation(**fields | {"pictures": {}, "sounds": {}})


def scalars(values: dict[str, Any]) -> dict[str, tuple[float | None, float | None, float | None]]:
    """Value, low and high of every scalar score, from the JSON values; scores of metrics are named
    as in ``fid10k.frechet_distance``.
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
    """`scalars` as the cells of a row: ``NAME``, ``NAME_low``, ``NAME_high``."""
    return {
        f"{name}{end}": number
        for name, own in scalars(values).items()
        for end, number in zip(("", "_low", "_high"), own, strict=True)
    }


def write_csv(folder: Path, suffix: str, rows: Iterable[dict[str, Any]]) -> Path:
    """Writes ``scores.csv``; unknown numbers are empty cells.

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
    """The step and the most important scores with their intervals, in one line."""
    numbers = scalars(vars(evaluation))
    texts = [
        f"{score_title(name)} {with_interval(name, value, ends)}"
        for name, (value, *ends) in numbers.items()
        if name in LINE or "." in name
    ]
    return f"step {evaluation.step:,}: {'; '.join(texts) or 'no scalar score'}"


def table(evaluation: Evaluation) -> str:
    """The scores of samples and of real images side by side, with notes on the comparison, for a
    terminal.
    """
    scores, real = evaluation.scores, evaluation.real
    intervals, real_intervals = evaluation.intervals, evaluation.real_intervals
    lines = [f"{'':30}{'samples':>10}  {'95% interval':19}{'real examples':>14}  95% interval"]
    lines += [
        _row(row.title, *row.sample, *(row.real or ())) for row in score_rows(vars(evaluation))
    ]
    for name in (name for name, score in scores.items() if isinstance(score, dict)):
        lines += ["", f"{score_title(name)}, by class"]
        for label in list(scores[name])[:SHOWN_CLASSES]:
            pairs = (scores, intervals), (real, real_intervals)
            of_label = lambda part, name=name, label=label: part.get(name, {}).get(label)
            cells = [
                text
                for values, within in pairs
                for text in (shown(name, of_label(values)), interval(name, of_label(within)))
            ]
            lines.append(_row(f"  {label}", *cells))
        if len(scores[name]) > SHOWN_CLASSES:
            lines.append(f"  ... {len(scores[name])} classes in all")
    lines += [*_ladder_lines(evaluation), *_text_lines(evaluation)]
    return "\n".join([*lines, *_protocol_lines(evaluation), "", *_notes(evaluation)])


def _row(title: str, value: str, within: str, real: str = "", real_within: str = "") -> str:
    return f"{title:30}{value:>10}  {within:19}{real:>14}  {real_within}".rstrip()


def _ladder_lines(evaluation: Evaluation) -> list[str]:
    """Scores of texts beside those of samplers that count n-grams."""
    if (found := ladder(vars(evaluation))) is None:
        return []
    rows = [("beside counts of n-grams", found["columns"]), *found["rows"]]
    return [
        "",
        *(f"{title:30}" + "".join(f"{cell:>11}" for cell in cells) for title, cells in rows),
    ]


def _text_lines(evaluation: Evaluation) -> list[str]:
    """The first samples, if they are texts; copies are marked."""
    own = evaluation.texts[:SHOWN_TEXTS]
    marks = {True: " (copy)", False: ""}
    lines = [
        f"  {t['class'] + ': ' if t['class'] else ''}{t['text']}{marks[t['copied']]}" for t in own
    ]
    return ["", "samples", *lines] if lines else []


def _protocol_lines(evaluation: Evaluation) -> list[str]:
    lines = []
    for protocol, scores in evaluation.protocols.items():
        lines += ["", f"{_metric(protocol).title}, {protocol}"]
        for name, own in scores.items():
            by_class = own if isinstance(own, dict) else {SCORES[name].title: own}
            for label, (value, *ends) in list(by_class.items())[:SHOWN_CLASSES]:
                lines.append(f"  {label:28}{shown(name, value):>10}  {interval(name, ends)}")
    return lines


def _notes(evaluation: Evaluation) -> list[str]:
    """Notes on what was compared, on the features, and on missing scores."""
    values = vars(evaluation)
    notes = [
        *compared(values),
        *(("left out", f"{t}, because {why}.") for t, why in left_out(values)),
    ]
    return [f"{label + ':':13}{text}" for label, text in notes]


def _metric(protocol: str) -> Metric:
    (parsed,) = parse(protocol)
    return parsed.definition
