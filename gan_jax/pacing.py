"""Work in calls of about equal time: between two of them progress is seen and a signal is heard."""

from __future__ import annotations

import time
from collections.abc import Iterator


class Pace:
    """Chooses the number of steps of each call, so that a call takes about ``seconds``.

    The first call makes one step; each later one follows the speed of the call before it.
    """

    def __init__(self, seconds: float):
        self._seconds, self._speed = seconds, 0.0

    def steps(self, most: int) -> int:
        """Steps of the next call: 1 to ``most``."""
        return min(most, max(1, int(self._seconds * self._speed)))

    def took(self, steps: int, seconds: float) -> None:
        """Notes the length of a call."""
        self._speed = steps / seconds


def calls(first: int, last: int, seconds: float = 0.5) -> Iterator[int]:
    """The numbers of steps of the calls that lead from step ``first`` to step ``last``.

    The body of the loop over them is what is timed: it makes the steps and waits for their result.

    Args:
      first, last: steps made before and after; both ints, ``first`` may be ``last``.
      seconds: about how long a call takes.
    """
    pace = Pace(seconds)
    while first < last:
        n, began = pace.steps(last - first), time.perf_counter()
        yield n
        pace.took(n, time.perf_counter() - began)
        first += n
