"""Runs the cells of the study `recognition` one after another."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np

from gan_jax.build import build
from gan_jax.data import describe, frame_of, load
from gan_jax.data.dataset import describe_labelled
from gan_jax.data.splits import train_and_test_of
from gan_jax.enlarging.examples import Labelled, joined, labelled, size_of_mixture, subset
from gan_jax.errors import ConfigError, at_least, within
from gan_jax.metrics.estimate import mean
from gan_jax.recognizers import Recognizer, accuracy
from gan_jax.recognizers.architectures import classifier
from gan_jax.recognizers.recipes import classic
from gan_jax.runs import lines
from gan_jax.studies.augmenting import (
    ARMS,
    Arm,
    draw_images,
    leaks,
    train_gan,
    train_recognizer,
)
from gan_jax.studies.cells import Cell, Cells
from gan_jax.studies.command import numbers
from gan_jax.studies.recognition_options import Options
from gan_jax.studies.recognition_report import Layout, order, percent

ALL = "all"
GAN_STEP = 2.0
"""Approximate cost of a GAN step in classifier steps; used only to estimate the time left."""


def check(options: Options) -> None:
    """Refuses wrong options that can be detected before data are read.

    Raises:
      ConfigError: for a number out of range, or a data set without labelled images.
    """
    about = describe_labelled(options.dataset, "images", "sounds")
    at_least("seeds", options.seeds, 1)
    at_least("generated", options.generated, about.num_classes)
    within("real_share", options.real_share, "(0, 1)")
    if options.grouping is not None:
        _check_groups(options)
    elif options.unseen:
        raise ConfigError("unseen needs groups: a data set with other classes of the examples.")
    build(options.gan)
    classifier(options.recognizer, about.num_classes, about.modality)
    options.filters.check(about.num_classes)


def _check_groups(options: Options) -> None:
    about, groups = (
        describe(options.dataset),
        describe_labelled(options.grouping, "images", "sounds"),
    )
    of = lambda data: (data.modality, data.splits)
    if of(groups) != of(about):
        raise ConfigError(
            f"groups {options.grouping} must have the examples of dataset {options.dataset}."
        )
    if options.unseen:
        within("seeds", options.seeds, f"[1, {groups.num_classes}]")


class Study(Cells):
    """The cells of the study; wrong options are refused on construction."""

    layout = Layout(
        {
            "real": "real",
            "classic": "real, classic augmentation",
            "generated": "generated only",
            "real+generated": "real + generated",
            "both": "real + generated, classic augmentation",
        },
        bases=("classic",),
    )

    def __init__(self, options: Options):
        self.options, dataset = options, options.dataset
        self.labels = numbers("labels", options.labels)
        check(options)
        folder = options.workdir or Path("runs") / f"recognition_{dataset}"
        lines.check(folder)
        about, splits = describe(dataset), train_and_test_of(dataset)
        parts = [load(dataset, split, options.framing) for split in splits]
        self.data, self.test = map(labelled, parts)
        self.groups = tuple(self._groups(split) for split in splits)
        for per_class in self.labels:
            self._places(per_class, 0)
        self.num_classes = about.num_classes
        self.modality = frame_of(about, options.framing).modality
        super().__init__(folder, options.settings)

    def _groups(self, split: str) -> np.ndarray | None:
        """The group of each example of a split."""
        grouping = self.options.grouping
        return None if grouping is None else load(grouping, split, self.options.framing).labels

    def _places(self, per_class: int | None, seed: int) -> np.ndarray:
        """The places of the real examples of a cell."""
        train, _ = self.groups
        if train is None:
            return subset(self.data.y, per_class, seed)
        cells = self.data.y * (train.max() + 1) + train
        seen = np.flatnonzero(train != seed) if self.options.unseen else np.arange(len(train))
        return seen[subset(cells[seen], per_class, seed)]

    def _tested(self, seed: int) -> Labelled:
        """The examples on which the classifiers of a seed are tested."""
        if not self.options.unseen:
            return self.test
        both = zip((self.data, self.test), self.groups, strict=True)
        return joined(*(part.at(group == seed) for part, group in both))

    def _held_out(self, seed: int) -> Labelled:
        """Test examples of the distribution that the GANs of a seed were trained on."""
        _, group = self.groups
        return (
            self.test if group is None or not self.options.unseen else self.test.at(group != seed)
        )

    def cells(self) -> list[Cell]:
        return [(_name(n), seed) for seed in range(self.options.seeds) for n in self.labels]

    def work(self, cell: Cell) -> float:
        left = self.missing(cell)
        gan = any(ARMS[arm].generated for arm in left) and not self.results.has_images(*cell)
        return len(left) * self.options.recognizer_steps + gan * GAN_STEP * self.options.gan_steps

    def cell(self, cell: Cell) -> None:
        """The GAN and the classifiers of one selection of real images."""
        labels, seed = cell
        real = self.data.at(self._places(None if labels == ALL else int(labels), seed))
        made, of_real = None, None
        for name in self.missing(cell):
            arm = ARMS[name]
            if arm.generated and made is None:
                made = self._generated(cell, real, of_real)
            began = time.perf_counter()
            found = self._recognizer(arm, seed, real, made)
            of_real = found if name == "classic" else of_real
            n = len(real.y) if arm.real else 0
            line = {"arm": name, "accuracy": accuracy(found, *self._tested(seed)), "real": n}
            if made is not None and not arm.real:
                line |= leaks(found, made, real, self._held_out(seed), seed)
            self.add(cell, line, began)

    def _recognizer(
        self,
        arm: Arm,
        seed: int,
        real: Labelled,
        made: Labelled | None,
        shown: bool = True,
    ) -> Recognizer:
        options = self.options
        return train_recognizer(
            arm,
            dataclasses.replace(options.recognizer, seed=seed),
            classic(options.dataset),
            real,
            made,
            size_of_mixture(len(real.y), options.generated, options.real_share),
            options.real_share,
            self.num_classes,
            self.modality,
            told=(lambda n, _: self.advance(n)) if shown else None,
        )

    def _generated(self, cell: Cell, real: Labelled, of_real: Recognizer | None) -> Labelled:
        """The images of a cell's GAN, which is trained unless they exist."""
        if self.results.has_images(*cell):
            return self.results.images(*cell)
        began, (_, seed) = time.perf_counter(), cell
        config = dataclasses.replace(self.options.gan, seed=seed)
        gan, state = train_gan(config, real, told=lambda n: self.advance(n * GAN_STEP))
        # The `classic` classifier of an earlier call is not stored and trained again.
        recognizer = lambda: (
            of_real or self._recognizer(ARMS["classic"], seed, real, None, shown=False)
        )
        made, drawn = draw_images(
            gan, state, real, self.options.generated, seed, self.options.filters, recognizer
        )
        self.results.save_images(*cell, made, self.modality)
        line = {"arm": "gan", "drawn": drawn, "kept": len(made.y), "real": len(real.y)}
        self.add(cell, line, began)
        return made

    @property
    def more(self) -> str:
        """What the generated examples tell of the real ones, by number of labels."""
        lines = [line for line in self.results.lines if "membership" in line]
        table = [
            "What the generated examples tell of the real ones, in %, mean and 95% interval over "
            "the seeds: real examples told from held-out ones by an attacker (the area under its "
            "ROC curve; 50: by chance), and copies among the generated examples (1: as expected of "
            "new ones):",
            "",
            "| labels per class | membership inference | copies | seeds |",
            "| ---: | ---: | ---: | ---: |",
        ]
        for labels in sorted({line["labels"] for line in lines}, key=order):
            own = [line for line in lines if line["labels"] == labels]
            shown = (
                percent(mean([line[name] for line in own]), len(own))
                for name in ("membership", "copies")
            )
            table.append(f"| {labels} | {' | '.join(shown)} | {len(own)} |")
        return "\n".join([*table, ""]) if lines else ""

    @property
    def about(self) -> str:
        options = self.options
        return (
            f"{options.dataset}: classifiers of {options.recognizer_steps:,} steps, GANs of "
            f"{options.gan_steps:,} steps and {options.generated:,} images each, {options.filters}."
        )


def _name(per_class: int | None) -> str:
    return ALL if per_class is None else str(per_class)
