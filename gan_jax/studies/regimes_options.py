"""Options that the studies `few_labels` and `imbalance` share."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line after the options of a study itself."""

    dataset: str = "mnist"
    """A labelled data set of images."""
    seeds: int = 3
    """Repetitions, each with different real examples, GANs and classifiers."""
    workdir: Path | None = None
    """Folder of the results; by default runs/STUDY_DATASET."""
    size: int | None = None
    """Side to which smaller images are zero-padded."""
    gan_steps: int = 4_000
    """Training steps of each conditional GAN."""
    labelling_steps: int = 3_000
    """Training steps of each semi-supervised GAN."""
    generated: int = 20_000
    """Images to add of each kind, balanced over the classes if they are generated."""
    kept: float = 0.75
    """Confidence filter: share of the unlabelled or generated images that is kept, in each class
    those of whose label a classifier is most sure.
    """
    real_share: float = 0.5
    """Fraction of labelled images among those that a classifier sees, if others are added."""
    recognizer_steps: int = 1_000
    """Training steps of each classifier."""
    recognizer_batch: int = 64
    """Batch size of the classifiers."""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that determine the results, except the seeds."""
        asked = dataclasses.asdict(self)
        for name in ("seeds", "workdir"):
            del asked[name]
        return asked
