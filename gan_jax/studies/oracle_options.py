"""The options of the study of oracles."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    workdir: Path = Path("runs/oracle")
    """Folder of the results."""
    methods: str = "all"
    """Methods, separated by commas, or all."""
    words: int = 500
    """Words of the language; published figures are of 5,000."""
    oracles: int = 2
    """Oracles, each drawn by its seed, from 0."""
    seeds: int = 3
    """Generators for each oracle and method."""
    likelihood_steps: int = 4_000
    """Steps of maximum likelihood, alone or before the game."""
    steps: int = 2_000
    """Steps of the game."""
    samples: int = 2_000
    """Texts of G and of the oracle that are measured."""
