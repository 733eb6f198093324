"""Tables and curves of the study `recognition`, from the lines of its results."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from gan_jax.files import replacing
from gan_jax.metrics.estimate import Estimate, mean
from gan_jax.runs.lines import Line
from gan_jax.studies.augmenting import ARMS

BASE = "classic"
"""The baseline for generated images."""
TITLES = {
    "real": "real",
    "classic": "real, classic augmentation",
    "generated": "generated only",
    "real+generated": "real + generated",
    "both": "real + generated, classic augmentation",
}

Summary = dict[tuple[str, str], tuple[Estimate, int]]
"""For each number of labels and arm: the mean test accuracy with its 95% interval, and the number
of seeds. The arm ``X - classic`` is the mean paired difference over seeds, hence for the same real
images.
"""


def summarize(lines: list[Line]) -> Summary:
    """Sorted by number of labels, ``all`` last."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for line in lines:
        if line["arm"] in ARMS:
            found.setdefault((line["labels"], line["arm"]), {})[line["seed"]] = line["accuracy"]
    summary: Summary = {}
    for labels in sorted({labels for labels, _ in found}, key=order):
        of_arm = {arm: found[labels, arm] for arm in ARMS if (labels, arm) in found}
        for arm, by_seed in of_arm.items():
            summary[labels, arm] = mean(list(by_seed.values())), len(by_seed)
        base = of_arm.get(BASE, {})
        for arm, by_seed in of_arm.items():
            differences = [by_seed[seed] - base[seed] for seed in by_seed if seed in base]
            if arm != BASE and differences:
                summary[labels, f"{arm} - {BASE}"] = mean(differences), len(differences)
    return summary


def order(labels: str) -> float:
    """A sort key for numbers of labels."""
    return float("inf") if labels == "all" else int(labels)


def as_csv(summary: Summary) -> str:
    """``labels,arm,seeds,mean,half_width``, accuracies as fractions."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["labels", "arm", "seeds", "mean", "half_width"])
    for (labels, arm), (found, n) in summary.items():
        half = "" if n < 2 else f"{found.high - found.value:.6f}"
        writer.writerow([labels, arm, n, f"{found.value:.6f}", half])
    return text.getvalue()


def as_markdown(summary: Summary, about: str) -> str:
    """Two tables: the accuracies, and the differences to classic augmentation, in percent."""
    tables = [
        ("Test accuracy in %, mean and 95% interval over the seeds", list(ARMS)),
        (
            f"Difference to `{BASE}` on the same real images, in percentage points",
            [f"{arm} - {BASE}" for arm in ARMS if arm != BASE],
        ),
    ]
    lines = [about, ""]
    rows = list(dict.fromkeys(labels for labels, _ in summary))
    for title, columns in tables:
        lines += [title + ":", "", f"| labels per class | {' | '.join(columns)} | seeds |"]
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


def _shown(cell: tuple[Estimate, int] | None, signed: bool) -> str:
    if cell is None:
        return "-"
    found, n = cell
    value = f"{100 * found.value:+.2f}" if signed else f"{100 * found.value:.2f}"
    return value if n < 2 else f"{value} ± {100 * (found.high - found.value):.2f}"


def draw(summary: Summary, title: str, path: Path) -> None:
    """Curves of the test error over the labels, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    labels = list(dict.fromkeys(labels for labels, _ in summary))
    for i, arm in enumerate(ARMS):
        places = [place for place, label in enumerate(labels) if (label, arm) in summary]
        found = [summary[labels[place], arm] for place in places]
        if not found:
            continue
        halves = [0.0 if n < 2 else 100 * (each.high - each.value) for each, n in found]
        # Side by side, so that bars do not hide each other.
        shifted = [place + 0.04 * (i - len(ARMS) // 2) for place in places]
        errors = [100 * (1 - each.value) for each, _ in found]
        axes.errorbar(
            shifted, errors, halves, marker="o", markersize=4, capsize=3, label=TITLES[arm]
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlabel("real labelled images per class")
    axes.set_ylabel("test error, %")
    axes.set_title(title)
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside lower center", ncols=2)
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=150)
