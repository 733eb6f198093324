"""The folder of the study `recognition`: settings, one line per training, and generated images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax import pictures
from gan_jax.errors import ConfigError
from gan_jax.files import replacing, write
from gan_jax.runs.provenance import provenance
from gan_jax.studies.augmenting import LabelledImages
from gan_jax.studies.recognition_report import Line

SETTINGS, RESULTS, GENERATED = "settings.json", "results.jsonl", "generated"


class Results:
    """The results of a study so far, in memory and on disk. ``lines``: one per training.

    Args:
      folder: a new folder, or the folder of the same study.
      settings: the settings that determine the results, JSON-serializable.

    Raises:
      ConfigError: if the folder contains other files, or results with other settings.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]):
        self.folder = folder
        settings = json.loads(json.dumps(settings))
        try:
            self._begin(settings)
            self.lines = _read_lines(folder / RESULTS)
        except (OSError, KeyError, json.JSONDecodeError) as error:
            raise ConfigError(f"workdir {folder} cannot be used ({error}).") from error
        self._done = {(line["labels"], line["seed"], line["arm"]) for line in self.lines}

    def _begin(self, settings: dict[str, Any]) -> None:
        path = self.folder / SETTINGS
        if path.exists():
            before = json.loads(path.read_text())["settings"]
            different = [name for name in settings if before.get(name) != settings[name]]
            if different:
                raise ConfigError(
                    f"workdir {self.folder} has results with different settings "
                    f"({', '.join(different)}); use the same settings, or another --workdir."
                )
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise ConfigError(
                f"workdir {self.folder} contains other files than this study's; use a new folder."
            )
        else:
            (self.folder / GENERATED).mkdir(parents=True, exist_ok=True)
            values = {"settings": settings, **provenance()}
            write(path, json.dumps(values, indent=2) + "\n")

    def has(self, labels: str, seed: int, arm: str) -> bool:
        """Whether a training is complete."""
        return (labels, seed, arm) in self._done

    def add(self, line: Line) -> None:
        """Adds the line of a training."""
        with (self.folder / RESULTS).open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.lines.append(line)
        self._done.add((line["labels"], line["seed"], line["arm"]))

    def has_images(self, labels: str, seed: int) -> bool:
        """Whether the generated images of a GAN exist."""
        return self._images(labels, seed).exists()

    def images(self, labels: str, seed: int) -> LabelledImages:
        """The generated images of a GAN."""
        with np.load(self._images(labels, seed), allow_pickle=False) as arrays:
            return LabelledImages(arrays["x"], arrays["y"])

    def save_images(self, labels: str, seed: int, images: LabelledImages, k: int) -> None:
        """Writes the generated images of a GAN, whose ``k`` classes alternate, and a grid with one
        row per class.
        """
        path, shape = self._images(labels, seed), images.x.shape[1:]
        shown = images.x[: 10 * k].reshape(-1, k, *shape).swapaxes(0, 1)
        with replacing(path.with_suffix(".png")) as unfinished:
            pictures.save(unfinished, pictures.grid(shown.reshape(-1, *shape), shown.shape[1]))
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            np.savez_compressed(file, x=images.x, y=images.y)

    def _images(self, labels: str, seed: int) -> Path:
        return self.folder / GENERATED / f"labels_{labels}_seed_{seed}.npz"


def _read_lines(path: Path) -> list[Line]:
    """Complete lines; a truncated last one, left by a kill, is also removed from the file."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    write(path, "".join(json.dumps(line) + "\n" for line in lines))
    return lines
