"""The worst and the best samples, by the discriminator and by the recognizer: where a GAN fails
shows in its worst ones.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from gan_jax import pictures
from gan_jax.engine.gan import Gan
from gan_jax.metrics import Sample
from gan_jax.metrics.streaming import stream
from gan_jax.sampling.draw import BLOCK, discriminate
from gan_jax.types import GanState

ROWS, COLUMNS = 2, 10
"""Of a picture, which holds so many samples, the most extreme one first."""
POINTS = 10
"""Of points, which one sees many of at once: one in so many is shown."""


class Extremes(NamedTuple):
    """Both ends of rankings, by the name of a picture, such as ``worst_by_discriminator``.

    ``pictures``: ``[H, W, c]`` uint8. ``values``: of the samples shown, the score or the confidence
    that they were ranked by, the most extreme one first.
    """

    pictures: dict[str, np.ndarray]
    values: dict[str, list[float]]


def extremes(
    gan: Gan,
    state: GanState,
    examples: np.ndarray,
    labels: np.ndarray,
    sample: Sample,
    real: np.ndarray | None = None,
) -> Extremes:
    """The samples that D takes least and most for real, and those that the recognizer is least and
    most sure of.

    Args:
      gan, state: D scores the samples as it is in the state. One that normalizes over the batch, or
        compares its examples, sees `BLOCK` of them at once.
      examples: samples ``[n, h, w, c]`` uint8, or points ``[n, d]`` float32.
      labels: ``[n]`` int32.
      sample: what the feature network saw in them; without logits there is no ranking by
        recognizer.
      real: points ``[m, d]`` to draw points over.
    """
    ranks = {"discriminator": discriminator_scores(gan, state, examples, labels)}
    if sample.logits is not None and examples.ndim == 4:
        ranks["recognizer"] = confidence(sample.logits, sample.labels)
    count = ROWS * COLUMNS if examples.ndim == 4 else max(1, len(examples) // POINTS)
    draw = (
        (lambda x: pictures.grid(x, COLUMNS))
        if examples.ndim == 4
        else (lambda x: pictures.points(x, real))
    )
    found = Extremes({}, {})
    for by, values in ranks.items():
        ranked = np.flatnonzero(np.isfinite(values))  # what is no number has no rank
        if not len(ranked):
            continue
        order = ranked[np.argsort(values[ranked], kind="stable")]
        for end, chosen in (("worst", order[:count]), ("best", order[::-1][:count])):
            found.pictures[f"{end}_by_{by}"] = draw(examples[chosen])
            found.values[f"{end}_by_{by}"] = values[chosen[: ROWS * COLUMNS]].tolist()
    return found


def discriminator_scores(
    gan: Gan, state: GanState, examples: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """D's scores ``[n]`` of examples ``[n, ...]`` with labels ``[n]`` int32."""
    score = functools.partial(discriminate, gan, state)
    return stream(score, examples, np.asarray(labels, np.int32), block=min(BLOCK, len(labels)))


def confidence(logits: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """The probability ``[n]``, by logits ``[n, k]``, of the labels asked for; without labels that
    of the most likely class.

    In float64, in which confidences near one differ that are equal in float32.
    """
    logits = np.asarray(logits, np.float64)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    chosen = logits.argmax(axis=1) if labels is None else labels
    return shares[np.arange(len(logits)), chosen] / shares.sum(axis=1)
