"""Runs the cells of the study `translation` one after another: a direction of a run each."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_jax.config import Config, to_dict
from gan_jax.data import Dataset, load
from gan_jax.data.splits import train_and_test
from gan_jax.engine.gan import Gan
from gan_jax.enlarging.candidates import CUTOUT, MIXUP, right
from gan_jax.enlarging.examples import Labelled, labelled
from gan_jax.errors import ConfigError, at_least
from gan_jax.evaluation.evaluator import evaluate
from gan_jax.evaluation.one_way import one_way
from gan_jax.modality import DOMAINS, to_float
from gan_jax.recognizers import RecognizerConfig, fit
from gan_jax.recognizers.recipes import classic
from gan_jax.runs import folder as run_folder
from gan_jax.runs import lines, restore
from gan_jax.sampling.draw import generated
from gan_jax.studies.cells import Cell, Cells
from gan_jax.studies.recognition_report import Layout
from gan_jax.studies.translation_options import Options
from gan_jax.types import GanState

SCORES = "scores"
"""The arm of the evaluation of a direction."""
EVALUATION = 300.0
"""Approximate cost of an evaluation in classifier steps; used only to estimate the time left."""


class Way(NamedTuple):
    """One direction of a run: the GAN that translates, its state, the config of the target, and
    training images of the source and of the target with their labels.
    """

    gan: Gan
    state: GanState
    config: Config
    source: Dataset
    target: Dataset

    @property
    def name(self) -> str:
        return f"{self.source.description.name} to {self.target.description.name}"


class Study(Cells):
    """The cells of the study; wrong options are refused on construction."""

    layout = Layout(
        {
            "source": "source images",
            "classic": "source images, classic augmentation",
            "mixup": "source images, mixup",
            "cutout": "source images, cutout",
            "translated": "translated images",
            "both": "translated images, classic augmentation",
            "both+mixup": "translated images, mixup",
            "target": "target images",
        },
        bases=("classic", "mixup", "cutout"),
        rows="direction",
        axis="direction",
        repeats="runs",
    )

    def __init__(self, options: Options):
        self.options = options
        for name in ("classifiers", "steps", "batch_size", "samples"):
            at_least(name, getattr(options, name), 1)
        read = [run_folder.read(path) for path in options.runs]
        configs = [run.config for run in read]
        _check(configs, options.runs)
        self._ways: dict[Cell, Way] = {}
        for config, path in zip(configs, options.runs, strict=True):
            for to in reversed(DOMAINS):
                way = way_of(path, to)
                self._ways[way.name, config.seed] = way
        if len(self._ways) < len(DOMAINS) * len(configs):
            raise ConfigError(f"runs: the domains of {options.runs[0]} have the same name.")
        steps = {int(way.state.step) for way in self._ways.values()}
        if len(steps) > 1:
            raise ConfigError(
                f"runs: all must have the same number of steps, but these have {sorted(steps)}."
            )
        first = next(iter(self._ways.values()))
        self._classes = first.target.description.num_classes
        names = f"{first.source.description.name}_{first.target.description.name}"
        folder = options.workdir or Path("runs") / f"translation_{names}"
        lines.check(folder)
        gan = to_dict(dataclasses.replace(configs[0], seed=0))
        super().__init__(folder, options.settings | {"gan": gan, "gan_steps": steps.pop()})

    def cells(self) -> list[Cell]:
        return list(self._ways)

    def work(self, cell: Cell) -> float:
        of_arms = len(self.missing(cell)) * self.options.classifiers * self.options.steps
        return of_arms + EVALUATION * (not self.results.has(*cell, SCORES))

    def cell(self, cell: Cell) -> None:
        way = self._ways[cell]
        if not self.results.has(*cell, SCORES):
            began = time.perf_counter()
            scores = self._scores(way)
            self.advance(EVALUATION)
            self.add(cell, {"arm": SCORES} | scores, began)
        if missing := self.missing(cell):
            _, test = train_and_test(way.target.description.splits)
            held_out = labelled(load(way.config.dataset, test, way.config.framing))
            arms = self._arms(way)
        for arm in missing:
            began, (images, recipe) = time.perf_counter(), arms[arm]
            each = [dataclasses.replace(recipe, seed=seed) for seed in self._seeds(cell)]
            found = [self._accuracy(own, images(), held_out) for own in each]
            own = {"accuracy": float(np.mean(found)), "classifiers": found}
            self.add(cell, {"arm": arm} | own, began)

    def _scores(self, way: Way) -> lines.Line:
        found = evaluate(way.gan, way.state, way.config, num_samples=self.options.samples)
        of = lambda name: [found.scores[name], *found.intervals[name]]
        recognized = of("label_agreement")
        return {
            "accuracy": recognized[0],
            "recognized": recognized,
            "frechet_distance": of("frechet_distance"),
            "real": found.real["label_agreement"],
        }

    def _seeds(self, cell: Cell) -> range:
        """Seeds of classifiers, of which no two runs share one."""
        first = cell[1] * self.options.classifiers
        return range(first, first + self.options.classifiers)

    def _arms(self, way: Way) -> dict[str, tuple[Callable[[], Labelled], RecognizerConfig]]:
        """The training images of each arm and the training of its classifiers."""
        plain = RecognizerConfig(steps=self.options.steps, batch_size=self.options.batch_size)
        usual = classic(way.source.description.name)
        augmented = dataclasses.replace(plain, augmentation=usual)
        mixed = dataclasses.replace(augmented, mixup=MIXUP)
        cut = dataclasses.replace(usual, cutout=CUTOUT)
        source = lambda: labelled(way.source)
        translated = functools.cache(lambda: translations(way))
        return {
            "source": (source, plain),
            "classic": (source, augmented),
            "mixup": (source, mixed),
            "cutout": (source, dataclasses.replace(augmented, augmentation=cut)),
            "translated": (translated, plain),
            "both": (translated, augmented),
            "both+mixup": (translated, mixed),
            "target": (lambda: labelled(way.target), plain),
        }

    def _accuracy(self, recipe: RecognizerConfig, images: Labelled, test: Labelled) -> float:
        """Of one classifier on the test images of the target."""
        told = lambda n, _: self.advance(n)
        network = fit(recipe, *images, self._classes, told=told)
        return float(right(network, test).mean())

    def called(self, row: str) -> str:
        return row

    @property
    def about(self) -> str:
        options, (first, _) = self.options, self.cells()[0]
        return (
            f"{first} and back: classifiers of {options.steps:,} steps, {options.classifiers} of "
            "each arm and run, whose accuracies are averaged."
        )

    @property
    def more(self) -> str:
        rows = [
            "Of translated test images, with 95% intervals over the images:", "",
            "| direction | seed of the run | FD | recognized as the class that was translated "
            "| real images recognized |", "| --- | ---: | ---: | ---: | ---: |",
        ]  # fmt: skip
        for own in self.results.lines:
            if own["arm"] == SCORES:
                distance = "{:.2f} [{:.2f}, {:.2f}]".format(*own["frechet_distance"])
                share = "{:.1%} [{:.1%}, {:.1%}]".format(*own["recognized"])
                about = f"| {own['labels']} | {own['seed']} | {distance} | {share} "
                rows.append(f"{about}| {own['real']:.1%} |")
        return "\n".join(rows) + "\n"


def _check(configs: list[Config], folders: tuple[Path, ...]) -> None:
    """Refuses runs that differ in more than their seeds, and runs of the same seed."""
    first = dataclasses.replace(configs[0], seed=0)
    for config, folder in zip(configs, folders, strict=True):
        if dataclasses.replace(config, seed=0) != first:
            raise ConfigError(
                f"runs: {folder} has other settings than {folders[0]}; all must differ in their "
                "seeds alone."
            )
    seeds = [config.seed for config in configs]
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"runs: all must have different seeds, but these have {seeds}.")


def way_of(folder: Path, to: str) -> Way:
    """A direction of a run.

    Raises:
      ConfigError: for another kind of GAN, or domains without the same classes.
    """
    config = run_folder.read(folder).config
    gan, state = restore.load(folder)
    one, config = one_way(gan, config, to)
    source, target = (
        load(own.dataset, own.split, own.framing) for own in (one.prepare.config, config)
    )
    classes = [own.description.num_classes for own in (source, target)]
    if not classes[0] or classes[0] != classes[1]:
        raise ConfigError(
            f"runs: the domains of {folder} must have the same classes, but have {classes[0]} and "
            f"{classes[1]}."
        )
    return Way(one, state, config, source, target)


def translations(way: Way) -> Labelled:
    """The training images of the source, translated, with their labels."""
    source = labelled(way.source)
    return Labelled(generated(way.gan, way.state, (), np.asarray(to_float(source.x))), source.y)
