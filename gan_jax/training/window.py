"""The steps since the last line of metrics, of which the next line has the means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Chunk(NamedTuple):
    """Some steps made in one call: how many, the means of their metrics (``[K]`` for K members),
    and the seconds that they took.
    """

    steps: int
    metrics: dict[str, np.ndarray]
    seconds: float


class Window:
    """Chunks since the last line. A checkpoint between two lines takes them along, so that a
    resumed run writes the line of an uninterrupted one.
    """

    def __init__(self, notes: Mapping[str, Any] | None = None):
        self._chunks: list[Chunk] = []
        if notes:
            metrics = {name: np.asarray(value) for name, value in notes["metrics"].items()}
            self._chunks = [Chunk(notes["steps"], metrics, notes["seconds"])]

    def add(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)

    def clear(self) -> None:
        self._chunks.clear()

    def __len__(self) -> int:
        """Its steps."""
        return sum(chunk.steps for chunk in self._chunks)

    @property
    def seconds(self) -> float:
        return sum(chunk.seconds for chunk in self._chunks)

    def means(self) -> dict[str, np.ndarray]:
        """Of the metrics, over all its steps, of which there is one at least."""
        total = lambda name: sum(chunk.steps * chunk.metrics[name] for chunk in self._chunks)
        return {name: total(name) / len(self) for name in self._chunks[0].metrics}

    def notes(self) -> dict[str, Any] | None:
        """What JSON can hold and makes this window again; None for an empty one."""
        if not self._chunks:
            return None
        metrics = {name: value.tolist() for name, value in self.means().items()}
        return {"steps": len(self), "seconds": self.seconds, "metrics": metrics}
