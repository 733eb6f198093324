"""Options that the studies `few_labels` and `imbalance` share."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from gan_jax.enlarging.options import Work


@dataclasses.dataclass(frozen=True)
class Options(Work):
    """The command line after the options of a study itself."""

    dataset: str = "mnist"
    """A labelled data set of images."""
    seeds: int = 3
    """Repetitions, each with different real examples, GANs and classifiers."""
    workdir: Path | None = None
    """Folder of the results; by default runs/STUDY_DATASET."""
    real_share: float = 0.5
    """Fraction of labelled images among those that a classifier sees, if others are added."""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that determine the results, except the seeds."""
        asked = dataclasses.asdict(self)
        for name in ("seeds", "workdir"):
            del asked[name]
        return asked
