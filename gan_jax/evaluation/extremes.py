"""The worst and the best samples, as ranked by the discriminator and by the classifier; the worst
ones show where a GAN fails.
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
from gan_jax.types import GanState, PyTree

ENDS = 2 * COLUMNS
"""Maximum number of values kept at either end of a ranking, and of images in its picture."""


class Shown(NamedTuple):
    """The extremes to show for a kind of example.

    ``count(n)``: the number of samples at either end, out of ``n``. ``by_recognizer``: whether the
    logits of the feature extractor come from a classifier, which can be unsure of a sample.
    """

    count: Callable[[int], int]
    by_recognizer: bool


SHOWN: dict[type[Modality], Shown] = {
    Images: Shown(lambda n: ENDS, by_recognizer=True),
    Vectors: Shown(lambda n: max(1, n // 10), by_recognizer=False),
}
"""For images, as many as fit into a small picture; for points, of which one picture shows many, a
tenth of all.
"""

OTHERS = Shown(lambda n: ENDS, by_recognizer=False)
"""For all other kinds of examples."""


class Extremes(NamedTuple):
    """Both ends of rankings, by the name of a picture, such as ``worst_by_discriminator``.

    ``pictures``: ``[H, W, c]`` uint8. ``values``: the scores or confidences by which the shown
    samples were ranked, the most extreme one first.
    """

    pictures: dict[str, np.ndarray]
    values: dict[str, list[float]]


def extremes(
    gan: Gan,
    state: GanState,
    examples: np.ndarray,
    y: PyTree,
    sample: Sample,
    real: np.ndarray | None = None,
) -> Extremes:
    """The samples with the lowest and highest D scores, and those with the lowest and highest
    classifier confidence.

    Args:
      gan, state: the GAN; D is taken from the state.
      examples: samples ``[n, ...]``, as returned by `gan_jax.sampling.draw.generated`.
      y: their conditions ``[n, ...]``, such as labels int32.
      sample: the features of the samples; without logits there is no ranking by classifier.
      real: real examples ``[m, ...]``, if the modality needs them.
    """
    modality = gan.modality
    shown = SHOWN.get(type(modality.represented), OTHERS)
    rankings = {}
    if modality.from_stored:
        rankings["discriminator"] = discriminator_scores(gan, state, examples, y)
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
