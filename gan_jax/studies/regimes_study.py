"""Cells whose added examples come from the GANs of `gan_jax.enlarge`: the studies `few_labels` and
`imbalance`.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gan_jax.config import Framing
from gan_jax.data import frame_of, load
from gan_jax.data.splits import train_and_test_of
from gan_jax.enlarging import candidates
from gan_jax.enlarging.addition import GENERATED, LABELLED_BY_D, Additions, Known, check
from gan_jax.enlarging.candidates import Candidate
from gan_jax.enlarging.examples import Labelled, labelled
from gan_jax.enlarging.options import Options as Settings
from gan_jax.enlarging.options import Work
from gan_jax.errors import at_least, within
from gan_jax.recognizers import Recognizer, RecognizerConfig
from gan_jax.runs import lines
from gan_jax.studies.cells import Cell, Cells
from gan_jax.studies.regimes_options import Options

Arms = dict[str, Callable[[], np.ndarray]]
"""For each arm a function that trains its classifier and returns whether it recognizes each test
example, ``[n]`` bool.
"""


class RegimeStudy(Cells):
    """The cells of a study of one regime; wrong options are refused on construction.

    A study defines `places`, `unlabelled` and `arms`, and sets ``name``, ``regime`` and ``kinds``,
    the kinds of examples for which it trains GANs.

    Args:
      rows: what distinguishes the rows of its tables, such as numbers of labels.
      settings: of the study itself, which determine the results.
    """

    name: ClassVar[str]
    regime: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]

    def __init__(self, options: Options, rows: list[int], settings: dict[str, Any]):
        self.options, self._rows, framing = options, rows, Framing(options.size)
        at_least("seeds", options.seeds, 1)
        within("real_share", options.real_share, "(0, 1)")
        about = check(options.dataset, framing, self._settings(0), self.recognizer)
        self.classes, self._names = about.num_classes, about.class_names
        self.modality = frame_of(about, framing).modality
        folder = options.workdir or Path("runs") / f"{self.name}_{Path(options.dataset).name}"
        lines.check(folder)
        parts = [
            load(options.dataset, part, framing) for part in train_and_test_of(options.dataset)
        ]
        self.data, self.test = map(labelled, parts)
        for row in rows:
            self.places(row, 0)
        super().__init__(folder, options.settings | settings)

    def places(self, row: int, seed: int) -> np.ndarray:
        """The places of the labelled examples of a cell.

        Raises:
          ConfigError: if there are too few.
        """
        raise NotImplementedError

    def unlabelled(self, places: np.ndarray) -> np.ndarray:
        """The examples ``[m, ...]`` without labels of a cell with these labelled ones."""
        raise NotImplementedError

    def arms(self, seed: int, real: Labelled, additions: Additions) -> Arms:
        """The arms of a cell."""
        raise NotImplementedError

    def cells(self) -> list[Cell]:
        return [(str(row), seed) for seed in range(self.options.seeds) for row in self._rows]

    def work(self, cell: Cell) -> float:
        lacking = [kind for kind in self.kinds if not self.results.has(*cell, _images(kind))]
        of_gans = sum(map(self._work_of_gan, lacking))
        return len(self.missing(cell)) * self.options.recognizer_steps + of_gans

    def _work_of_gan(self, kind: str) -> float:
        """The approximate cost of the GAN of a kind in classifier steps, for the time left."""
        options = self.options
        return {LABELLED_BY_D: 8.0 * options.labelling_steps, GENERATED: 3.0 * options.gan_steps}[
            kind
        ]

    def cell(self, cell: Cell) -> None:
        """The GANs and the classifiers of one selection of real images."""
        if not (missing := self.missing(cell)):
            return
        row, seed = cell
        places = self.places(int(row), seed)
        real = self.data.at(places)
        rest = self.unlabelled(places)
        known = Known(self.options.dataset, real, rest, self._names, self.modality)

        def tell(line: lines.Line) -> None:
            self.advance(self._work_of_gan(line["kind"]))
            began = time.perf_counter() - line["seconds"]
            self.add(cell, line | {"arm": _images(line["kind"])}, began)

        judge = functools.cache(lambda: self.train(Candidate(), seed, real, {}))
        folder = self.folder / f"cell_{row}_seed_{seed}"
        arms = self.arms(
            seed, real, Additions(folder, self._settings(seed), self.regime, known, judge, tell)
        )
        weights = candidates.weights(self.test.y, self.regime == "imbalance")
        for arm in missing:
            began = time.perf_counter()
            accuracy = float((arms[arm]() * weights).mean())
            self.add(cell, {"arm": arm, "accuracy": accuracy, "real": len(real.y)}, began)

    def _settings(self, seed: int) -> Settings:
        """The settings of the GANs of a cell."""
        shared = {f.name: getattr(self.options, f.name) for f in dataclasses.fields(Work)}
        return Settings(label_seed=seed, **shared)

    @property
    def recognizer(self) -> RecognizerConfig:
        """The classifier of every arm."""
        return candidates.recognizer(self.options, self.options.dataset)

    def train(
        self,
        candidate: Candidate,
        seed: int,
        real: Labelled,
        added: Mapping[str, Labelled],
        weights: tuple[float, ...] = (),
    ) -> Recognizer:
        """The classifier of a mixture, as `gan_jax.enlarging.candidates.train`."""
        config = dataclasses.replace(self.recognizer, seed=seed)
        told = lambda n, _: self.advance(n)
        data = real, added, self.classes, self.modality
        return candidates.train(candidate, config, *data, told, weights)

    def recognized(self, *mixture: Any, **options: Any) -> np.ndarray:
        """Whether the classifier of a mixture, as in `train`, recognizes each test example."""
        return candidates.right(self.train(*mixture, **options), self.test)

    @property
    def about(self) -> str:
        options = self.options
        return (
            f"{options.dataset}: classifiers of {options.recognizer_steps:,} steps with classic "
            f"augmentation, conditional GANs of {options.gan_steps:,} steps, {options.generated:,} "
            f"added images of each kind, {options.real_share:.0%} real ones in a mixture."
        )


def _images(kind: str) -> str:
    """The name of the line of a kind of examples."""
    return f"images {kind}"
