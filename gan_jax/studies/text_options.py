"""The options of the study of texts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from gan_jax import arguments


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    dataset: arguments.Positional[str]
    """Dataset of texts, as for train."""
    tokens: str | None = None
    """Characters or words, as for train."""
    field: str | None = None
    """Text feature of a TFDS dataset that has several."""
    workdir: Path | None = None
    """Folder of the results; by default runs/text_DATASET."""
    methods: str = "all"
    """Methods, separated by commas, or all."""
    seeds: int = 3
    """Generators of each method."""
    steps: int = 5_000
    """Steps of each training."""
    samples: int = 5_000
    """Texts of each generator, temperature and n-gram sampler."""
    temperatures: tuple[float, ...] = (0.6, 0.8, 1.0, 1.2)
    """Of the samples; a generator without a temperature is measured once."""

    @property
    def folder(self) -> Path:
        name = Path(self.dataset).name if Path(self.dataset).exists() else self.dataset
        return self.workdir or Path("runs") / f"text_{name.replace('/', '_')}"
