"""Filters of samples: truncation, classifier confidence, discriminator rejection sampling."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import numpy as np

from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, within
from gan_jax.metrics.labels import confidence
from gan_jax.sampling import rejection
from gan_jax.sampling.draw import Accept, discriminator_scores, draw
from gan_jax.types import GanState

FIRST_DRAW = 4_000
"""Number of samples, and maximum number of real images, from which the rejection rule is made."""
RULE_SEED = 0x5EED
"""Combined (xor) with the seed of the samples, so that the rule is made from other latents than the
samples to which it is applied.
"""


@dataclasses.dataclass(frozen=True)
class Filters:
    """The samples to draw and keep; by default all of them."""

    truncation: float | None = None
    """Draw latents from N(0, 1) within [-PSI, PSI], which trades diversity for quality (Brock et
    al. 2019, section 3.1).
    """
    min_confidence: float | None = None
    """Keep samples to whose label a classifier of real images gives at least this probability."""
    rejection: float | None = None
    """Keep samples by discriminator rejection sampling (Azadi et al. 2019), with gamma at this
    percentile: the higher, the fewer samples are kept.
    """

    def check(self, num_classes: int) -> None:
        """Refuses invalid filters before anything is drawn.

        Raises:
          ConfigError: for a number out of range, or a minimum confidence for a GAN without labels.
        """
        intervals = {
            "truncation": "[0.01, inf)",
            "min_confidence": "[0, 1)",
            "rejection": "[0, 100)",
        }
        for name, interval in intervals.items():
            if getattr(self, name) is not None:
                within(name, getattr(self, name), interval)
        if self.min_confidence is not None and not num_classes:
            raise ConfigError(
                "min_confidence needs labels, which the samples of an unconditional GAN lack; "
                "leave it out."
            )


ALL = Filters()


class Recognizes(Protocol):
    """The interface that `confident` needs, implemented by `gan_jax.recognizers.Recognizer`."""

    def features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


def accepting(
    filters: Filters,
    gan: Gan,
    state: GanState,
    seed: int,
    *,
    real: Callable[[], tuple[np.ndarray, np.ndarray]],
    recognizer: Callable[[], Recognizes],
) -> tuple[Accept, ...]:
    """The filters for `draw`, the cheap one first.

    Args:
      filters: the settings; `gan_jax.sampling.draw.draw` itself applies the truncation.
      gan, state: the GAN; D is taken from the state.
      seed: the seed of the samples.
      real: returns images ``[m, h, w, c]`` and labels ``[m]`` for `by_discriminator`; called only
        if the filters need them.
      recognizer: returns the classifier for `confident`; called only if the filters need it.
    """
    accepts = []
    if filters.rejection is not None:
        rule = (filters.rejection, seed ^ RULE_SEED, filters.truncation)
        accepts.append(by_discriminator(gan, state, real(), *rule))
    if filters.min_confidence is not None:
        accepts.append(confident(recognizer(), filters.min_confidence))
    return tuple(accepts)


def confident(recognizer: Recognizes, least: float) -> Accept:
    """Keeps images to whose label the classifier gives a probability of at least ``least``."""

    def accept(images: np.ndarray, labels: np.ndarray, _) -> np.ndarray:
        return confidence(recognizer.features(images)[1], labels) >= least

    return accept


def most_confident(confidences: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    """Keeps a share of each class, the images with the highest confidence, bool ``[n]``.

    Unlike a least confidence, a share can be kept whatever the classifier: one that is unsure of a
    whole class would reject all of its images.

    Args:
      confidences: the probability ``[n]`` of each image's label, see
        `gan_jax.metrics.labels.confidence`.
      labels: ``[n]``.
      share: in (0, 1]; at least one image of each class is kept.
    """
    kept = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        best = places[np.argsort(-confidences[places], kind="stable")]
        kept[best[: max(1, round(share * len(best)))]] = True
    return kept


def by_discriminator(
    gan: Gan,
    state: GanState,
    real: tuple[np.ndarray, np.ndarray],
    percentile: float,
    seed: int,
    truncation: float | None = None,
) -> Accept:
    """Keeps images by discriminator rejection sampling (Azadi et al. 2019), with a rule made from
    real images and a first draw of samples.

    If D has memorized a small training set, it rejects everything else, and its scores are not a
    density ratio.

    Args:
      real: images ``[m, h, w, c]`` and labels ``[m]`` of the training set or, better, of held-out
        data.
      percentile: see `gan_jax.sampling.rejection.rule`.
      seed, truncation: seed and truncation of the first draw.
    """
    images, labels = (array[:: max(1, len(array) // FIRST_DRAW)][:FIRST_DRAW] for array in real)
    wanted = labels[np.arange(FIRST_DRAW) % len(labels)]
    fakes, _ = draw(gan, state, wanted, seed, truncation=truncation)
    scores = lambda images, labels: discriminator_scores(gan, state, images, labels)
    rule = rejection.rule(scores(images, labels), scores(fakes, wanted), percentile)

    def accept(images: np.ndarray, labels: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        ratios = rejection.log_ratios(rule.calibration, scores(images, labels))
        return chance.random(len(labels)) < rejection.acceptance(ratios, rule.log_max, rule.gamma)

    return accept
