"""The growth curves as one picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gan_jax.files import replacing

PANELS = {
    "batch": ("net", "batch", "images_per_s"),
    "width": ("net", "width", "images_per_s"),
    "side": ("net", "side", "images_per_s"),
    "seeds": ("net", "seeds", "images_per_s"),
    "examples": ("net", "examples", "images_per_s"),
    "evaluation": ("score", "samples", "seconds"),
}
"""What names a curve, and what lies across and up, for each part."""
TITLES = {"images_per_s": "images/s", "seconds": "seconds"}


def draw(results: Path) -> Path:
    """Draws a panel for each part that was measured, with logarithmic axes.

    Args:
      results: the JSON file of `gan_jax.benchmarks.suite.running.Suite`.

    Returns:
      The PNG file beside it.
    """
    from matplotlib.figure import Figure

    lines = [line for line in json.loads(results.read_text())["lines"] if "values" in line]
    found = {part: [line["values"] for line in lines if line["part"] == part] for part in PANELS}
    found = {part: values for part, values in found.items() if values}
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    for place, (part, values) in enumerate(found.items(), 1):
        _panel(figure.add_subplot(2, 3, place), values, *PANELS[part])
    path = results.with_suffix(".png")
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=110)
    return path


def _panel(axes: Any, values: list[dict[str, Any]], name: str, across: str, up: str) -> None:
    for own in dict.fromkeys(each[name] for each in values):
        points = sorted((each[across], each[up]) for each in values if each[name] == own)
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=own)
    axes.set(xlabel=across, ylabel=TITLES[up], xscale="log", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
