"""Trains the classifiers of the study `cas` one after another: a GAN and an architecture each."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_jax.config import Config
from gan_jax.data import describe, frame_of, load
from gan_jax.data.splits import train_and_test_of
from gan_jax.enlarging.candidates import right
from gan_jax.enlarging.examples import Labelled, labelled
from gan_jax.errors import ConfigError, at_least
from gan_jax.modality import Images, Sounds
from gan_jax.recognizers import RecognizerConfig, fit
from gan_jax.recognizers.architectures import RECOGNIZERS
from gan_jax.recognizers.recipes import recipe
from gan_jax.runs import folder as run_folder
from gan_jax.runs import lines, restore
from gan_jax.runs.run import Run
from gan_jax.sampling.conditions import in_turn, num_classes_of
from gan_jax.sampling.draw import draw
from gan_jax.studies import command
from gan_jax.studies.cas_options import Options
from gan_jax.studies.cells import Cell, Cells
from gan_jax.studies.recognition_report import Layout

REAL = "real images"
"""The row of the classifiers of real images."""


class Member(NamedTuple):
    """A GAN of a run folder: its config, and its number in a population."""

    folder: Path
    run: Run
    number: int

    @property
    def config(self) -> Config:
        return self.run.configs[self.number]

    @property
    def name(self) -> str:
        """The name of the folder and, in a sweep, of the setting."""
        setting = self.run.population.names()[self.number // self.run.population.seeds]
        return f"{self.folder.resolve().name} {setting}".strip()

    def images(self, n: int) -> Labelled:
        """``n`` samples of the GAN, whose classes alternate."""
        gan, state = restore.load(self.folder, member=None if self.run.single else self.number)
        asked = in_turn(gan, self.config, n)
        labels = np.asarray(asked.labels)
        samples, _ = draw(gan, state, labels, self.config.seed, y=asked.y)
        return Labelled(samples, labels)


class Study(Cells):
    """The cells of the study; wrong options are refused on construction."""

    def __init__(self, options: Options):
        self.options = options
        at_least("samples", options.samples, 1)
        if options.steps is not None:
            at_least("steps", options.steps, 1)
        self._networks = command.names("networks", options.networks, RECOGNIZERS)
        titles = {name: f"classifier {name}" for name in self._networks}
        self.layout = Layout(titles, (), rows="images", axis="training images", repeats="GANs")
        self._members = _members(options.runs)
        first = next(iter(self._members.values())).config
        self._dataset, self._framing = first.dataset, first.framing
        for member in self._members.values():
            _check(member, first)
        folder = options.workdir or Path("runs") / f"cas_{Path(first.dataset).name}"
        lines.check(folder)
        about = {"dataset": first.dataset, "framing": dataclasses.asdict(first.framing)}
        super().__init__(folder, options.settings | about)

    def cells(self) -> list[Cell]:
        seeds = dict.fromkeys(seed for _, seed in self._members)
        return [*((REAL, seed) for seed in seeds), *self._members]

    def work(self, cell: Cell) -> float:
        return sum(self._recipe(name, 0).steps for name in self.missing(cell))

    def cell(self, cell: Cell) -> None:
        if not (missing := self.missing(cell)):
            return
        train, test = (
            labelled(load(self._dataset, split, self._framing))
            for split in train_and_test_of(self._dataset)
        )
        images = train if cell[0] == REAL else self._members[cell].images(self.options.samples)
        about = describe(self._dataset)
        modality = frame_of(about, self._framing).modality
        for name in missing:
            began = time.perf_counter()
            own, told = self._recipe(name, cell[1]), lambda n, _: self.advance(n)
            network = fit(own, *images, about.num_classes, modality, told=told)
            accuracy = float(right(network, test).mean())
            self.add(cell, {"arm": name, "accuracy": accuracy, "images": len(images.y)}, began)

    def _recipe(self, network: str, seed: int) -> RecognizerConfig:
        """The classifier recipe of the dataset, with another architecture and its own sizes."""
        own = recipe(self._dataset)
        if network != own.network:
            own = dataclasses.replace(own, network=network, width=None, dropout=None)
        return dataclasses.replace(own, steps=self.options.steps or own.steps, seed=seed)

    def called(self, row: str) -> str:
        return row

    @property
    def about(self) -> str:
        return (
            f"{self._dataset}: classifiers of {self.options.samples:,} generated images of each "
            "GAN, or of the real training images, on the real test images."
        )


def _members(folders: tuple[Path, ...]) -> dict[Cell, Member]:
    """All GANs, by the name of the first run with the same settings and by their seeds."""
    names: dict[str, Config] = {}
    found: dict[Cell, Member] = {}
    for folder in folders:
        run = run_folder.read(folder)
        for number, config in enumerate(run.configs):
            member, plain = Member(folder, run, number), dataclasses.replace(config, seed=0)
            name = next((name for name, own in names.items() if own == plain), member.name)
            if name == REAL or names.setdefault(name, plain) != plain:
                raise ConfigError(
                    f"runs: {folder} has the name of other images, {name!r}; use folders with "
                    "different names."
                )
            if (name, config.seed) in found:
                raise ConfigError(
                    f"runs: {folder} and {found[name, config.seed].folder} have the same settings "
                    f"and the same seed, {config.seed}; name each run once."
                )
            found[name, config.seed] = member
    if not found:
        raise ConfigError("runs: name at least one run folder.")
    return found


def _check(member: Member, first: Config) -> None:
    """Refuses a GAN that makes no labelled images or sounds, and one of another dataset."""
    config, folder = member.config, member.folder
    if (config.dataset, config.framing) != (first.dataset, first.framing):
        raise ConfigError(
            f"runs: {folder} has dataset {config.dataset!r} in another form than "
            f"{first.dataset!r} of the first run; all need the same dataset and size."
        )
    known = isinstance(describe(config.dataset).modality, (Images, Sounds))
    if not known or not num_classes_of(member.run.gans[member.number], config):
        raise ConfigError(
            f"runs: {folder} makes no images or sounds of given classes, without which no "
            "classifier can be trained; use conditional GANs."
        )
