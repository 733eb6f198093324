"""Runs the cells of the study `filters` one after another."""

from __future__ import annotations

import dataclasses
import functools
import time
from pathlib import Path

import numpy as np

from gan_jax.build import build
from gan_jax.config import Config, Framing
from gan_jax.data import frame_of, load
from gan_jax.data.dataset import describe_labelled
from gan_jax.data.splits import train_and_test_of
from gan_jax.engine.gan import Gan
from gan_jax.enlarging import candidates
from gan_jax.enlarging.candidates import NOTHING, Candidate
from gan_jax.enlarging.examples import Labelled, labelled, subset
from gan_jax.enlarging.gans import conditional
from gan_jax.errors import ConfigError, at_least, within
from gan_jax.metrics.estimate import mean
from gan_jax.recognizers import Recognizer, RecognizerConfig
from gan_jax.recognizers.architectures import classifier
from gan_jax.recognizers.recipes import classic
from gan_jax.runs import lines
from gan_jax.sampling.filters import Filters
from gan_jax.studies.augmenting import draw_images, train_gan
from gan_jax.studies.cells import Cell, Cells
from gan_jax.studies.command import counts
from gan_jax.studies.filters_options import Options
from gan_jax.studies.recognition_report import Layout, percent
from gan_jax.types import GanState

TEST = "test"
"""The row of the comparison on the test examples."""
GAN_STEP = 2.0
"""Approximate cost of a GAN step in classifier steps; used only to estimate the time left."""


class Study(Cells):
    """The cells of the study; wrong options are refused on construction."""

    layout = Layout(
        {
            "unfiltered": "all images",
            "truncation": "truncated latents",
            "confidence": "confident labels",
            "rejection": "discriminator rejection",
        },
        bases=("unfiltered",),
        rows="real images in %",
        axis="real images among those that the classifier sees, in %",
        examples="validation",
    )

    def __init__(self, options: Options):
        self.options, framing = options, Framing(options.size, length=options.length)
        about = describe_labelled(options.dataset, "images", "sounds")
        self.shares = counts("real", options.real)
        for share in self.shares:
            within("real", share, "[1, 99]")
        for name in ("labels", "validation", "seeds"):
            at_least(name, getattr(options, name), 1)
        at_least("generated", options.generated, about.num_classes)
        for filters in self.filters.values():
            filters.check(about.num_classes)
        config = conditional(options.dataset, framing)
        self.gan: Config = dataclasses.replace(config, steps=options.gan_steps)
        build(self.gan)
        classifier(self.recognizer(0), about.num_classes, about.modality)
        folder = options.workdir or Path("runs") / f"filters_{Path(options.dataset).name}"
        lines.check(folder)
        parts = [
            load(options.dataset, part, framing) for part in train_and_test_of(options.dataset)
        ]
        self.data, self.test = map(labelled, parts)
        self.classes, self.modality = about.num_classes, frame_of(about, framing).modality
        self._parts(0)
        self._trained_gan = functools.lru_cache(maxsize=1)(self._train_gan)
        self._of_real = functools.lru_cache(maxsize=1)(lambda seed: self._train(Candidate(), seed))
        super().__init__(folder, options.settings)

    @property
    def filters(self) -> dict[str, Filters]:
        """The filter of each arm."""
        options = self.options
        return {
            "unfiltered": Filters(),
            "truncation": Filters(truncation=options.truncation),
            "confidence": Filters(min_confidence=options.min_confidence),
            "rejection": Filters(rejection=options.rejection),
        }

    def recognizer(self, seed: int) -> RecognizerConfig:
        """The training of a classifier."""
        options = self.options
        augmentation = classic(options.dataset)
        size = {"steps": options.recognizer_steps, "batch_size": options.recognizer_batch}
        return RecognizerConfig(**size, augmentation=augmentation, seed=seed)

    def called(self, row: str) -> str:
        return f"{row}% real" if row.isdecimal() else f"{row} images"

    def cells(self) -> list[Cell]:
        rows = [*map(str, self.shares), TEST]
        return [(row, seed) for row in rows for seed in range(self.options.seeds)]

    def work(self, cell: Cell) -> float:
        row, seed = cell
        if row == TEST:
            return 2.0 * self.options.recognizer_steps
        left = self.missing(cell)
        gan = row == str(self.shares[0]) and not all(
            self.results.has_images(arm, seed) for arm in self.layout.arms
        )
        return len(left) * self.options.recognizer_steps + gan * GAN_STEP * self.options.gan_steps

    def cell(self, cell: Cell) -> None:
        """The classifiers of one row, which differ in their mixtures."""
        row, seed = cell
        _, validation = self._parts(seed)
        for arm, candidate in self._candidates(row).items():
            if self.results.has(row, seed, arm):
                continue
            began = time.perf_counter()
            found = self._train(candidate, seed) if candidate.mixed else self._of_real(seed)
            right = candidates.right(found, self.test if row == TEST else validation)
            self.add(cell, {"arm": arm, "accuracy": float(right.mean())}, began)

    def _candidates(self, row: str) -> dict[str, Candidate]:
        """The mixtures of a row by their arms; those of the test examples are known when all
        others were validated.
        """
        if row != TEST:
            return {arm: Candidate(arm, int(row) / 100) for arm in self.layout.arms}
        best = self._best()
        return {str(own): own for own in (Candidate(), best)}

    def _best(self) -> Candidate:
        """The mixture with the highest validation accuracy, on average over the seeds."""
        found: dict[Candidate, list[float]] = {}
        for line in self.results.lines:
            if line["arm"] in self.layout.arms and int(line["labels"]) in self.shares:
                own = Candidate(line["arm"], int(line["labels"]) / 100)
                found.setdefault(own, []).append(line["accuracy"])
        return max(found, key=lambda own: np.mean(found[own]))

    def _parts(self, seed: int) -> tuple[Labelled, Labelled]:
        """The real labelled examples, and those that validate."""
        places = subset(self.data.y, self.options.labels, seed)
        rest = np.setdiff1d(np.arange(len(self.data.y)), places)
        if len(rest) < self.options.validation:
            raise ConfigError(
                f"validation {self.options.validation} is more than the {len(rest)} examples of the"
                " training split that have no part in training; use at most as many."
            )
        chosen = np.random.default_rng(seed).choice(rest, self.options.validation, replace=False)
        return self.data.at(places), self.data.at(np.sort(chosen))

    def _train(self, candidate: Candidate, seed: int) -> Recognizer:
        """The classifier of a mixture."""
        real, _ = self._parts(seed)
        kinds = [candidate.added] if candidate.mixed else []
        added = {kind: self._images(kind, seed) for kind in kinds}
        told = lambda n, _: self.advance(n)
        return candidates.train(
            candidate, self.recognizer(seed), real, added, self.classes, self.modality, told
        )

    def _images(self, arm: str, seed: int) -> Labelled:
        """The examples that a filter leaves, which are drawn unless they exist."""
        if self.results.has_images(arm, seed):
            return self.results.images(arm, seed)
        began, (real, _) = time.perf_counter(), self._parts(seed)
        gan, state = self._trained_gan(seed)
        made, drawn = draw_images(
            gan, state, real, self.options.generated, seed, self.filters[arm],
            lambda: self._of_real(seed),
        )  # fmt: skip
        self.results.save_images(arm, seed, made, self.modality)
        line = {"arm": f"images {arm}", "drawn": drawn, "kept": len(made.y)}
        self.add(("all", seed), line, began)
        return made

    def _train_gan(self, seed: int) -> tuple[Gan, GanState]:
        config, (real, _) = dataclasses.replace(self.gan, seed=seed), self._parts(seed)
        return train_gan(config, real, told=lambda n: self.advance(n * GAN_STEP))

    @property
    def about(self) -> str:
        options = self.options
        return (
            f"{options.dataset}: {options.labels} real examples of each class, GANs of "
            f"{options.gan_steps:,} steps, {options.generated:,} examples of each filter, "
            f"classifiers of {options.recognizer_steps:,} steps with classic augmentation."
        )

    @property
    def more(self) -> str:
        """The comparison on the test examples."""
        found: dict[str, dict[int, float]] = {arm: {} for arm in self._candidates(TEST)}
        for line in self.results.lines:
            if line["labels"] == TEST and line["arm"] in found:
                found[line["arm"]][line["seed"]] = line["accuracy"]
        best = str(self._best())
        gains = [own - found[NOTHING][seed] for seed, own in found[best].items()]
        alone, mixed = (
            percent(mean(list(found[arm].values())), len(gains)) for arm in (NOTHING, best)
        )
        return (
            f"Chosen on {self.options.validation:,} validation examples: {best}. On the test "
            f"examples, its accuracy in % is {mixed}, that of the real examples alone {alone}, and "
            f"the difference {percent(mean(gains), len(gains), signed=True)} points "
            f"({len(gains)} seeds).\n"
        )
