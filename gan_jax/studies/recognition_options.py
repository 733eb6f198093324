"""What the study `recognition` is asked for; loads JAX only when its parts are made."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_jax.config import Config, Penalty, to_dict

if TYPE_CHECKING:
    from gan_jax.recognizers import RecognizerConfig
    from gan_jax.sampling.filters import Filters


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    dataset: str = "mnist"
    """A labelled data set of images."""
    labels: str = "10,50,100"
    """Real labelled images a class, separated by commas; all: all there are."""
    seeds: int = 5
    """Repetitions, each with real images, a GAN and recognizers of its own."""
    workdir: Path | None = None
    """Folder of the results; by default runs/recognition_DATASET."""
    size: int | None = None
    """Side that smaller images are padded to with black."""
    gan_steps: int = 4_000
    """Updates of each GAN."""
    gan_width: int = 32
    """Channels next to the image, of both players."""
    gan_r1: float = 1.0
    """Weight of the R1 penalty, at every fourth update."""
    generated: int = 20_000
    """Images that each GAN draws, its classes in equal shares."""
    real_share: float = 0.5
    """Share of real images among those that a recognizer sees, where it sees both."""
    truncation: float | None = None
    """Filter: latents are drawn within [-PSI, PSI]."""
    min_confidence: float | None = None
    """Filter: the least probability of the label, by the recognizer `classic` of the same real
    images.
    """
    rejection: float | None = None
    """Filter: discriminator rejection, gamma at this percentile."""
    recognizer_steps: int = 1_000
    """Updates of each recognizer."""
    recognizer_batch: int = 64
    """Images an update."""

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
        """The recognizer of each cell."""
        from gan_jax.recognizers import RecognizerConfig

        return RecognizerConfig(steps=self.recognizer_steps, batch_size=self.recognizer_batch)

    @property
    def filters(self) -> Filters:
        """Which of a GAN's images are used."""
        from gan_jax.sampling.filters import Filters

        return Filters(self.truncation, self.min_confidence, self.rejection)

    @property
    def settings(self) -> dict[str, Any]:
        """What the results depend on, but for labels and seeds."""
        from gan_jax.recognizers.recipes import classic

        asked = dataclasses.asdict(self)
        for name in ("labels", "seeds", "workdir"):
            del asked[name]
        parts = {"gan": to_dict(self.gan), "recognizer": dataclasses.asdict(self.recognizer)}
        return asked | parts | {"classic": dataclasses.asdict(classic(self.dataset))}
