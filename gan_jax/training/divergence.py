"""The exceptions of a failed training."""

from __future__ import annotations

import math


class Diverged(RuntimeError):
    """Training diverged by ``step``. ``good``: the last good step; infinite if every checkpoint is
    good.
    """

    def __init__(self, reason: str, step: int, good: float = math.inf):
        super().__init__(reason)
        self.step, self.good = step, good


class NotFinite(Diverged):
    """A metric or a weight became infinite or NaN."""
