"""How recognizers are made: an architecture, and the numbers of its training, by data set. Loads no
JAX.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How much training examples are changed at random, images or sounds; see
    `gan_jax.recognizers.augment` and `gan_jax.recognizers.hearing`. The default changes nothing.
    """

    shift: int = 0
    """Most pixels each way."""
    flip: bool = False
    """Half of the images are seen in a mirror."""
    rotation: float = 0.0
    """Most degrees of a turn."""
    scale: float = 0.0
    """Height and width are stretched by factors in [1 - scale, 1 + scale]."""
    cutout: float = 0.0
    """Side of a square that is cut out (DeVries & Taylor 2017), as a share of the image's."""
    noise: float = 0.0
    """Most amplitude of uniform noise, on the scale of [-1, 1]."""
    delay: float = 0.0
    """Of sounds: most of the length by which they begin later or earlier."""
    speed: float = 0.0
    """Of sounds: they are faster or slower by factors in [1 - speed, 1 + speed]."""
    gain: float = 0.0
    """Of sounds: most decibels by which they are softer."""
    hiss: float = 0.0
    """Of sounds: most amplitude of uniform noise, on the scale of [-1, 1]."""


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
    """Random changes of the training examples."""
    task: str = "labels"
    """What is learned: labels, or turns: by how many quarters an image was turned, for which no
    labels are needed (Gidaris et al. 2018).
    """
    seed: int = 0
    """Determines initial weights, order and augmentation."""


_SPOKEN = {"delay": 0.1, "speed": 0.1, "gain": 12.0, "hiss": 0.02}

SMALL_CNN = RecognizerConfig(augmentation=Augmentation(shift=1, noise=0.5, **_SPOKEN))
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
    """The classic augmentation of a data set; of an unknown set's images, shifts by a pixel."""
    return CLASSIC.get(dataset, Augmentation(shift=1, **_SPOKEN))


def recipe(dataset: str) -> RecognizerConfig:
    """The recipe of a data set, or `SMALL_CNN` where it has none of its own."""
    return RECIPES.get(dataset, SMALL_CNN)
