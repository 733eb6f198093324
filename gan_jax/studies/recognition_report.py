"""Tables and curves of the studies of classifiers, from the lines of their results."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
from pathlib import Path

from gan_jax.files import replacing
from gan_jax.metrics.estimate import Estimate, mean
from gan_jax.runs.lines import Line


@dataclasses.dataclass(frozen=True)
class Layout:
    """What the tables of a study compare.

    ``arms``: their names with titles for the curves; ``bases``: the arms with which the others are
    compared; ``rows``: what distinguishes the rows, and ``unit`` the same in a line of progress;
    ``axis``: the same for the curves; ``measure``: what is measured on ``examples``; ``repeats``:
    what the intervals are over.
    """

    arms: dict[str, str]
    bases: tuple[str, ...]
    rows: str = "labels per class"
    unit: str = "per class"
    axis: str = "real labelled images per class"
    measure: str = "accuracy"
    examples: str = "test"
    repeats: str = "seeds"


Summary = dict[tuple[str, str], tuple[Estimate, int]]
"""For each number of labels and arm: the mean test accuracy with its 95% interval, and the number
of seeds. The arm ``X - BASE`` is the mean paired difference over seeds, hence for the same real
images.
"""


def summarize(lines: list[Line], layout: Layout) -> Summary:
    """Sorted by number of labels, ``all`` last."""
    arms = layout.arms
    found: dict[tuple[str, str], dict[int, float]] = {}
    for line in lines:
        if line["arm"] in arms:
            found.setdefault((line["labels"], line["arm"]), {})[line["seed"]] = line["accuracy"]
    summary: Summary = {}
    for labels in sorted(dict.fromkeys(labels for labels, _ in found), key=order):
        of_arm = {arm: found[labels, arm] for arm in arms if (labels, arm) in found}
        for arm, by_seed in of_arm.items():
            summary[labels, arm] = mean(list(by_seed.values())), len(by_seed)
        for base, (arm, by_seed) in itertools.product(layout.bases, of_arm.items()):
            compared = of_arm.get(base, {})
            differences = [by_seed[seed] - compared[seed] for seed in by_seed if seed in compared]
            if arm != base and differences:
                summary[labels, f"{arm} - {base}"] = mean(differences), len(differences)
    return summary


def order(labels: str) -> float:
    """A sort key for rows: numbers of labels by size, others last."""
    return int(labels) if labels.isdecimal() else float("inf")


def as_csv(summary: Summary) -> str:
    """``labels,arm,seeds,mean,half_width``, accuracies as fractions."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["labels", "arm", "seeds", "mean", "half_width"])
    for (labels, arm), (found, n) in summary.items():
        half = "" if n < 2 else f"{found.high - found.value:.6f}"
        writer.writerow([labels, arm, n, f"{found.value:.6f}", half])
    return text.getvalue()


def as_markdown(summary: Summary, about: str, layout: Layout) -> str:
    """Tables of the accuracies, and of the differences to each base that was measured, in
    percent.
    """
    arms = layout.arms
    what = f"{layout.examples.capitalize()} {layout.measure} in %"
    tables = [
        (
            f"{what}, mean and 95% interval over the {layout.repeats}",
            list(arms),
        ),
        *(
            (
                f"Difference to `{base}` on the same real images, in percentage points",
                [f"{arm} - {base}" for arm in arms if arm != base],
            )
            for base in layout.bases
        ),
    ]
    lines = [about, ""]
    rows = list(dict.fromkeys(labels for labels, _ in summary))
    for title, columns in tables:
        if not any((labels, column) in summary for labels in rows for column in columns):
            continue
        lines += [title + ":", "", f"| {layout.rows} | {' | '.join(columns)} | {layout.repeats} |"]
        lines += ["| ---: |" + " ---: |" * (len(columns) + 1)]
        for labels in rows:
            cells = [summary.get((labels, column)) for column in columns]
            counts = sorted({cell[1] for cell in cells if cell}) or [0]
            seeds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else counts[0]
            signed = " - " in columns[0]
            lines.append(
                f"| {labels} | {' | '.join(_shown(cell, signed) for cell in cells)} | {seeds} |"
            )
        lines.append("")
    return "\n".join(lines)


def _shown(cell: tuple[Estimate, int] | None, signed: bool) -> str:
    return "-" if cell is None else percent(*cell, signed)


def percent(found: Estimate, n: int, signed: bool = False) -> str:
    """A proportion in percent; with its interval if it is the mean of ``n > 1`` values."""
    value = f"{100 * found.value:+.2f}" if signed else f"{100 * found.value:.2f}"
    return value if n < 2 else f"{value} ± {100 * (found.high - found.value):.2f}"


def draw(summary: Summary, title: str, path: Path, layout: Layout) -> None:
    """Curves of the test error over the labels, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    labels = list(dict.fromkeys(labels for labels, _ in summary))
    for i, arm in enumerate(layout.arms):
        places = [place for place, label in enumerate(labels) if (label, arm) in summary]
        found = [summary[labels[place], arm] for place in places]
        if not found:
            continue
        halves = [0.0 if n < 2 else 100 * (each.high - each.value) for each, n in found]
        # Side by side, so that bars do not hide each other.
        shifted = [place + 0.04 * (i - len(layout.arms) // 2) for place in places]
        errors = [100 * (1 - each.value) for each, _ in found]
        axes.errorbar(
            shifted, errors, halves, marker="o", markersize=4, capsize=3, label=layout.arms[arm]
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlabel(layout.axis)
    axes.set_ylabel(f"100 - {layout.examples} {layout.measure}, %")
    axes.set_title(title)
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=150)
