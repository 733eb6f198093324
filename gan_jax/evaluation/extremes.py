"""The worst and the best samples, by the discriminator and by the recognizer: where a GAN fails
shows in its worst ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax.engine.gan import Gan
from gan_jax.metrics import Sample
from gan_jax.metrics.labels import confidence
from gan_jax.modality import COLUMNS, Images, Modality, Vectors
from gan_jax.sampling.draw import discriminator_scores
from gan_jax.types import GanState

ENDS = 2 * COLUMNS
"""Most values of a ranking that are kept at either end, and the images in a picture of an end."""


class Shown(NamedTuple):
    """Which extremes of a kind of example are shown.

    ``count(n)``: how many of ``n`` samples at either end. ``by_recognizer``: whether the feature
    network's logits are a recognizer's, which can be unsure of a sample.
    """

    count: Callable[[int], int]
    by_recognizer: bool


SHOWN: dict[type[Modality], Shown] = {
    Images: Shown(lambda n: ENDS, by_recognizer=True),
    Vectors: Shown(lambda n: max(1, n // 10), by_recognizer=False),
}
"""Of images as many as a small picture holds; of points, of which one sees many at once, a tenth of
all.
"""

OTHERS = Shown(lambda n: ENDS, by_recognizer=False)
"""Of all other kinds of examples."""


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
      gan, state: D scores the samples as it is in the state.
      examples: samples ``[n, ...]``, as `gan_jax.sampling.draw.generated` gives them.
      labels: ``[n]`` int32.
      sample: what the feature network saw in them; without logits there is no ranking by
        recognizer.
      real: real examples ``[m, ...]``, where the modality shows some beside samples.
    """
    modality = gan.modality
    shown = SHOWN.get(type(modality), OTHERS)
    rankings = {"discriminator": discriminator_scores(gan, state, examples, labels)}
    if sample.logits is not None and shown.by_recognizer:
        rankings["recognizer"] = confidence(sample.logits, sample.labels)
    count, found = shown.count(len(examples)), Extremes({}, {})
    for by, values in rankings.items():
        ranked = np.flatnonzero(np.isfinite(values))  # NaN has no rank
        if not len(ranked):
            continue
        order = ranked[np.argsort(values[ranked], kind="stable")]
        for end, chosen in (("worst", order[:count]), ("best", order[::-1][:count])):
            found.pictures[f"{end}_by_{by}"] = modality.picture(examples[chosen], real)
            found.values[f"{end}_by_{by}"] = values[chosen[:ENDS]].tolist()
    return found
