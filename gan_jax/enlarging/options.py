"""The settings of an enlargement; JAX is loaded only when it begins."""

from __future__ import annotations

import dataclasses

from gan_jax.errors import at_least, is_seed, one_of, within

REGIMES = {
    "unlabelled": "few labels and many examples without: a semi-supervised GAN labels them, and a "
    "conditional GAN learns from all",
    "imbalance": "some classes are rare: a conditional GAN of all classes adds to each",
    "labelled": "labelled examples only: a conditional GAN with augmentation adds to them",
}
"""The situations in which a dataset is enlarged, and what is done in each."""
AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class Work:
    """The GANs, their images, and the classifiers that compare them; studies have these too."""

    size: int | None = None
    """Side of the square images: those of a folder are cropped and resized to it, others are
    zero-padded. By default that of the dataset.
    """
    gan_steps: int = 4_000
    """Training steps of each conditional GAN."""
    labelling_steps: int = 3_000
    """Training steps of each semi-supervised GAN."""
    generated: int = 20_000
    """Images to add of each kind, generated or labelled by the semi-supervised GAN."""
    kept: float = 0.75
    """Confidence filter: share of the unlabelled or generated images that is kept, in each class
    those of whose label a classifier is most sure.
    """
    recognizer_steps: int = 1_000
    """Training steps of each classifier, with and without added images."""
    recognizer_batch: int = 64
    """Batch size of the classifiers."""


@dataclasses.dataclass(frozen=True)
class Options(Work):
    """What determines the result, apart from the dataset."""

    labels: int | None = None
    """Labelled images of each class to use; the other training images count as unlabelled. By
    default all labels of the dataset.
    """
    label_seed: int = 0
    """Seed that selects the labelled images, and those of them that validate."""
    regime: str = AUTO
    """What is known: unlabelled, imbalance, labelled, or auto, which looks at the labels."""
    tried: int = 2
    """Classifiers for each mixture that is tried on the validation images."""
    seeds: int = 5
    """Classifiers with and without added images that are compared on the test images."""

    def check(self) -> None:
        """Refuses numbers out of range.

        Raises:
          ConfigError: naming the option.
        """
        if self.labels is not None:
            at_least("labels", self.labels, 2)
        is_seed("label_seed", self.label_seed)
        one_of("regime", self.regime, [AUTO, *REGIMES])
        within("kept", self.kept, "(0, 1]")
        for name, least in {"labelling_steps": 1, "tried": 1, "seeds": 2}.items():
            at_least(name, getattr(self, name), least)
