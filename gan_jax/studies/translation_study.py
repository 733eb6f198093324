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
from gan_jax.data.splits import train_and_test_of
from gan_jax.engine.gan import Gan
from gan_jax.enlarging.candidates import CUTOUT, MIXUP, labelled_by, right
from gan_jax.enlarging.examples import Labelled, labelled, mixture
from gan_jax.errors import ConfigError, at_least
from gan_jax.evaluation.evaluator import evaluate
from gan_jax.evaluation.one_way import one_way
from gan_jax.modality import DOMAINS, to_float
from gan_jax.recognizers import Recognizer, RecognizerConfig, fit
from gan_jax.recognizers.recipes import classic
from gan_jax.runs import folder as run_folder
from gan_jax.runs import lines, restore
from gan_jax.sampling.draw import generated
from gan_jax.studies import command
from gan_jax.studies.cells import Cell, Cells
from gan_jax.studies.recognition_report import Layout
from gan_jax.studies.translation_options import Options
from gan_jax.types import GanState

SELF_TRAINING = "self-training"
KEPT, HALF = 0.75, 0.5
"""Of self-training: the share of target images, those of whose labels the first classifier is most
confident, and the share of other images among those that the second one sees.
"""
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
            SELF_TRAINING: "+ target images, labels of `classic`",
            "translated": "translated images",
            "both": "translated images, classic augmentation",
            "both+mixup": "translated images, mixup",
            f"both+{SELF_TRAINING}": "+ target images, labels of `both`",
            "target": "target images",
        },
        bases=("classic", "mixup", "cutout", SELF_TRAINING),
        rows="direction",
        axis="direction",
        repeats="runs",
    )

    def __init__(self, options: Options):
        self.options = options
        for name in ("classifiers", "steps", "batch_size", "samples"):
            at_least(name, getattr(options, name), 1)
        directions = command.names("to", options.to, DOMAINS[::-1])
        self._asked = command.names("arms", options.arms, self.layout.arms)
        read = [run_folder.read(path) for path in options.runs]
        configs = [run.config for run in read]
        _check(configs, options.runs)
        self._ways: dict[Cell, Way] = {}
        for config, path in zip(configs, options.runs, strict=True):
            for to in directions:
                way = way_of(path, to)
                self._ways[way.name, config.seed] = way
        if len(self._ways) < len(directions) * len(configs):
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

    def missing(self, cell: Cell) -> list[str]:
        return [arm for arm in super().missing(cell) if arm in self._asked]

    def work(self, cell: Cell) -> float:
        trainings = sum(1 + arm.endswith(SELF_TRAINING) for arm in self.missing(cell))
        of_arms = trainings * self.options.classifiers * self.options.steps
        return of_arms + EVALUATION * (not self.results.has(*cell, SCORES))

    def cell(self, cell: Cell) -> None:
        way = self._ways[cell]
        if not self.results.has(*cell, SCORES):
            began = time.perf_counter()
            scores = self._scores(way)
            self.advance(EVALUATION)
            self.add(cell, {"arm": SCORES} | scores, began)
        if missing := self.missing(cell):
            _, test = train_and_test_of(way.config.dataset)
            held_out = labelled(load(way.config.dataset, test, way.config.framing))
            arms = self._arms(way, held_out)
        for arm in missing:
            began = time.perf_counter()
            found = [arms[arm](seed) for seed in self._seeds(cell)]
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

    def _arms(self, way: Way, test: Labelled) -> dict[str, Callable[[int], float]]:
        """For each arm a function that trains the classifier of a seed and returns its accuracy."""
        plain = RecognizerConfig(steps=self.options.steps, batch_size=self.options.batch_size)
        usual = classic(way.source.description.name)
        augmented = dataclasses.replace(plain, augmentation=usual)
        mixed = dataclasses.replace(augmented, mixup=MIXUP)
        cut = dataclasses.replace(
            augmented, augmentation=dataclasses.replace(usual, cutout=CUTOUT)
        )  # fmt: skip
        source, target = labelled(way.source), labelled(way.target)
        translated = functools.cache(lambda: translations(way))

        def on(images: Callable[[], Labelled], recipe: RecognizerConfig, twice: bool = False):
            def arm(seed: int) -> float:
                own = dataclasses.replace(recipe, seed=seed)
                network = self._fit(own, images())
                if twice:
                    order = np.random.default_rng(seed).permutation(len(images().y))
                    known = labelled_by(network, target.x, KEPT, seed)
                    n = own.steps * own.batch_size
                    network = self._fit(own, mixture(images().at(order), known, n, HALF))
                return float(right(network, test).mean())

            return arm

        given = lambda: source
        return {
            "source": on(given, plain),
            "classic": on(given, augmented),
            "mixup": on(given, mixed),
            "cutout": on(given, cut),
            SELF_TRAINING: on(given, augmented, twice=True),
            "translated": on(translated, plain),
            "both": on(translated, augmented),
            "both+mixup": on(translated, mixed),
            f"both+{SELF_TRAINING}": on(translated, augmented, twice=True),
            "target": on(lambda: target, plain),
        }

    def _fit(self, recipe: RecognizerConfig, images: Labelled) -> Recognizer:
        told = lambda n, _: self.advance(n)
        return fit(recipe, *images, self._classes, told=told)

    def called(self, row: str) -> str:
        return row

    @property
    def about(self) -> str:
        options, ways = self.options, dict(self.cells())
        return (
            f"{' and '.join(ways)}: classifiers of {options.steps:,} steps, {options.classifiers} "
            "of each arm and run, whose accuracies are averaged."
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
