"""Options of the study `cas`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from gan_jax import arguments


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    runs: arguments.Positional[tuple[Path, ...]]
    """Run folders of conditional GANs of the same dataset."""
    networks: str = "cnn,resnet_half"
    """Architectures of the classifiers, separated by commas: cnn, resnet, resnet_half."""
    samples: int = 60_000
    """Generated images of each GAN."""
    steps: int | None = None
    """Training steps of a classifier; by default as in the classifier recipe of the dataset."""
    workdir: Path | None = None
    """Folder of the results; by default runs/cas_DATASET."""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that determine the results of a run."""
        return {"samples": self.samples, "steps": self.steps}
