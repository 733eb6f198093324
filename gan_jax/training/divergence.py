"""How training fails."""

from __future__ import annotations

import math


class Diverged(RuntimeError):
    """Training that went wrong by ``step``. ``good``: the last step at which all was well;
    infinite: whatever was saved is good.
    """

    def __init__(self, reason: str, step: int, good: float = math.inf):
        super().__init__(reason)
        self.step, self.good = step, good


class NotFinite(Diverged):
    """A metric or a weight that became infinite or no number."""
