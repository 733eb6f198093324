"""Studies of classifiers in cells: each cell selects real examples, and compares classifiers that
were trained on them in several ways, the arms.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gan_jax.files import write
from gan_jax.runs.lines import Line
from gan_jax.runs.logs import duration
from gan_jax.studies import recognition_report as report
from gan_jax.studies.recognition_report import Layout
from gan_jax.studies.recognition_results import Results

Cell = tuple[str, int]
"""What its examples are, such as the number of labels of each class, and the seed."""


class Cells:
    """Runs cells one after another, and writes tables and curves.

    A study defines `cells`, `work`, `cell`, ``about`` and, where tables are not all, ``more``, and
    sets ``layout``.

    Args:
      folder, settings: as for `Results`.

    Raises:
      ConfigError: as `Results`.
    """

    layout: Layout

    def __init__(self, folder: Path, settings: dict[str, Any]):
        self.folder, self.results = folder, Results(folder, settings)

    def cells(self) -> list[Cell]:
        """All cells in their order."""
        raise NotImplementedError

    def work(self, cell: Cell) -> float:
        """The remaining work of a cell, in classifier steps."""
        raise NotImplementedError

    def cell(self, cell: Cell) -> None:
        """Does what is missing of a cell: calls `add` for each training, `advance` as it goes."""
        raise NotImplementedError

    @property
    def about(self) -> str:
        """A sentence above the tables."""
        raise NotImplementedError

    @property
    def more(self) -> str:
        """What stands below the tables."""
        return ""

    def missing(self, cell: Cell) -> list[str]:
        """The arms of a cell that are not complete."""
        return [arm for arm in self.layout.arms if not self.results.has(*cell, arm)]

    def run(self) -> None:
        """Runs what is missing, then writes tables and curves."""
        self._done, self._total = 0.0, sum(map(self.work, self.cells()))
        self._began = time.perf_counter()
        with tqdm(
            total=self._total, desc="study", unit=" steps", disable=None, dynamic_ncols=True
        ) as self._bar:
            for cell in self.cells():
                self.cell(cell)
        print(self._report())

    def called(self, row: str) -> str:
        """A row in a line of progress."""
        return f"{row:>4} {self.layout.unit}"

    def advance(self, work: float) -> None:
        """Moves the progress bar by so many classifier steps."""
        self._done += work
        self._bar.update(work)

    def add(self, cell: Cell, line: Line, began: float) -> None:
        """Adds the line of a training that began at a time to the results, and prints it."""
        labels, seed = cell
        seconds = round(time.perf_counter() - began, 1)
        self.results.add({"labels": labels, "seed": seed} | line | {"seconds": seconds})
        spent = time.perf_counter() - self._began
        left = duration(spent / max(self._done, 1) * max(0.0, self._total - self._done))
        if "accuracy" in line:
            found = f"{line['accuracy']:.2%}"
        else:
            found = f"{line['kept']:,} of {line['drawn']:,} kept"
        text = f"{self.called(labels)}, seed {seed}, {line['arm']:14} {found}"
        text += f", {seconds:.0f} s"
        self._bar.write(text if not self._bar.disable else f"{text}; {left} left", file=sys.stdout)
        sys.stdout.flush()

    def _report(self) -> str:
        summary = report.summarize(self.results.lines, self.layout)
        write(self.folder / "results.csv", report.as_csv(summary))
        table = report.as_markdown(summary, self.about, self.layout) + f"\n{self.more}"
        write(self.folder / "results.md", table)
        seeds = len({seed for _, seed in self.cells()})
        subject, repeats = self.about.partition(":")[0], self.layout.repeats
        title = f"{subject}: mean and 95% interval over {seeds} {repeats}"
        report.draw(summary, title, self.folder / "results.png", self.layout)
        return f"{table}\nwritten:     {self.folder}: results.csv, results.md, results.png"
