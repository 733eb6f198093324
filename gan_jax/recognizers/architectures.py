"""Architectures of recognizers by name, and the networks of configs with their training."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import flax.linen as nn
import optax

from gan_jax.errors import ConfigError, at_least, is_seed, one_of, within
from gan_jax.modality import Modality, Sounds
from gan_jax.recognizers.cnn import Cnn
from gan_jax.recognizers.hearing import Hearing, changed
from gan_jax.recognizers.recipes import TASKS, RecognizerConfig
from gan_jax.recognizers.resnet import ResNet
from gan_jax.recognizers.training import Classifier, augmented

RECOGNIZERS: dict[str, Callable[..., nn.Module]] = {
    "cnn": Cnn,
    "resnet": ResNet,
    "resnet_half": functools.partial(ResNet, blocks=1, half=True),
}
"""Architectures: ``(num_classes, features=..., width=...)`` gives a module ``(x, *, train) ->
(features, logits)``.
"""


def classifier(
    config: RecognizerConfig, num_classes: int, modality: Modality | None = None
) -> Classifier:
    """The network of a recipe with what it takes to train it; recipes that differ in the seed alone
    share one compilation.

    Args:
      config: the recipe.
      num_classes: number of classes.
      modality: the kind of the examples, images or sounds; None: images.

    Raises:
      ConfigError: for an unknown architecture or a number out of range.
    """
    rate = modality.rate if isinstance(modality, Sounds) else None
    return _classifier(dataclasses.replace(config, seed=0), num_classes, rate)


@functools.cache
def _classifier(config: RecognizerConfig, num_classes: int, rate: int | None) -> Classifier:
    make = RECOGNIZERS[one_of("recognizer.network", config.network, RECOGNIZERS)]
    _check(config)
    own = {"width": config.width, "dropout": config.dropout}
    own = {name: value for name, value in own.items() if value is not None}
    lr = optax.cosine_decay_schedule(config.lr, config.steps)
    network = make(num_classes, features=config.features, **own)
    turns = one_of("recognizer.task", config.task, TASKS) == "turns"
    if rate is not None and turns:
        raise ConfigError("recognizer.task turns needs images, but the examples are sounds.")
    return Classifier(
        network if rate is None else Hearing(network, rate),
        optax.adamw(lr, weight_decay=config.weight_decay),
        config.augmentation,
        augmented if rate is None else changed,
        config.smoothing,
        config.mixup,
        turns,
    )


def _check(config: RecognizerConfig) -> None:
    for name in ("width", "features", "steps", "batch_size"):
        value = getattr(config, name)
        if value is not None:
            at_least(f"recognizer.{name}", value, 1)
    intervals = {
        "lr": "[0, 1]",
        "weight_decay": "[0, 1]",
        "smoothing": "[0, 0.99]",
        "mixup": "[0, 100]",
        "dropout": "[0, 0.99]",
    }
    for name, interval in intervals.items():
        value = getattr(config, name)
        if value is not None:
            within(f"recognizer.{name}", value, interval)
    largest = {
        "shift": 1000, "rotation": 180, "scale": 0.9, "cutout": 1, "noise": 2,
        "delay": 0.5, "speed": 0.5, "gain": 60, "hiss": 1,
    }  # fmt: skip
    for name, high in largest.items():
        value = getattr(config.augmentation, name)
        within(f"recognizer.augmentation.{name}", value, f"[0, {high}]")
    is_seed("recognizer.seed", config.seed)
