"""The steps since the last line of metrics, whose means go into the next line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Chunk(NamedTuple):
    """The steps of one call: their number, the means of their metrics (``[K]`` for K members), and
    their duration in seconds.
    """

    steps: int
    metrics: dict[str, np.ndarray]
    seconds: float


class Window:
    """The chunks since the last line. A checkpoint between two lines includes them, so that a
    resumed run writes the same line as an uninterrupted one.
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
        """The number of steps."""
        return sum(chunk.steps for chunk in self._chunks)

    @property
    def seconds(self) -> float:
        return sum(chunk.seconds for chunk in self._chunks)

    def means(self) -> dict[str, np.ndarray]:
        """The means of the metrics over all steps, of which there must be at least one."""
        total = lambda name: sum(chunk.steps * chunk.metrics[name] for chunk in self._chunks)
        return {name: total(name) / len(self) for name in self._chunks[0].metrics}

    def notes(self) -> dict[str, Any] | None:
        """The JSON form from which this window can be made again; None for an empty window."""
        if not self._chunks:
            return None
        metrics = {name: value.tolist() for name, value in self.means().items()}
        return {"steps": len(self), "seconds": self.seconds, "metrics": metrics}
