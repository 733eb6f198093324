"""The GANs that enlarge a dataset: a conditional one, and a semi-supervised one that labels."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_jax.build import build
from gan_jax.config import Augmentation, Config, Framing, Network, Optimizer, Penalty, Schedule
from gan_jax.data import describe
from gan_jax.engine.gan import Gan
from gan_jax.enlarging.examples import Labelled
from gan_jax.evaluation.classifying import class_logits
from gan_jax.metrics.labels import confidence
from gan_jax.modality import Sounds, labels_in_turn
from gan_jax.recipes import recipe
from gan_jax.recognizers.recipes import classic
from gan_jax.sampling.draw import draw
from gan_jax.training import loop
from gan_jax.types import GanState


def conditional(dataset: str, framing: Framing = Framing()) -> Config:  # noqa: B008  (frozen)
    """A conditional DCGAN that trains within minutes on a CPU, on few images: like the recipe
    mnist_dcgan, but without padding of 28x28 images, and with translation augmentation, without
    which D memorizes few images. Of sounds, the SpecGAN of the recipe spoken_digit_specgan.
    """
    if isinstance(describe(dataset).modality, Sounds):
        return dataclasses.replace(
            recipe("spoken_digit_specgan"), dataset=dataset, length=framing.length
        )
    return Config(
        dataset=dataset,
        size=framing.size,
        conditioning="projection",
        latents=64,
        generator=Network("dcgan", width=32),
        discriminator=Network("dcgan", width=32, norm="none"),
        penalties=(Penalty("r1", 1.0, every=4),),
        augmentations=(Augmentation("translation", 0.125),),
        g_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
        d_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
        steps=4_000,
    )


def semi_supervised(dataset: str, framing: Framing, steps: int, like: str | None = None) -> Config:
    """The semi-supervised GAN of the recipe mnist_ssl100, for a dataset of images of which some
    have labels, with the augmentation that leaves the classes of the images unchanged.

    Args:
      like: the dataset whose classic augmentation applies, if its images were stored under another
        name.
    """
    config, known = recipe("mnist_ssl100"), classic(like or dataset)
    rate = Optimizer(lr=Schedule(3e-3, 3e-5, steps, "cosine"), b1=0.5, b2=0.99)
    augmentations = [Augmentation("translation", 0.07)]
    augmentations += [Augmentation("rotation", known.rotation)] if known.rotation else []
    return dataclasses.replace(
        config,
        dataset=dataset,
        size=framing.size,
        labels=0,
        flip=known.flip,
        # The recipe's class_balance would be wrong for classes that are not equally frequent.
        penalties=(Penalty("entropy", 0.2), Penalty("class_consistency", 10.0)),
        augmentations=tuple(augmentations),
        g_optimizer=rate,
        d_optimizer=rate,
        steps=steps,
    )


def trained(config: Config, folder: Path) -> tuple[Gan, GanState]:
    """Trains a GAN in a run folder, or resumes its training, or restores it.

    Raises:
      ConfigError: as `loop.train`.
      gan_jax.training.divergence.Diverged: if the training diverged.
      KeyboardInterrupt: if a signal stopped the training, which was saved.
    """
    outcome = loop.train(config, folder)
    if outcome.step < config.steps:
        raise KeyboardInterrupt
    return build(config), outcome.state


def drawn(gan: Gan, state: GanState, n: int, seed: int) -> Labelled:
    """``n`` examples of a conditional GAN, whose classes take turns."""
    labels = labels_in_turn(n, gan.num_classes)
    return Labelled(draw(gan, state, labels, seed)[0], labels)


class Labeller(NamedTuple):
    """A discriminator that classifies, with the interface of a classifier."""

    gan: Gan
    state: GanState

    def features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The class logits ``[n, k]`` of examples, also in place of features."""
        logits = class_logits(self.gan, self.state, images)
        return logits, logits

    def labels(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The most probable class ``[n]`` int32 of each example, and its probability ``[n]``."""
        _, logits = self.features(images)
        return logits.argmax(axis=1).astype(np.int32), confidence(logits, None)
