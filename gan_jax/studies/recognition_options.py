"""Options of the study `recognition`; JAX is loaded only when its parts are built."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_jax.config import Augmentation, Config, Framing, Penalty, to_dict
from gan_jax.recognizers.recipes import RecognizerConfig, classic

if TYPE_CHECKING:
    from gan_jax.sampling.filters import Filters


LENGTH = 4_096
"""Samples of a sound, of which spectrograms are 64x64."""
GROUPS = {"spoken_digit": "spoken_digit/speaker"}
"""Data sets with other classes of the same examples."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    dataset: str = "mnist"
    """A labelled data set of images or sounds."""
    labels: str = "10,50,100"
    """Numbers of real labelled examples per class (with groups, per class and group), separated by
    commas; all: every example.
    """
    groups: str | None = None
    """Data set with other classes of the same examples, such as spoken_digit/speaker, which is that
    of spoken_digit by default.
    """
    unseen: bool = False
    """Test on all examples of a group that has no part in the training: group i for seed i."""
    seeds: int = 5
    """Repetitions, each with different real examples, GAN and classifiers."""
    workdir: Path | None = None
    """Folder of the results; by default runs/recognition_DATASET."""
    size: int | None = None
    """Side of the square images: those of a folder are cropped and resized to it, others are
    zero-padded. By default that of the dataset.
    """
    length: int | None = None
    """Length to which sounds are cut or padded (default: 4096)."""
    gan_steps: int = 4_000
    """Training steps of each GAN."""
    gan_width: int | None = None
    """Channels of the layers next to the example, for both players (default: 32 for images; as in
    the recipe spoken_digit_specgan for sounds)."""
    gan_r1: float | None = None
    """Weight of R1, applied every fourth D step (default: 1 for images, 0.03 for sounds)."""
    gan_augmentations: tuple[Augmentation, ...] | None = None
    """Augmentations of what D sees, such as diffaugment or ada (default: translation:0.125 for
    images; as in the recipe spoken_digit_specgan for sounds).
    """
    generated: int = 20_000
    """Examples that each GAN generates, balanced over the classes."""
    real_share: float = 0.5
    """Fraction of real examples among those that a classifier sees, if it sees both kinds."""
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
        from gan_jax.enlarging.gans import conditional

        config = dataclasses.replace(conditional(self.dataset, self.framing), steps=self.gan_steps)
        if self.gan_r1 is not None:
            r1 = Penalty("r1", self.gan_r1, every=4)
            config = dataclasses.replace(config, penalties=(r1,))
        if self.gan_augmentations is not None:
            config = dataclasses.replace(config, augmentations=self.gan_augmentations)
        if self.gan_width is None:
            return config
        narrow = lambda network: dataclasses.replace(network, width=self.gan_width)
        players = (config.generator, config.discriminator)
        generator, discriminator = map(narrow, players)
        return dataclasses.replace(config, generator=generator, discriminator=discriminator)

    @property
    def framing(self) -> Framing:
        """How examples are brought to one shape."""
        from gan_jax.data import describe
        from gan_jax.modality import Sounds

        sounds = isinstance(describe(self.dataset).modality, Sounds)
        return Framing(self.size, length=LENGTH if self.length is None and sounds else self.length)

    @property
    def grouping(self) -> str | None:
        """The data set whose classes are the groups."""
        return self.groups or GROUPS.get(self.dataset)

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
        for name in ("labels", "seeds", "workdir", "gan_width", "gan_r1", "gan_augmentations"):
            del asked[name]  # the last three are in the config of the GAN
        asked["groups"] = self.grouping
        parts = {"gan": to_dict(self.gan), "recognizer": dataclasses.asdict(self.recognizer)}
        return asked | parts | {"classic": dataclasses.asdict(classic(self.dataset))}
