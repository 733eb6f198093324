"""Tables and curves of the study `few_images`, from the lines of its results."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_jax.files import replacing
from gan_jax.metrics.estimate import Estimate, mean
from gan_jax.runs.lines import Line

REAL = "real"
"""The arm of the training images themselves."""
MEASURES = (
    *("distance", "r_v", "r_t"),
    *("score_training", "score_held_out", "score_fake", "p"),
)
"""In a line a list each, with one number per seed; only ADA has ``p``."""
TITLES = {"none": "no augmentation", "diffaugment": "DiffAugment", "ada": "ADA"}
LOOKS = {"none": ("#D55E00", "o"), "diffaugment": ("#0072B2", "s"), "ada": ("#009E73", "^")}
"""Colour and marker of a curve; the colours are those of Okabe & Ito, told apart by everyone."""
PANELS = {
    "distance": "Fréchet distance",
    "r_v": "overfitting $r_v$",
    "p": "ADA's probability $p$",
}
COLUMNS = (
    *("images", "augmentation", "seeds", "smallest distance", "after images"),
    *("last distance", "last / smallest", "last r_v", "last p"),
)
PANEL_WIDTH, PANEL_HEIGHT = 3.2, 2.1
"""Inches."""


class Curve(NamedTuple):
    """The trainings of a cell. ``seen``: real images ``[t]``; ``values``: of a measure ``[t,
    K]``.
    """

    seen: np.ndarray
    values: np.ndarray


def curves(lines: list[Line], measure: str) -> dict[tuple[str, str], Curve]:
    """The curve of each number of images, in ascending order, and arm that has the measure."""
    found: dict[tuple[str, str], dict[int, list[float]]] = {}
    for line in lines:
        if line["arm"] != REAL and measure in line:
            found.setdefault((line["images"], line["arm"]), {})[line["seen"]] = line[measure]
    number = lambda cell: math.inf if cell[0] == "all" else int(cell[0])
    return {
        cell: Curve(np.array(sorted(own)), np.array([own[seen] for seen in sorted(own)]))
        for cell, own in sorted(found.items(), key=lambda item: number(item[0]))
    }


def summarize(lines: list[Line]) -> list[dict[str, Any]]:
    """A row for each cell, with means over the seeds and their 95 % intervals as ``[mean, low,
    high]``, null for none: the smallest distance (``min``), the number of images ``at`` which it
    is reached, the ``last`` distance and its ``ratio`` to the smallest one, and the last ``r_v``
    and ``p``; ``real`` is the distance of the training images themselves.
    """
    real = {line["images"]: line["distance"][0] for line in lines if line["arm"] == REAL}
    last = {measure: curves(lines, measure) for measure in ("r_v", "p")}
    rows = []
    for (images, arm), (seen, values) in curves(lines, "distance").items():
        least, end = values.min(0), values[-1]
        row = {"images": images, "arm": arm, "seeds": values.shape[1], "real": real[images]}
        numbers = {"min": least, "at": seen[values.argmin(0)], "last": end, "ratio": end / least}
        numbers |= {
            name: own[images, arm].values[-1] for name, own in last.items() if (images, arm) in own
        }
        rows.append(row | {name: _listed(mean(own)) for name, own in numbers.items()})
    return rows


def _listed(found: Estimate) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in found]


def as_csv(lines: list[Line]) -> str:
    """All numbers: a row for each cell, measurement and seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["images", "arm", "seed", "seen", *MEASURES])
    for line in lines:
        for seed in range(len(line["distance"])):
            numbers = [f"{line[name][seed]:.6g}" if name in line else "" for name in MEASURES]
            writer.writerow([line["images"], line["arm"], seed, line.get("seen", ""), *numbers])
    return text.getvalue()


def as_markdown(rows: list[dict[str, Any]], about: str) -> str:
    """The table of `summarize`."""
    lines = [about, "", f"| {' | '.join(COLUMNS)} |"]
    lines += ["| ---: | --- |" + " ---: |" * len(COLUMNS[2:])]
    for row in rows:
        cells = [_shown(row[name], form) for name, form in (("min", ".2f"), ("at", ",.0f"))]
        cells += [_shown(row[name], ".2f") for name in ("last", "ratio", "r_v")]
        cells += [_shown(row["p"], ".2f") if "p" in row else "-"]
        lines.append(
            f"| {row['images']} | {TITLES[row['arm']]} | {row['seeds']} | {' | '.join(cells)} |"
        )
    real = {row["images"]: row["real"] for row in rows}
    known = ", ".join(f"{value:.3f} ({images})" for images, value in real.items())
    lines += ["", f"Distance of the training images themselves: {known}.", ""]
    return "\n".join(lines)


def _shown(found: list[float | None], form: str) -> str:
    value, _, high = found
    if value is None:
        return "-"
    return f"{value:{form}}" if high is None else f"{value:{form}} ± {high - value:{form}}"


def draw(lines: list[Line], path: Path) -> None:
    """Curves over the images seen, as PNG: a column for each number of images, a row for each
    measure of `PANELS`. Bands are 95 % intervals over the seeds.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    found = {measure: own for measure in PANELS if (own := curves(lines, measure))}
    columns = list(dict.fromkeys(images for images, _ in found["distance"]))
    size = (PANEL_WIDTH * len(columns) + 1.2, PANEL_HEIGHT * len(found) + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(found), len(columns), squeeze=False, sharex="col", sharey="row")
    for row, (measure, own) in zip(panels, found.items(), strict=True):
        row[0].set_ylabel(PANELS[measure])
        for axes, images in zip(row, columns, strict=True):
            for (of_images, arm), curve in own.items():
                if of_images == images:
                    _plot(axes, arm, curve)
            axes.grid(alpha=0.3)
    distances = np.concatenate([own.values.ravel() for own in found["distance"].values()])
    for axes, images in zip(panels[0], columns, strict=True):
        axes.set_yscale("log")
        axes.set_ylim(0.8 * distances.min(), 1.25 * distances.max())  # a band may reach below 0
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        axes.set_title("all images" if images == "all" else f"{int(images):,} images")
    for axes in panels[-1]:
        axes.set_xlabel("real images seen, thousands")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=85)


def _plot(axes: Any, arm: str, curve: Curve) -> None:
    colour, marker = LOOKS[arm]
    thousands, each = curve.seen / 1_000, [mean(values) for values in curve.values]
    centre, low, high = (np.array(numbers) for numbers in zip(*each, strict=True))
    axes.plot(thousands, centre, color=colour, marker=marker, markersize=3, label=TITLES[arm])
    if np.isfinite(low).all():
        axes.fill_between(thousands, low, high, color=colour, alpha=0.2, linewidth=0)
