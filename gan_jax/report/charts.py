"""The layout of small SVG charts of curves. The markup is in ``templates/parts.html``, which
escapes all text.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 360, 200
"""In units of about one pixel, on phones and wide screens."""
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 8, 24
MOST_POINTS = 240
"""If there are more points, they are averaged to this number."""
DOTTED = 30
"""Up to this number of points, each point is marked."""


@dataclasses.dataclass(frozen=True)
class Series:
    """A curve: ``x`` and ``y`` of its points, with the ends of their intervals; None for a missing
    value. ``colour``: a fixed colour number for curves that look the same in several charts.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None
    dashed: bool = False
    colour: int | None = None


@dataclasses.dataclass(frozen=True)
class Curve:
    """The layout of a series: SVG paths of the line and of the band around it, and the positions of
    marked points.
    """

    name: str
    colour: int
    dashed: bool
    path: str
    band: str
    dots: list[tuple[float, float]]
    bars: list[tuple[float, float, float]]


@dataclasses.dataclass(frozen=True)
class Chart:
    """The layout of a chart: curves, ticks as ``(position, text)``, marks of events as ``(position,
    text)``, and a summary in words.
    """

    title: str
    curves: list[Curve]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    marks: list[tuple[float, str]]
    summary: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def chart(
    title: str,
    series: Iterable[Series],
    marks: Iterable[tuple[float, str]] = (),
    x_names: Sequence[str] | None = None,
    share: bool = False,
    from_zero: bool = False,
) -> Chart | None:
    """Lays out the series that have at least one point; None if there are none.

    Args:
      title: the name of the y axis.
      series: the series, over a common x axis.
      marks: events, as ``(x, text)``.
      x_names: labels of x = 0, 1, 2, ... for an axis without numbers.
      share: whether values are fractions, shown in percent.
      from_zero: whether the x axis begins at 0, wherever the first point lies.
    """
    arrays = [(one, *_arrays(one)) for one in series]
    arrays = [kept for kept in arrays if len(kept[1])]
    if not arrays:
        return None
    marks = list(marks)
    x_low, x_high = _ends([x for _, x, *_ in arrays])
    if x_low > 0 and (from_zero or x_low < x_high / 5):
        x_low = 0.0  # show a run from its beginning
    if x_names is not None:
        x_low, x_high = -0.3, len(x_names) - 0.7
    if share:  # a band of one standard deviation may leave [0, 1]
        arrays = [(one, x, y, *(np.clip(end, 0, 1) for end in ends)) for one, x, y, *ends in arrays]
    y_low, y_high = _ends([values for _, _, *rest in arrays for values in rest])
    y_ticks = [t for t in _ticks(y_low, y_high) if not share or 0 <= t <= 1]
    if share:
        y_low, y_high = max(y_low, 0.0), min(y_high, 1.0)
    y_low, y_high = min(y_low, y_ticks[0]), max(y_high, y_ticks[-1])
    across = lambda x: round(
        LEFT + (WIDTH - LEFT - RIGHT) * (float(x) - x_low) / (x_high - x_low), 1
    )
    up = lambda y: round(
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (float(y) - y_low) / (y_high - y_low), 1
    )
    shown = (lambda v: f"{100 * v:.3g}%") if share else _short
    names = list(enumerate(x_names)) if x_names is not None else None
    return Chart(
        title,
        [_curve(i, *each, across, up) for i, each in enumerate(arrays)],
        [
            (across(x), text)
            for x, text in names or [(x, _short(x)) for x in _ticks(x_low, x_high, inside=True)]
        ],
        [(up(y), shown(y)) for y in y_ticks],
        [(across(x), text) for x, text in marks if x_low <= x <= x_high],
        f"{title}: "
        + "; ".join(f"{one.name} ends at {shown(y[-1])}" for one, _, y, *_ in arrays)
        + ".",
    )


def _arrays(one: Series) -> tuple[np.ndarray, ...]:
    """x, y, low, high of the points that have a value, averaged if there are very many; low and
    high are NaN if unknown.
    """
    n = len(one.x)
    rows = [one.x, one.y, one.low or [None] * n, one.high or [None] * n]
    table = np.array([[_number(value) for value in row] for row in rows], np.float64).reshape(4, n)
    table = table[:, np.isfinite(table[:2]).all(axis=0)]
    if table.shape[1] > MOST_POINTS:
        table = np.stack(
            [part.mean(axis=1) for part in np.array_split(table, MOST_POINTS, axis=1)], axis=1
        )
    return tuple(table)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _ends(arrays: Iterable[np.ndarray]) -> tuple[float, float]:
    """The smallest and the largest value, moved apart if they are equal."""
    values = np.concatenate(list(arrays))
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    if high - low > 1e-9 * max(abs(low), abs(high)):
        return low, high
    half = abs(low) / 10 or 1.0
    return low - half, high + half


def _ticks(low: float, high: float, inside: bool = False) -> list[float]:
    ticks = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    ticks = [round(float(t), 12) + 0.0 for t in ticks]
    return [t for t in ticks if low <= t <= high] if inside else ticks


def _short(value: float) -> str:
    """A number short enough for a tick: 2k, 1.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.3g}"


def _curve(colour: int, one: Series, x, y, low, high, across, up) -> Curve:
    points = [(across(a), up(b)) for a, b in zip(x, y, strict=True)]
    known = np.isfinite(low) & np.isfinite(high)
    edge = lambda values: [(across(a), up(b)) for a, b in zip(x[known], values[known], strict=True)]
    lower, upper = edge(low), edge(high)
    few = len(points) <= DOTTED
    return Curve(
        one.name,
        colour if one.colour is None else one.colour,
        one.dashed,
        _path(points),
        _path(upper + lower[::-1]) + "Z" if len(lower) > 1 else "",
        points if few and not one.dashed else [],
        [(a, b, c) for (a, b), (_, c) in zip(lower, upper, strict=True)]
        if few and not one.dashed
        else [],
    )


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points) if points else ""
