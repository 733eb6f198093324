"""How recognizers are made: an architecture, and the numbers of its training, by data set."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import flax.linen as nn
import optax

from gan_jax.errors import at_least, is_seed, one_of, within
from gan_jax.recognizers.cnn import Cnn
from gan_jax.recognizers.resnet import ResNet
from gan_jax.recognizers.training import Augmentation, Classifier

RECOGNIZERS: dict[str, Callable[..., nn.Module]] = {
    "cnn": Cnn,
    "resnet": ResNet,
    "resnet_half": functools.partial(ResNet, blocks=1, half=True),
}
"""Architectures: ``(num_classes, features=..., width=...)`` gives a module ``(x, *, train) ->
(features, logits)``.
"""


@dataclasses.dataclass(frozen=True)
class RecognizerConfig:
    """How a recognizer is made: a network of `RECOGNIZERS`, trained by AdamW (Loshchilov & Hutter
    2019), the rate decaying as a cosine.
    """

    network: str = "cnn"
    """Architecture: cnn, resnet (He et al. 2016), or resnet_half, a small one that begins at half
    the side.
    """
    width: int | None = None
    """Channels of the first stage; None takes the architecture's own."""
    features: int = 64
    """Units of the last hidden layer."""
    steps: int = 2_000
    """Updates."""
    batch_size: int = 128
    """Images an update."""
    lr: float = 3e-3
    """Highest learning rate."""
    weight_decay: float = 0.01
    """Weight decay."""
    smoothing: float = 0.0
    """Share of each label that is spread over all classes."""
    mixup: float = 0.0
    """Parameter of mixup's Beta distribution; 0: none."""
    dropout: float | None = None
    """Share of activations dropped before the hidden layer; None takes the architecture's own."""
    average: bool = False
    """Keep the moving average of the weights instead of the last ones."""
    augmentation: Augmentation = Augmentation()
    """Random changes of the training images."""
    task: str = "labels"
    """What is learned: labels, or turns: by how many quarters an image was turned, for which no
    labels are needed (Gidaris et al. 2018).
    """
    seed: int = 0
    """Determines initial weights, order and augmentation."""


SMALL_CNN = RecognizerConfig(augmentation=Augmentation(shift=1, noise=0.5))
"""The feature network of evaluations: trained in seconds, and used to noise."""

UNLABELLED = dataclasses.replace(SMALL_CNN, task="turns")
"""The feature network of images without labels."""

TASKS = ("labels", "turns")

CLASSIC: dict[str, Augmentation] = {
    "mnist": Augmentation(shift=2, rotation=15.0, scale=0.15),
    "fashion_mnist": Augmentation(shift=2, flip=True, scale=0.1),
    "cifar10": Augmentation(shift=4, flip=True),
    "digits": Augmentation(shift=1, rotation=10.0, scale=0.1),
}
"""Random changes that leave the class of a data set's images what it is."""

# Measured, `uv run python -m gan_jax.recognizers mnist`: 99.46 % of the test images; fashion_mnist:
# 92.84 %; cifar10 was not trained yet.
RECIPES: dict[str, RecognizerConfig] = {
    "mnist": RecognizerConfig(
        steps=4_000, smoothing=0.05, augmentation=Augmentation(shift=1, rotation=10.0, scale=0.1)
    ),
    "fashion_mnist": RecognizerConfig(
        width=32,
        dropout=0.3,
        steps=6_000,
        smoothing=0.1,
        augmentation=Augmentation(shift=1, flip=True),
    ),
    "cifar10": RecognizerConfig(
        "resnet",
        steps=20_000,
        weight_decay=0.05,
        smoothing=0.1,
        augmentation=Augmentation(shift=4, flip=True),
    ),
}


def classic(dataset: str) -> Augmentation:
    """The classic augmentation of a data set's images; of an unknown set's, shifts by a pixel."""
    return CLASSIC.get(dataset, Augmentation(shift=1))


def recipe(dataset: str) -> RecognizerConfig:
    """The recipe of a data set, or `SMALL_CNN` where it has none of its own."""
    return RECIPES.get(dataset, SMALL_CNN)


def classifier(config: RecognizerConfig, num_classes: int) -> Classifier:
    """The network of a recipe with what it takes to train it; recipes that differ in the seed alone
    share one compilation.

    Raises:
      ConfigError: for an unknown architecture or a number out of range.
    """
    return _classifier(dataclasses.replace(config, seed=0), num_classes)


@functools.cache
def _classifier(config: RecognizerConfig, num_classes: int) -> Classifier:
    make = RECOGNIZERS[one_of("recognizer.network", config.network, RECOGNIZERS)]
    _check(config)
    own = {"width": config.width, "dropout": config.dropout}
    own = {name: value for name, value in own.items() if value is not None}
    rate = optax.cosine_decay_schedule(config.lr, config.steps)
    return Classifier(
        make(num_classes, features=config.features, **own),
        optax.adamw(rate, weight_decay=config.weight_decay),
        config.augmentation,
        config.smoothing,
        config.mixup,
        turns=one_of("recognizer.task", config.task, TASKS) == "turns",
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
    largest = {"shift": 1000, "rotation": 180, "scale": 0.9, "noise": 2}
    for name, high in largest.items():
        value = getattr(config.augmentation, name)
        within(f"recognizer.augmentation.{name}", value, f"[0, {high}]")
    is_seed("recognizer.seed", config.seed)
