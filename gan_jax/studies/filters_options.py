"""Options of the study `filters`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    dataset: str = "mnist"
    """A labelled data set of images or sounds."""
    labels: int = 100
    """Real labelled examples of each class."""
    real: str = "20,50,80"
    """Percentages of real examples in a mixture, separated by commas."""
    validation: int = 5_000
    """Other examples of the training split, on which the mixture is chosen."""
    seeds: int = 3
    """Repetitions, each with different real examples, GAN and classifiers."""
    workdir: Path | None = None
    """Folder of the results; by default runs/filters_DATASET."""
    size: int | None = None
    """Side of the square images: those of a folder are cropped and resized to it, others are
    zero-padded. By default that of the dataset.
    """
    length: int | None = None
    """Length to which sounds are cut or padded."""
    gan_steps: int = 4_000
    """Training steps of each GAN."""
    generated: int = 20_000
    """Examples that each filter leaves, balanced over the classes."""
    truncation: float = 1.0
    """Filter truncation: latents are drawn within [-PSI, PSI]."""
    min_confidence: float = 0.9
    """Filter confidence: minimum probability of the label, by a classifier of the real examples."""
    rejection: float = 80.0
    """Filter rejection: discriminator rejection, gamma at this percentile."""
    recognizer_steps: int = 1_000
    """Training steps of each classifier."""
    recognizer_batch: int = 64
    """Batch size of the classifiers."""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that determine the results, except percentages and seeds."""
        asked = dataclasses.asdict(self)
        for name in ("real", "seeds", "workdir"):
            del asked[name]
        return asked
