"""The result of an evaluation, in the form that JSON holds it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from gan_jax.metrics import Estimate


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What was measured, of what, and what it looks like.

    ``scores``: of the samples by metric, each a number or one per class name. ``real``: the same of
    real test images against training images, the real-vs-real baseline, of as many images as
    samples where there are so many. ``matched``: where there are fewer, the samples' scores that
    depend on the number of images, of as many samples as the baseline has images. ``left_out``:
    why, by metric, a score is missing. ``pictures``: ``[H, W, c]`` uint8 by name. ``intervals``,
    ``real_intervals``, ``matched_intervals``: the 95 % interval ``[low, high]`` of each score, None
    where an end is not known or infinite. ``protocols``: by protocol and score ``[value, low,
    high]``, or one such list per class name. ``extremes``: what the samples in the pictures of the
    worst and the best were ranked by. ``truncation``: as of
    `gan_jax.evaluation.truncation.truncation_curve`.
    """

    step: int
    scores: dict[str, Any]
    real: dict[str, Any]
    left_out: dict[str, str]
    provenance: dict[str, Any]
    pictures: dict[str, np.ndarray]
    intervals: dict[str, Any] = dataclasses.field(default_factory=dict)
    real_intervals: dict[str, Any] = dataclasses.field(default_factory=dict)
    matched: dict[str, Any] = dataclasses.field(default_factory=dict)
    matched_intervals: dict[str, Any] = dataclasses.field(default_factory=dict)
    protocols: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    extremes: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    truncation: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def values(scores: dict[str, Estimate], class_names: tuple[str, ...]) -> dict[str, Any]:
    """The scores by name: a number, or numbers by class name; None for NaN and infinity."""
    return _named(scores, class_names, lambda score: score[:1], lambda value: value)


def intervals(scores: dict[str, Estimate], class_names: tuple[str, ...]) -> dict[str, Any]:
    """As `values`, of each score ``[low, high]``."""
    return _named(scores, class_names, lambda score: score[1:], lambda *ends: list(ends))


def estimates(scores: dict[str, Estimate], class_names: tuple[str, ...]) -> dict[str, Any]:
    """As `values`, of each score ``[value, low, high]``."""
    return _named(scores, class_names, lambda score: score, lambda *numbers: list(numbers))


def _named(
    scores: dict[str, Estimate],
    class_names: tuple[str, ...],
    part: Callable[[Estimate], Iterable[float | np.ndarray]],
    made: Callable[..., Any],
) -> dict[str, Any]:
    number = lambda value: float(value) if math.isfinite(value) else None

    def shaped(columns: list[float | np.ndarray]) -> Any:
        if not any(np.ndim(column) for column in columns):
            return made(*map(number, columns))
        rows = zip(*(np.broadcast_to(column, len(class_names)) for column in columns), strict=True)
        return {
            label: made(*map(number, row)) for label, row in zip(class_names, rows, strict=True)
        }

    return {name: shaped(list(part(score))) for name, score in scores.items()}
