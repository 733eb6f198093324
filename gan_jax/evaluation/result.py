"""The result of an evaluation, in its JSON form."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from gan_jax.metrics import Estimate


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
      scores: the scores of the samples by name, each a number or one number per class name.
      real: the same scores for real test images against training images, the real-vs-real
        baseline, for as many images as samples if there are enough.
      matched: if there are not enough, the samples' scores that depend on the number of images, for
        as many samples as the baseline has images.
      left_out: the reason why a score is missing, by name.
      pictures: ``[H, W, c]`` uint8 by name.
      ladder: for texts, the scores of samplers that count n-grams, by name.
      texts: for texts, the first samples with the keys ``text``, ``class`` and ``copied``: whether
        they are training texts.
      sounds: WAV files of samples by class, see `gan_jax.sound.wav.by_class`.
      intervals, real_intervals, matched_intervals: the 95% interval ``[low, high]`` of each score;
        None for an end that is unknown or infinite.
      protocols: ``[value, low, high]`` by metric and score, or one such list per class name.
      extremes: the values by which the worst and the best samples were ranked.
      truncation: the result of `gan_jax.evaluation.truncation.truncation_curve`.
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
    sounds: dict[str, bytes] = dataclasses.field(default_factory=dict)
    ladder: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    texts: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def values(scores: dict[str, Estimate], class_names: tuple[str, ...]) -> dict[str, Any]:
    """The scores by name: a number, or numbers by class name; None for NaN and infinity."""
    return _named(scores, class_names, lambda score: score[:1], lambda value: value)


def intervals(scores: dict[str, Estimate], class_names: tuple[str, ...]) -> dict[str, Any]:
    """Like `values`, with ``[low, high]`` for each score."""
    return _named(scores, class_names, lambda score: score[1:], lambda *ends: list(ends))


def estimates(scores: dict[str, Estimate], class_names: tuple[str, ...]) -> dict[str, Any]:
    """Like `values`, with ``[value, low, high]`` for each score."""
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
