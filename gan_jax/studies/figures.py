"""Figures of the studies, with one panel per method."""

from __future__ import annotations

import math
import pathlib

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_jax.data.truths import TRUTHS
from gan_jax.files import replacing
from gan_jax.studies.games import Result

PANELS_PER_ROW, PANEL_SIDE = 5, 2.4
"""Side in inches."""
CONVERGED, LOST = "tab:blue", "tab:red"


def trajectories(path: pathlib.Path, problem: str, results: dict[str, Result]) -> None:
    """The trajectories of the Dirac-GAN, blue if they converge; only every fourth is drawn, so that
    single ones can be seen.
    """

    def draw(axes: Axes, result: Result) -> None:
        for path, success in list(zip(result.seen, result.success, strict=True))[::4]:
            axes.plot(*path.T, color=CONVERGED if success else LOST, linewidth=0.4, alpha=0.7)
            axes.plot(*path[0], ".", color="black", markersize=2)
        axes.plot(0, 0, "+", color="black")
        axes.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal")

    _save(path, results, draw, "generator (across) and discriminator (up); blue: converged")


def samples(path: pathlib.Path, problem: str, results: dict[str, Result]) -> None:
    """Samples of the seed with the median success, over the true centres."""
    truth = TRUTHS[problem]

    def draw(axes: Axes, result: Result) -> None:
        points = result.seen[np.argsort(result.success, kind="stable")[len(result.success) // 2]]
        axes.plot(*truth.centres.T, "o", color="tab:orange", markersize=4, alpha=0.5)
        axes.plot(*points.T, ".", color=CONVERGED, markersize=0.6, alpha=0.6)
        axes.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal")

    _save(path, results, draw, f"{problem}: samples (blue) over the centres")


def _save(path: pathlib.Path, results: dict[str, Result], draw, title: str) -> None:
    rows = math.ceil(len(results) / PANELS_PER_ROW)
    figure = Figure(
        figsize=(PANELS_PER_ROW * PANEL_SIDE, rows * (PANEL_SIDE + 0.2) + 0.4), layout="constrained"
    )
    panels = figure.subplots(rows, PANELS_PER_ROW, squeeze=False).ravel()
    for axes in panels:
        axes.axis("off")
    for axes, (name, result) in zip(panels, results.items(), strict=False):
        draw(axes, result)
        axes.set_title(f"{name}\n{result.success.sum()} of {len(result.success)}", fontsize=7)
    figure.suptitle(title, fontsize=9)
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=110)
