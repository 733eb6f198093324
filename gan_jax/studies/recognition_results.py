"""The folder of the study `recognition`: settings, one line per training, and generated images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gan_jax.enlarging.examples import Labelled, read
from gan_jax.modality import Modality
from gan_jax.runs.lines import Line, Lines

GENERATED = "generated"


class Results(Lines):
    """The lines of the trainings, and the generated images.

    Args:
      folder, settings: as for `Lines`.

    Raises:
      ConfigError: as `Lines`.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]):
        super().__init__(folder, settings)
        self._done = {(line["labels"], line["seed"], line["arm"]) for line in self.lines}

    def has(self, labels: str, seed: int, arm: str) -> bool:
        """Whether a training is complete."""
        return (labels, seed, arm) in self._done

    def add(self, line: Line) -> None:
        """Adds the line of a training."""
        super().add(line)
        self._done.add((line["labels"], line["seed"], line["arm"]))

    def has_images(self, labels: str, seed: int) -> bool:
        """Whether the generated images of a GAN exist."""
        return self._images(labels, seed).exists()

    def images(self, labels: str, seed: int) -> Labelled:
        """The generated images of a GAN."""
        return read(self._images(labels, seed))

    def save_images(self, labels: str, seed: int, images: Labelled, modality: Modality) -> None:
        """Writes the generated examples of a GAN, and a picture with one row per class."""
        path = self._images(labels, seed)
        images.show(path.with_suffix(".png"), modality)
        images.save(path)

    def _images(self, labels: str, seed: int) -> Path:
        return self.folder / GENERATED / f"labels_{labels}_seed_{seed}.npz"
