"""Trains the populations of the study `few_images`, one after another."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
from tqdm import tqdm

from gan_jax import checkpoint, pacing, pictures
from gan_jax.build import build_members
from gan_jax.data import Resident, from_arrays, load
from gan_jax.data.dataset import describe_labelled
from gan_jax.engine.gan import Gan
from gan_jax.engine.population import init_population, train_population, with_seeds
from gan_jax.evaluation.real import splits_of
from gan_jax.files import write
from gan_jax.runs import lines
from gan_jax.runs.lines import Lines
from gan_jax.studies import few_images_report as report
from gan_jax.studies.few_images_measures import Data, Judge, data_of, judge, measured, unseen
from gan_jax.studies.few_images_options import Options
from gan_jax.types import GanState

SHOWN, COLUMNS = 64, 8
"""Samples of the first member in the picture of a cell, and samples per row."""
VALIDATED = " Distances are to training images that no GAN sees, not to the test images."
CALL_SECONDS = 2.0
"""Between two moves of the progress bar."""


class Cell(NamedTuple):
    """The trainings with one augmentation on one set of images."""

    data: Data
    arm: str

    @property
    def name(self) -> str:
        return f"{self.data.images}_{self.arm}"


class Study:
    """The cells of the study, run one after another; wrong options are refused on construction."""

    def __init__(self, options: Options):
        self.options, config = options, options.config("none")
        self.folder = options.folder
        options.check()
        about = describe_labelled(options.dataset)
        for arm in options.arms:
            build_members([options.config(arm)])
        lines.check(self.folder)
        known = about if about.splits else load(config.dataset, "train").description
        self._splits = splits_of(config, known)
        self._data = data_of(config, self._splits, options.numbers)
        self._unseen = unseen(config, self._splits, options.numbers) if options.validate else None
        self.lines = Lines(self.folder, options.settings)

    def run(self) -> None:
        """Runs what is missing, then writes tables and curves."""
        options, last = self.options, self._steps[-1]
        for data in self._data:
            self._compare_real(data)
        cells = [Cell(data, arm) for data in self._data for arm in options.arms]
        missing = [cell for cell in cells if self._measured_to(cell) < last]
        total = sum((last - self._measured_to(cell)) * self._members(cell) for cell in missing)
        with tqdm(
            total=total, unit=" steps", desc="few_images", disable=None, dynamic_ncols=True
        ) as self._bar:
            for cell in missing:
                self._bar.set_postfix_str(f"{cell.data.images} images, {cell.arm}")
                self._run(cell)
        print(self._report())

    @property
    def _steps(self) -> list[int]:
        """The steps at which the GANs are measured."""
        steps, points = self.options.steps, self.options.points
        return [round(steps * i / points) for i in range(1, points + 1)]

    @functools.cached_property
    def _judge(self) -> Judge:
        return judge(self.options.config("none"), self._splits, self._unseen)

    def _measured_to(self, cell: Cell) -> int:
        """The step of a cell's last measurement, 0 if there is none."""
        return max((line["step"] for line in self.lines.lines if _of(line, cell)), default=0)

    def _members(self, cell: Cell) -> int:
        """The number of seeds of a cell: the option's, unless it was begun with another."""
        begun = (len(line["distance"]) for line in self.lines.lines if _of(line, cell))
        return next(begun, self.options.seeds)

    def _compare_real(self, data: Data) -> None:
        """Adds the distance of the training images themselves."""
        if not any(_of(line, Cell(data, report.REAL)) for line in self.lines.lines):
            distance = self._judge.distance(data.x)
            line = {"images": data.images, "arm": report.REAL, "step": 0, "count": len(data.x)}
            self.lines.add(line | {"distance": [distance]})

    def _run(self, cell: Cell) -> None:
        """Trains and measures a population, from its last saved state."""
        options, measured_to = self.options, self._measured_to(cell)
        base, seeds = options.config(cell.arm), range(self._members(cell))
        gan, *_ = gans = build_members([dataclasses.replace(base, seed=seed) for seed in seeds])
        data = from_arrays(cell.data.x, cell.data.y, base.seed, batch_size=base.batch_size)
        data = with_seeds(data, seeds)
        folder = self.folder / "states" / cell.name
        states = init_population(gans, jax.vmap(jax.random.key)(jnp.arange(len(seeds))))
        states = _restored(folder, states)
        for step in [step for step in self._steps if step > int(states.step)]:
            began = time.perf_counter()
            states = self._train(gan, states, data, step)
            if step > measured_to:
                self._measure(cell, gan, states, time.perf_counter() - began)
            _save(folder, step, states)
        shutil.rmtree(folder, ignore_errors=True)

    def _train(self, gan: Gan, states: GanState, data: Resident, last: int) -> GanState:
        """The states at step ``last``."""
        for n in pacing.calls(int(states.step), last, CALL_SECONDS):
            states, _ = jax.block_until_ready(train_population(gan, states, data, n))
            self._bar.update(n * len(states.key))
        return states

    def _measure(self, cell: Cell, gan: Gan, states: GanState, seconds: float) -> None:
        """Adds a line to the results and prints it; draws samples of the first member."""
        options, step = self.options, int(states.step)
        found, samples = measured(gan, states, cell.data, self._judge, options.samples)
        picture = self.folder / "samples" / f"{cell.name}.png"
        pictures.save(picture, pictures.grid(samples[:SHOWN], COLUMNS))
        seen = step * options.batch_size
        about = {"images": cell.data.images, "arm": cell.arm, "step": step, "seen": seen}
        self.lines.add(about | found | {"seconds": round(seconds, 1)})
        shown = lambda name: " ".join(f"{value:.2f}" for value in found[name])
        self._bar.write(
            f"{cell.data.images:>6} images, {cell.arm:11} {seen:>9,} seen: distance "
            f"{shown('distance')}, r_v {shown('r_v')}, {seconds:.0f} s",
            file=sys.stdout,
        )
        sys.stdout.flush()

    def _report(self) -> str:
        options, folder = self.options, self.folder
        summary = report.summarize(self.lines.lines)
        about = (
            f"{Path(options.dataset).name}: {options.steps * options.batch_size:,} images seen, "
            f"{options.samples:,} samples, means with 95% intervals over the seeds; ADA's p can "
            f"rise by 1 within {options.ada_images:,} images, its target is r_t = "
            f"{options.ada_target:g}."
            f"{VALIDATED if options.validate else ''}"
        )
        table = report.as_markdown(summary, about)
        write(folder / "results.csv", report.as_csv(self.lines.lines))
        write(folder / "results.json", json.dumps(summary, indent=2) + "\n")
        write(folder / "results.md", table)
        report.draw(self.lines.lines, folder / "results.png")
        return f"{table}\nwritten: {folder}: results.csv, results.json, results.md, results.png"


def _of(line: dict, cell: Cell) -> bool:
    return (line["images"], line["arm"]) == (cell.data.images, cell.arm)


def _restored(folder: Path, states: GanState) -> GanState:
    """The newest saved states that can be restored, or the given ones."""
    for step in reversed(checkpoint.steps(folder)):
        try:
            return checkpoint.restore(folder, step, jax.eval_shape(lambda: states))
        except checkpoint.Damaged:
            continue
    return states


def _save(folder: Path, step: int, states: GanState) -> None:
    checkpoint.set_aside(folder, newest=step)
    with checkpoint.Writer(folder, keep=1) as writer:
        writer.save(step, states)
