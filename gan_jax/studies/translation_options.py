"""Options of the study `translation`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from gan_jax import arguments


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    runs: arguments.Positional[tuple[Path, ...]]
    """Run folders of GANs of two domains, which differ in their seeds alone."""
    classifiers: int = 3
    """Classifiers of each arm and run, whose accuracies are averaged."""
    steps: int = 600
    """Training steps of a classifier."""
    batch_size: int = 64
    """Batch size of the classifiers."""
    samples: int = 2_000
    """Translated images in the Fréchet distances."""
    to: str = "all"
    """Domains to translate to, separated by commas: b, a, or all."""
    arms: str = "all"
    """Arms to train, separated by commas, or all. The same command with more arms adds them."""
    workdir: Path | None = None
    """Folder of the results; by default runs/translation_SOURCE_TARGET."""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that determine the results of a run."""
        names = ("classifiers", "steps", "batch_size", "samples")
        return {name: getattr(self, name) for name in names}
