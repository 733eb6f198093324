"""Options of the study `few_images`, and the GANs that they describe."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from gan_jax.config import Augmentation, Config, Network, Optimizer, Penalty, to_dict
from gan_jax.errors import at_least, one_of, within
from gan_jax.grammar import Feedback
from gan_jax.studies.command import numbers

ARMS = ("none", "diffaugment", "ada")
"""The augmentations that are compared."""
EVERY = 4
"""Steps between two changes of ADA's probability (Karras et al. 2020, section 3)."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    dataset: str = "fashion_mnist"
    """A labelled data set of images, or a folder of images with a subfolder for each class."""
    size: int | None = None
    """Side of the square images; by default that of the data set."""
    images: str = "500,2000,10000"
    """Numbers of training images, separated by commas; all: the whole training split."""
    augments: str = "none,diffaugment,ada"
    """Augmentations to compare, separated by commas: none, diffaugment, ada."""
    seeds: int = 3
    """GANs per number of images and augmentation, trained as one population."""
    steps: int = 5_600
    """Training steps of each GAN."""
    points: int = 7
    """Measurements during each training, evenly spaced."""
    samples: int = 2_000
    """Samples of each GAN at each measurement."""
    batch_size: int = 32
    """Real images of a step."""
    width: int = 24
    """Channels of the layers next to the image, for both players."""
    lr: float = 1e-3
    """Learning rate of both players."""
    r1: float = 0.0
    """Weight of R1, applied every fourth D step; 0: none."""
    ada_images: int = 20_000
    """Real images within which ADA's probability can rise from 0 to 1. The paper uses 500,000, for
    trainings on 25 million images.
    """
    ada_target: float = 0.6
    """r_t above which ADA's probability rises."""
    validate: bool = False
    """Measure the distance to 10,000 training images that no GAN sees, instead of the test images:
    for choosing settings.
    """
    workdir: Path | None = None
    """Folder of the results; by default runs/few_images_DATASET."""

    @property
    def folder(self) -> Path:
        """The folder of the results."""
        return self.workdir or Path("runs") / f"few_images_{Path(self.dataset).name}"

    @property
    def numbers(self) -> list[int | None]:
        """Numbers of training images, None for all.

        Raises:
          ConfigError: for anything but positive numbers and all.
        """
        return numbers("images", self.images)

    @property
    def arms(self) -> list[str]:
        """The augmentations.

        Raises:
          ConfigError: for an unknown one.
        """
        names = [name.strip() for name in self.augments.split(",")]
        return [one_of("augments", name, ARMS) for name in dict.fromkeys(names)]

    def check(self) -> None:
        """Refuses numbers out of range.

        Raises:
          ConfigError: naming the option.
        """
        at_least("seeds", self.seeds, 1)
        within("points", self.points, f"[1, {self.steps}]")
        at_least("samples", self.samples, 2)
        at_least("ada_images", self.ada_images, 1)
        within("ada_target", self.ada_target, "[-1, 1]")

    def config(self, arm: str) -> Config:
        """A small conditional DCGAN whose D has no normalization."""
        adam = Optimizer(lr=self.lr, b1=0.0, b2=0.99)
        rate = EVERY * self.batch_size / self.ada_images
        strength = Feedback("d/sign_real", target=self.ada_target, rate=rate, every=EVERY)
        augmentations = {
            "none": (),
            "diffaugment": (Augmentation("diffaugment"),),
            "ada": (Augmentation("ada", strength),),
        }
        return Config(
            dataset=self.dataset,
            size=self.size,
            conditioning="projection",
            latents=64,
            generator=Network("dcgan", width=self.width),
            discriminator=Network("dcgan", width=self.width, norm="none"),
            penalties=(Penalty("r1", self.r1, every=4),) if self.r1 else (),
            augmentations=augmentations[arm],
            batch_size=self.batch_size,
            g_optimizer=adam,
            d_optimizer=adam,
            steps=self.steps,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that all cells of a folder share, for JSON."""
        asked = dataclasses.asdict(self)
        for name in ("images", "augments", "seeds", "workdir"):
            del asked[name]
        return asked | {"gans": {arm: to_dict(self.config(arm)) for arm in ARMS}}
