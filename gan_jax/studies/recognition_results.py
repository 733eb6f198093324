"""The folder of the study `recognition`: settings, one line per training, and generated images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gan_jax import pictures
from gan_jax.files import replacing
from gan_jax.modality import COLUMNS, Modality
from gan_jax.studies.augmenting import LabelledImages
from gan_jax.studies.lines import Line, Lines

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

    def images(self, labels: str, seed: int) -> LabelledImages:
        """The generated images of a GAN."""
        with np.load(self._images(labels, seed), allow_pickle=False) as arrays:
            return LabelledImages(arrays["x"], arrays["y"])

    def save_images(
        self, labels: str, seed: int, images: LabelledImages, k: int, modality: Modality
    ) -> None:
        """Writes the generated examples of a GAN, whose ``k`` classes alternate, and a picture with
        one row per class.
        """
        path, shape = self._images(labels, seed), images.x.shape[1:]
        columns = np.resize(np.arange(len(images.x) // k), COLUMNS) * k
        shown = images.x[columns[None, :] + np.arange(k)[:, None]]
        with replacing(path.with_suffix(".png")) as unfinished:
            pictures.save(unfinished, modality.picture(shown.reshape(-1, *shape)))
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            np.savez_compressed(file, x=images.x, y=images.y)

    def _images(self, labels: str, seed: int) -> Path:
        return self.folder / GENERATED / f"labels_{labels}_seed_{seed}.npz"
