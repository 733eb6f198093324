"""Carries out tasks within a time limit and keeps their results; the same call goes on."""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gan_jax.benchmarks.suite import page, peer
from gan_jax.benchmarks.suite.plan import Task
from gan_jax.benchmarks.suite.workers import Failed, TimeUp, Worker
from gan_jax.errors import ConfigError
from gan_jax.files import write
from gan_jax.runs.lines import Line, Lines

LEAST = 5.0
"""Seconds that have to be left for a task to be begun."""
START = 120.0
"""Seconds in which JAX has to start, whatever the limit."""
LEAST_REST = 60.0
"""The same for a task that gets its share of the time that is left."""
MEASUREMENTS, ENVIRONMENT = "gan_jax.benchmarks.suite.measurements", "environment"


class Counts(NamedTuple):
    """The numbers of tasks that were made, that failed, and that are left."""

    made: int
    failed: int
    left: int


class Suite:
    """The results in a folder: a line for each task that was made, ``NAME.json`` with all of them,
    and ``NAME.md``, the page of `gan_jax.benchmarks.suite.page`.

    Args:
      name: the kind of the suite, or of the curves, which is a setting of the folder.
      folder: a new folder, or that of an earlier call.
      tasks: what has to be made, in this order. What failed before is made again, last.
      minutes: the time limit of a call.
      with_peer: Python and scripts of the PyTorch steps; empty: without.
      gpu: whether a GPU has to be there.

    Raises:
      ConfigError: for a folder with other results, or without the GPU; nothing was written then.
    """

    def __init__(
        self,
        name: str,
        folder: pathlib.Path,
        tasks: Sequence[Task],
        minutes: float,
        with_peer: Sequence[str] = (),
        gpu: bool = False,
    ):
        self._end = time.monotonic() + 60 * minutes
        self._name, self._folder, self._tasks = name, folder, tasks
        self._peer, self._workers = list(with_peer), {}
        about = self._measured_on()
        if gpu and about["backend"] != "gpu":
            self.close()
            raise ConfigError(f"{name} needs a GPU, but jax found only {about['device']}.")
        self._lines = Lines(folder, {"name": name}, about=about)
        self._about = json.loads((folder / "settings.json").read_text())
        self._write()

    def run(self, told: Callable[[str], None]) -> Counts:
        """Makes tasks until all are made or the time is up; ``told`` gets a line on each."""
        waiting = self._waiting()
        try:
            for i, task in enumerate(waiting):
                rest = sum(other.rest for other in waiting[i:])
                if self._left() < (LEAST_REST * rest if task.rest else LEAST):
                    break
                line = self._line(task, rest, first=not i)
                if line is None:
                    break
                self._lines.add(line)
                self._write()
                told(page.told(line))
        finally:
            self.close()
        newest = self._newest()
        made = sum(_complete(line) for line in newest.values())
        failed = sum("error" in line for line in newest.values())
        return Counts(made, failed, len(self._tasks) - made - failed)

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()

    def _waiting(self) -> list[Task]:
        """What has to be made: first what never was."""
        newest = self._newest()
        left = [task for task in self._tasks if not _complete(newest.get(task.name))]
        return sorted(left, key=lambda task: task.name in newest)

    def _newest(self) -> dict[str, Line]:
        return {line["name"]: line for line in self._lines.lines}

    def _left(self) -> float:
        return self._end - time.monotonic()

    def _line(self, task: Task, rest: int, first: bool) -> Line | None:
        """The line of a task; None if the time is up."""
        began = time.monotonic()
        line = {"part": task.part, "name": task.name, "options": task.options}
        options = dict(task.options)
        if task.rest:
            options |= {
                "seconds": self._left() / rest,
                "workdir": str(self._folder / task.options["recipe_name"]),
            }
        try:
            line |= {"values": self._values(task, options)}
        except Failed as error:
            line |= {"error": str(error)}
        except TimeUp:
            if not first:
                return None
            line |= {"error": f"it took longer than the {self._took(began):.0f} s of a call"}
        return line | {"seconds": round(self._took(began), 1)}

    def _took(self, began: float) -> float:
        return time.monotonic() - began

    def _values(self, task: Task, options: dict[str, Any]) -> dict[str, Any]:
        if task.function != "peer":
            return self._worker(task.members).run(task.function, options, self._left())
        if not self._peer:
            raise Failed("not compared; --peer names a Python with PyTorch and scripts")
        return peer.measure(self._peer, options, self._left())

    def _worker(self, members: int) -> Worker:
        """A process for these tasks; another one if the last has ended."""
        known = self._workers.get(members)
        if known is None or not known.alive:
            self._workers[members] = Worker(members, MEASUREMENTS)
        return self._workers[members]

    def _measured_on(self) -> dict[str, Any]:
        try:
            return self._worker(1).run(ENVIRONMENT, {}, max(self._left(), START))
        except (Failed, TimeUp) as error:
            self.close()
            why = str(error) or f"it did not start in {START:.0f} s"
            raise ConfigError(f"jax cannot be used: {why}.") from None

    def _write(self) -> None:
        newest = self._newest()
        lines = [newest[task.name] for task in self._tasks if task.name in newest]
        missing = [
            {"part": task.part, "name": task.name}
            for task in self._tasks if task.name not in newest
        ]  # fmt: skip
        results = {**self._about, "lines": lines, "missing": missing}
        write(self._folder / f"{self._name}.json", json.dumps(results, indent=1) + "\n")
        write(self._folder / f"{self._name}.md", page.whole(results))


def _complete(line: Line | None) -> bool:
    return line is not None and "values" in line and not line["values"].get("unfinished")
