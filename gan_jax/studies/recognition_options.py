"""Options of the study `recognition`; JAX is loaded only when its parts are built."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_jax.config import Config, Penalty, to_dict
from gan_jax.recognizers.recipes import RecognizerConfig, classic

if TYPE_CHECKING:
    from gan_jax.sampling.filters import Filters


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    dataset: str = "mnist"
    """A labelled data set of images."""
    labels: str = "10,50,100"
    """Numbers of real labelled images per class, separated by commas; all: every image."""
    seeds: int = 5
    """Repetitions, each with different real images, GAN and classifiers."""
    workdir: Path | None = None
    """Folder of the results; by default runs/recognition_DATASET."""
    size: int | None = None
    """Side to which smaller images are zero-padded."""
    gan_steps: int = 4_000
    """Training steps of each GAN."""
    gan_width: int = 32
    """Channels of the layers next to the image, for both players."""
    gan_r1: float = 1.0
    """Weight of R1, applied every fourth D step."""
    generated: int = 20_000
    """Images that each GAN generates, balanced over the classes."""
    real_share: float = 0.5
    """Fraction of real images among those that a classifier sees, if it sees both kinds."""
    truncation: float | None = None
    """Filter: latents are drawn within [-PSI, PSI]."""
    min_confidence: float | None = None
    """Filter: minimum probability of the label, by the classifier `classic` of the same images."""
    rejection: float | None = None
    """Filter: discriminator rejection, gamma at this percentile."""
    recognizer_steps: int = 1_000
    """Training steps of each classifier."""
    recognizer_batch: int = 64
    """Batch size of the classifiers."""

    @property
    def gan(self) -> Config:
        """The GAN of each cell."""
        from gan_jax.studies.augmenting import gan_config

        config = gan_config(self.dataset, self.size)
        narrow = lambda network: dataclasses.replace(network, width=self.gan_width)
        return dataclasses.replace(
            config,
            steps=self.gan_steps,
            generator=narrow(config.generator),
            discriminator=narrow(config.discriminator),
            penalties=(Penalty("r1", self.gan_r1, every=4),),
        )

    @property
    def recognizer(self) -> RecognizerConfig:
        """The classifier of each cell."""
        return RecognizerConfig(steps=self.recognizer_steps, batch_size=self.recognizer_batch)

    @property
    def filters(self) -> Filters:
        """The selection of a GAN's images."""
        from gan_jax.sampling.filters import Filters

        return Filters(self.truncation, self.min_confidence, self.rejection)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that determine the results, except labels and seeds."""
        asked = dataclasses.asdict(self)
        for name in ("labels", "seeds", "workdir"):
            del asked[name]
        parts = {"gan": to_dict(self.gan), "recognizer": dataclasses.asdict(self.recognizer)}
        return asked | parts | {"classic": dataclasses.asdict(classic(self.dataset))}
