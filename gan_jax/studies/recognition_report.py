"""Tables and curves of the study `recognition`, from the lines of its results."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

from gan_jax.studies.augmenting import ARMS
from gan_jax.studies.intervals import Interval, interval

BASE = "classic"
"""What the generated images have to beat."""
TITLES = {
    "real": "real",
    "classic": "real, classic augmentation",
    "generated": "generated only",
    "real+generated": "real + generated",
    "both": "real + generated, classic augmentation",
}

Line = dict[str, Any]
Summary = dict[tuple[str, str], tuple[Interval, int]]
"""By labels and arm: the mean test accuracy with its 95 % interval, and the number of seeds. An arm
named ``X - classic`` is the mean of the differences of the same seeds, hence of the same real
images.
"""


def summarize(lines: list[Line]) -> Summary:
    """Labels in the order of their number, ``all`` last."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for line in lines:
        if line["arm"] in ARMS:
            found.setdefault((line["labels"], line["arm"]), {})[line["seed"]] = line["accuracy"]
    summary: Summary = {}
    for labels in sorted({labels for labels, _ in found}, key=order):
        of_arm = {arm: found[labels, arm] for arm in ARMS if (labels, arm) in found}
        for arm, by_seed in of_arm.items():
            summary[labels, arm] = interval(list(by_seed.values())), len(by_seed)
        base = of_arm.get(BASE, {})
        for arm, by_seed in of_arm.items():
            differences = [by_seed[seed] - base[seed] for seed in by_seed if seed in base]
            if arm != BASE and differences:
                summary[labels, f"{arm} - {BASE}"] = interval(differences), len(differences)
    return summary


def order(labels: str) -> float:
    """A key to sort numbers of labels by."""
    return float("inf") if labels == "all" else int(labels)


def as_csv(summary: Summary) -> str:
    """``labels,arm,seeds,mean,half_width``, accuracies as shares."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["labels", "arm", "seeds", "mean", "half_width"])
    for (labels, arm), (found, n) in summary.items():
        writer.writerow(
            [
                labels,
                arm,
                n,
                f"{found.mean:.6f}",
                f"{found.half:.6f}" if found.half == found.half else "",
            ]
        )
    return text.getvalue()


def as_markdown(summary: Summary, about: str) -> str:
    """Two tables: the accuracies, and the differences to classic augmentation, in percent."""
    tables = [
        ("Test accuracy in %, mean and 95 % interval over the seeds", list(ARMS)),
        (
            f"Difference to `{BASE}` on the same real images, in percentage points",
            [f"{arm} - {BASE}" for arm in ARMS if arm != BASE],
        ),
    ]
    lines = [about, ""]
    rows = list(dict.fromkeys(labels for labels, _ in summary))
    for title, columns in tables:
        lines += [title + ":", "", f"| labels a class | {' | '.join(columns)} | seeds |"]
        lines += ["| ---: |" + " ---: |" * (len(columns) + 1)]
        for labels in rows:
            cells = [summary.get((labels, column)) for column in columns]
            seeds = max((cell[1] for cell in cells if cell), default=0)
            signed = " - " in columns[0]
            lines.append(
                f"| {labels} | {' | '.join(_shown(cell, signed) for cell in cells)} | {seeds} |"
            )
        lines.append("")
    return "\n".join(lines)


def _shown(cell: tuple[Interval, int] | None, signed: bool) -> str:
    if cell is None:
        return "-"
    mean, half = (100 * value for value in cell[0])
    told = f"{mean:+.2f}" if signed else f"{mean:.2f}"
    return told if half != half else f"{told} ± {half:.2f}"


def draw(summary: Summary, title: str, path: Path) -> bool:
    """Curves of the test error over the labels, as PNG; False where matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    labels = list(dict.fromkeys(labels for labels, _ in summary))
    for i, arm in enumerate(ARMS):
        places = [place for place, label in enumerate(labels) if (label, arm) in summary]
        found = [summary[labels[place], arm][0] for place in places]
        if not found:
            continue
        halves = [0.0 if f.half != f.half else 100 * f.half for f in found]
        shifted = [
            place + 0.04 * (i - len(ARMS) // 2) for place in places
        ]  # so that bars do not hide each other
        errors = [100 * (1 - f.mean) for f in found]
        axes.errorbar(
            shifted, errors, halves, marker="o", markersize=4, capsize=3, label=TITLES[arm]
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlabel("real labelled images a class")
    axes.set_ylabel("test error, %")
    axes.set_title(title)
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside lower center", ncols=2)
    unfinished = path.with_name(f".{path.name}")
    figure.savefig(unfinished, format="png", dpi=150)
    os.replace(unfinished, path)
    return True
