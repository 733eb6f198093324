"""Table and curves of the study of texts, from the lines of its results."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gan_jax.files import replacing
from gan_jax.metrics.estimate import mean
from gan_jax.metrics.texts import TEXT_SCORES
from gan_jax.report.scores import shown
from gan_jax.runs.lines import Line
from gan_jax.studies.text_methods import METHODS

COLUMNS = (
    "reverse_bits", "forward_bits", "divergence_4", "copied", "distinct", "held_out_found",
    "valid", "distinct_valid", "recognized", "bleu_4", "self_bleu_4",
)  # fmt: skip
"""The scores of the table, those that there are."""
QUALITY, DIVERSITY = "forward_bits", "reverse_bits"
"""The axes of the curves."""

Ladder = dict[str, dict[str, float]]


def as_markdown(lines: list[Line], rungs: Ladder, about: str) -> str:
    """A row for each method and temperature, then one for each sampler that counts."""
    columns = [name for name in COLUMNS if any(name in line for line in lines)]
    heads = " | ".join(TEXT_SCORES[name].title for name in columns)
    rows = []
    for (name, temperature), own in _cells(lines).items():
        cells = [_cell(score, [line[score] for line in own]) for score in columns]
        rows.append(f"| {name}, {temperature:g} | {len(own)} | {' | '.join(cells)} |")
    for rung, scores in rungs.items():
        cells = [shown(name, scores[name]) if name in scores else "-" for name in columns]
        rows.append(f"| {rung} | | {' | '.join(cells)} |")
    names = [name for name in METHODS if any(line["method"] == name for line in lines)]
    return "\n".join([
        about,
        "",
        f"| method, temperature | seeds | {heads} |",
        f"| --- | ---: |{' ---: |' * len(columns)}",
        *rows,
        "",
        *(f"- `{name}`: {METHODS[name].title}" for name in names),
        "",
    ])  # fmt: skip


def described(line: Line) -> str:
    """One line on a generator at a temperature."""
    scores = " ".join(
        f"{TEXT_SCORES[name].title} {shown(name, line[name])},"
        for name in COLUMNS[:6]
        if name in line
    )
    return (
        f"{line['method']} at {line['temperature']:g}, seed {line['seed']}: {scores} "
        f"{line['seconds']:.0f} s"
    )


def _cells(lines: list[Line]) -> dict[tuple[str, float], list[Line]]:
    found: dict[tuple[str, float], list[Line]] = {}
    for line in lines:
        found.setdefault((line["method"], line["temperature"]), []).append(line)
    return found


def _cell(score: str, values: list[float]) -> str:
    own = mean(values)
    if np.isnan(own.low):
        return shown(score, own.value)
    return f"{shown(score, own.value)} [{shown(score, own.low)}, {shown(score, own.high)}]"


def draw(lines: list[Line], rungs: Ladder, path: Path) -> None:
    """The curves of quality against diversity over the temperatures, as PNG (Caccia et al. 2020):
    both in bits a token, the better generator is nearer to the lower left corner. Rungs far from
    the methods are left out, and named in the title.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    cells = _cells(lines)
    near = _near(lines, rungs)
    for method in dict.fromkeys(name for name, _ in cells):
        own = sorted((t, group) for (name, t), group in cells.items() if name == method)
        at = [[np.mean([x[score] for x in group]) for _, group in own]
              for score in (QUALITY, DIVERSITY)]  # fmt: skip
        axes.plot(*at, marker="o", markersize=4, label=method)
        for (t, _), x, y in zip(own, *at, strict=True):
            axes.annotate(f"{t:g}", (x, y), textcoords="offset points", xytext=(3, 3), fontsize=6)
    for rung, scores in near.items():
        axes.plot(scores[QUALITY], scores[DIVERSITY], "*" if rung == "real" else "+", color="black")
        axes.annotate(
            rung, (scores[QUALITY], scores[DIVERSITY]), textcoords="offset points",
            xytext=(4, -8), fontsize=6,
        )  # fmt: skip
    if far := [rung for rung in rungs if rung not in near]:
        axes.set_title(f"not shown, far from these: {', '.join(far)}", fontsize=8)
    axes.set_xlabel("bits a token of samples, by n-grams of training texts (quality)")
    axes.set_ylabel("bits a token of held-out texts, by n-grams of samples")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3)
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=150)


def _near(lines: list[Line], rungs: Ladder) -> Ladder:
    """The rungs within twice the range of the methods and of real text."""
    near = dict(rungs)
    for score in (QUALITY, DIVERSITY):
        values = [float(line[score]) for line in lines] + [rungs["real"][score]]
        low, high = min(values), max(values)
        margin = high - low
        near = {
            rung: own for rung, own in near.items() if low - margin <= own[score] <= high + margin
        }
    return near
