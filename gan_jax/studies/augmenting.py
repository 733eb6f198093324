"""The parts of the study `recognition`: classifiers trained on few real images, on samples of a GAN
that saw only these, or on both.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax import pacing
from gan_jax.build import abstract_batch, build
from gan_jax.config import Augmentation as GanAugmentation
from gan_jax.config import Config, Framing, Network, Optimizer, Penalty
from gan_jax.data import describe, from_arrays
from gan_jax.engine.gan import Gan, init_state
from gan_jax.engine.train_step import train_steps
from gan_jax.errors import ConfigError
from gan_jax.modality import Modality, Sounds, labels_in_turn
from gan_jax.recipes import recipe
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


class LabelledImages(NamedTuple):
    """``x`` ``[n, h, w, c]`` uint8, or sounds ``[n, length, 1]`` int16; ``y`` ``[n]`` int32."""

    x: np.ndarray
    y: np.ndarray


class Drawn(NamedTuple):
    """Generated images, the number drawn before filtering, and the seconds of both stages."""

    images: LabelledImages
    drawn: int
    seconds: float


def gan_config(dataset: str, framing: Framing = Framing()) -> Config:  # noqa: B008  (frozen)
    """A conditional DCGAN that trains within minutes on a CPU, on few images: like the recipe
    mnist_dcgan, but without padding of 28x28 images, and with translation augmentation, without
    which D memorizes few images. Of sounds, the SpecGAN of the recipe spoken_digit_specgan.
    """
    if isinstance(describe(dataset).modality, Sounds):
        config = recipe("spoken_digit_specgan")
        return dataclasses.replace(config, dataset=dataset, length=framing.length)
    return Config(
        dataset=dataset,
        size=framing.size,
        conditioning="projection",
        latents=64,
        generator=Network("dcgan", width=32),
        discriminator=Network("dcgan", width=32, norm="none"),
        penalties=(Penalty("r1", 1.0, every=4),),
        augmentations=(GanAugmentation("translation", 0.125),),
        g_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
        d_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
        steps=4_000,
    )


def subset(labels: np.ndarray, per_class: int | None, seed: int) -> np.ndarray:
    """Sorted indices of ``per_class`` random examples of each class, or of all examples for None.

    Args:
      labels: ``[n]``; every class must occur.

    Raises:
      ConfigError: if a class has fewer.
    """
    if per_class is None:
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    places = []
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        if len(of_class) < per_class:
            raise ConfigError(
                f"labels: class {label} has only {len(of_class)} examples; use at most as many per "
                "class, or all."
            )
        places.append(rng.choice(of_class, per_class, replace=False))
    return np.sort(np.concatenate(places))


def mixture(
    real: LabelledImages | None, generated: LabelledImages | None, n: int, real_share: float
) -> LabelledImages:
    """``n`` training examples, repeated cyclically from the given ones; if both kinds are given, a
    fraction ``real_share`` is real.

    The size is constant, so that all classifiers of a study share one compilation.
    """
    share = 1.0 if generated is None else 0.0 if real is None else real_share
    of_real = round(share * n)
    parts = [
        _repeated(part, count)
        for part, count in ((real, of_real), (generated, n - of_real))
        if count
    ]
    return LabelledImages(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _repeated(images: LabelledImages, n: int) -> LabelledImages:
    places = np.resize(np.arange(len(images.y)), n)
    return LabelledImages(images.x[places], images.y[places])


def size_of_mixture(real: int, generated: int, real_share: float) -> int:
    """The smallest mixture that contains every one of so many real and generated images."""
    return max(math.ceil(real / real_share), math.ceil(generated / (1 - real_share)))


def train_gan(
    config: Config, images: LabelledImages, told: Callable[[int], Any] | None = None
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
    real: LabelledImages,
    n: int,
    seed: int,
    filters: Filters,
    recognizer: Callable[[], Recognizer],
) -> tuple[LabelledImages, int]:
    """``n`` images of the GAN, balanced over the classes, and the number drawn before filtering.

    Args:
      real: its training images, which calibrate the rejection.
      recognizer: returns the classifier for the confidence filter; called only if it is used.
    """
    accepts = accepting(filters, gan, state, seed, real=lambda: real, recognizer=recognizer)
    labels = labels_in_turn(n, gan.num_classes)
    images, drawn = draw(gan, state, labels, seed, truncation=filters.truncation, accepts=accepts)
    return LabelledImages(images, labels), drawn


def train_recognizer(
    arm: Arm,
    config: RecognizerConfig,
    classic: Augmentation,
    real: LabelledImages,
    made: LabelledImages | None,
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
