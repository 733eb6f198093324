"""The parts of the study `recognition`: classifiers trained on few real images, on samples of a GAN
that saw only these, or on both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gan_jax import pacing
from gan_jax.build import abstract_batch, build
from gan_jax.config import Config
from gan_jax.data import from_arrays
from gan_jax.engine.gan import Gan, init_state
from gan_jax.engine.train_step import train_steps
from gan_jax.enlarging.examples import Labelled, mixture
from gan_jax.metrics.data_copying import membership, memorization
from gan_jax.modality import Modality, labels_in_turn
from gan_jax.recognizers import Augmentation, Recognizer, RecognizerConfig, fit
from gan_jax.sampling.draw import draw
from gan_jax.sampling.filters import Filters, accepting
from gan_jax.types import GanState


@dataclasses.dataclass(frozen=True)
class Arm:
    """The training data of a classifier. ``classic``: with classic augmentation of all images."""

    real: bool
    generated: bool
    classic: bool


ARMS: dict[str, Arm] = {
    "real": Arm(True, False, False),
    "classic": Arm(True, False, True),
    "generated": Arm(False, True, False),
    "real+generated": Arm(True, True, False),
    "both": Arm(True, True, True),
}
"""In order: the real images; the same with classic augmentation; generated images only, the
classification accuracy score of Ravuri & Vinyals 2019, "Classification accuracy score for
conditional generative models"; real and generated images; the same with classic augmentation.
"""
MOST_COMPARED = 5_000
"""Real examples, and held-out ones, whose nearest generated example is searched for."""


def train_gan(
    config: Config, images: Labelled, told: Callable[[int], Any] | None = None
) -> tuple[Gan, GanState]:
    """Trains a GAN on these images only.

    Raises:
      ConfigError: for an invalid config.
      FloatingPointError: if the training diverges.
    """
    gan = build(config)
    batch = abstract_batch(config, gan.source)
    data = from_arrays(
        *images, config.seed, batch_size=config.batch_size, d_steps=config.d_steps, flip=config.flip
    )
    state = init_state(gan, jax.random.key(config.seed), batch)
    step = 0
    for n in pacing.calls(step, config.steps):
        state, metrics = train_steps(gan, state, data, n)
        metrics, step = jax.device_get(metrics), step + n
        bad = [name for name, value in metrics.items() if not np.isfinite(value)]
        if bad:
            raise FloatingPointError(f"{bad[0]} became {metrics[bad[0]]} by step {step}")
        if told is not None:
            told(n)
    return gan, state


def draw_images(
    gan: Gan,
    state: GanState,
    real: Labelled,
    n: int,
    seed: int,
    filters: Filters,
    recognizer: Callable[[], Recognizer],
) -> tuple[Labelled, int]:
    """``n`` images of the GAN, balanced over the classes, and the number drawn before filtering.

    Args:
      real: its training images, which calibrate the rejection.
      recognizer: returns the classifier for the confidence filter; called only if it is used.
    """
    accepts = accepting(filters, gan, state, seed, real=lambda: real, recognizer=recognizer)
    labels = labels_in_turn(n, gan.num_classes)
    images, drawn = draw(gan, state, labels, seed, truncation=filters.truncation, accepts=accepts)
    return Labelled(images, labels), drawn


def train_recognizer(
    arm: Arm,
    config: RecognizerConfig,
    classic: Augmentation,
    real: Labelled,
    made: Labelled | None,
    n: int,
    real_share: float,
    num_classes: int,
    modality: Modality,
    told: Callable[[int, dict], Any] | None = None,
) -> Recognizer:
    """Trains the classifier of an arm on ``n`` examples, as in `mixture`."""
    config = dataclasses.replace(config, augmentation=classic if arm.classic else Augmentation())
    images = mixture(real if arm.real else None, made if arm.generated else None, n, real_share)
    return fit(config, *images, num_classes, modality, told=told)


def leaks(
    recognizer: Recognizer, made: Labelled, real: Labelled, held_out: Labelled, seed: int
) -> dict[str, float]:
    """What generated examples tell of the real ones that the GAN was trained on, see
    `gan_jax.metrics.data_copying`: ``membership``, the area under the ROC curve of an attacker who
    looks for real examples near generated ones, and ``copies``, the proportion of generated
    examples that are nearer to a real one than 99% of the held-out examples are.

    Args:
      recognizer: its features are compared; that of generated examples alone is one that whoever
        has these can train.
      seed: of the choice of `MOST_COMPARED` real and held-out examples, if there are more.
    """
    rng = np.random.default_rng(seed)
    some = lambda examples: examples.x[rng.permutation(len(examples.x))[:MOST_COMPARED]]
    features = [recognizer.features(x)[0] for x in (made.x, some(real), some(held_out))]
    return {
        "membership": float(membership(*features).value),
        "copies": float(memorization(*features)[1].value),
    }
