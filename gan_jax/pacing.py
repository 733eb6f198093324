"""Splits work into calls of about equal time; progress and signals are handled between calls."""

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
        """The number of steps of the next call, from 1 to ``most``."""
        return min(most, max(1, int(self._seconds * self._speed)))

    def took(self, steps: int, seconds: float) -> None:
        """Records the duration of a call."""
        self._speed = steps / seconds


def calls(first: int, last: int, seconds: float = 0.5) -> Iterator[int]:
    """Yields the number of steps of each call between step ``first`` and step ``last``.

    The body of the loop is timed: it must make the steps and wait for their result.

    Args:
      first, last: the numbers of steps before and after; they may be equal.
      seconds: the approximate duration of a call.
    """
    pace = Pace(seconds)
    while first < last:
        n, began = pace.steps(last - first), time.perf_counter()
        yield n
        pace.took(n, time.perf_counter() - began)
        first += n
