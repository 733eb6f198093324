"""When does a GAN help a recognizer? For each number of real labelled images a class, and each
seed, a GAN learns from these images alone; then recognizers learn from

  real            the real images classic         the real images with classic augmentation (shifts,
  turns, mirrors: what the data set allows) generated       generated images only: the
  classification accuracy score of Ravuri & Vinyals 2019 real+generated  real and generated ones
  both            real and generated ones with classic augmentation

and are tested on the data set's test images. The folder then holds

  settings.json   what was asked      results.jsonl   a line for each training
  results.csv     means with 95 % intervals over the seeds, and paired differences to `classic`
  results.md      the same as tables  results.png     curves
  generated/      the generated images and a picture of each GAN

Called again with the same settings it goes on where it was stopped; more labels or seeds may be
asked for.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from tqdm import tqdm

from gan_jax import command_line, pictures
from gan_jax.config import Config, Penalty, to_dict
from gan_jax.data import describe, load
from gan_jax.data.splits import train_and_test
from gan_jax.errors import ConfigError
from gan_jax.recognizers import Recognizer, RecognizerConfig
from gan_jax.recognizers.recipes import classic, classifier
from gan_jax.runs import folder as run_folder
from gan_jax.runs.logs import duration
from gan_jax.sampling.draw import Filters
from gan_jax.studies import recognition_report as report
from gan_jax.studies.augmenting import (
    ARMS,
    Arm,
    Images,
    gan_config,
    generated,
    score,
    size_of_mixture,
    subset,
    train_gan,
    train_recognizer,
)

PROGRAM = "python -m gan_jax.studies.recognition"
SETTINGS, RESULTS, GENERATED = "settings.json", "results.jsonl", "generated"
GAN_STEP = 2.0
"""About how many of a recognizer's steps a step of the GAN costs: for the time left alone."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    dataset: str = "mnist"
    """A labelled data set of images."""
    labels: str = "10,50,100"
    """Real labelled images a class, separated by commas; all: all there are."""
    seeds: int = 5
    """Repetitions, each with real images, a GAN and recognizers of its own."""
    workdir: Path | None = None
    """Folder of the results; by default runs/recognition_DATASET."""
    size: int | None = None
    """Side that smaller images are padded to with black."""
    gan_steps: int = 4_000
    """Updates of each GAN."""
    gan_width: int = 32
    """Channels next to the image, of both players."""
    gan_r1: float = 1.0
    """Weight of the R1 penalty, at every fourth update."""
    generated: int = 20_000
    """Images that each GAN draws, its classes in equal shares."""
    real_share: float = 0.5
    """Share of real images among those that a recognizer sees, where it sees both."""
    truncation: float | None = None
    """Filter: latents are drawn within [-PSI, PSI]."""
    min_confidence: float | None = None
    """Filter: the least probability of the label, by the recognizer `classic` of the same real
    images.
    """
    rejection: float | None = None
    """Filter: discriminator rejection, gamma at this percentile."""
    recognizer_steps: int = 1_000
    """Updates of each recognizer."""
    recognizer_batch: int = 64
    """Images an update."""

    @property
    def gan(self) -> Config:
        config = gan_config(self.dataset, self.size)
        narrow = lambda network: dataclasses.replace(network, width=self.gan_width)
        return dataclasses.replace(
            config,
            steps=self.gan_steps,
            generator=narrow(config.generator),
            discriminator=narrow(config.discriminator),
            penalties=(Penalty("r1", self.gan_r1, every=4),),
        )

    @property
    def recognizer(self) -> RecognizerConfig:
        return RecognizerConfig(steps=self.recognizer_steps, batch_size=self.recognizer_batch)

    @property
    def filters(self) -> Filters:
        return Filters(self.truncation, self.min_confidence, self.rejection)

    @property
    def settings(self) -> dict[str, Any]:
        """What the results depend on, but for labels and seeds."""
        asked = dataclasses.asdict(self)
        for name in ("labels", "seeds", "workdir"):
            del asked[name]
        parts = {"gan": to_dict(self.gan), "recognizer": dataclasses.asdict(self.recognizer)}
        return asked | parts | {"classic": dataclasses.asdict(classic(self.dataset))}


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all results are there; 1: a GAN diverged; 2: wrong input, and nothing was
    written; 130: stopped by Ctrl-C.
    """
    command_line.plain_warnings()
    with command_line.one_sentence_errors(PROGRAM):
        options = tyro.cli(Options, prog=PROGRAM, description=__doc__, args=argv)
        command_line.fast_cpu()
        command_line.keep_compilations()
        study = Study(options)
        try:
            study.run()
        except KeyboardInterrupt:
            print(
                "\nStopped; the same command goes on with the training that was interrupted.",
                file=sys.stderr,
            )
            return 130
        except FloatingPointError as error:
            print(
                f"{PROGRAM}: a GAN diverged: {error}; what was done is kept in {study.folder}.",
                file=sys.stderr,
            )
            return 1
    return 0


def numbers(labels: str) -> list[int | None]:
    """The numbers of labels that the option names; None for all.

    Raises:
      ConfigError: for anything else than positive numbers and all.
    """
    parts = [part.strip() for part in labels.split(",")]
    for part in parts:
        if part != "all" and not (part.isdecimal() and int(part)):
            raise ConfigError(
                f"labels: {part!r} is none; accepted: positive numbers and all, separated by commas."
            )
    return [None if part == "all" else int(part) for part in dict.fromkeys(parts)]


class Study:
    """The cells of the study, one after the other; everything that may be refused is refused when
    it is made.
    """

    def __init__(self, options: Options):
        self.options, self.folder = (
            options,
            options.workdir or Path("runs") / f"recognition_{options.dataset}",
        )
        self.labels = numbers(options.labels)
        self._check()
        about = describe(options.dataset)
        train, test = train_and_test(
            about.splits or load(options.dataset, "train").description.splits
        )
        data, held_out = (load(options.dataset, split, options.size) for split in (train, test))
        self.data, self.test = (
            Images(np.asarray(part.examples), part.labels) for part in (data, held_out)
        )
        for per_class in self.labels:
            subset(self.data.y, per_class, 0)
        self.lines = self._begin()
        self.done = {(line["labels"], line["seed"], line["arm"]) for line in self.lines}

    def _check(self) -> None:
        from gan_jax.build import build

        options, about = self.options, describe(self.options.dataset)
        if len(about.shape) != 3 or not about.num_classes:
            raise ConfigError(
                f"dataset: {options.dataset} is not one of labelled images; accepted: such sets."
            )
        for name in ("seeds", "generated"):
            if getattr(options, name) < 1:
                raise ConfigError(
                    f"{name}: {getattr(options, name)} is too small; accepted: 1 or more."
                )
        if not 0 < options.real_share < 1:
            raise ConfigError(
                f"real_share: {options.real_share} is out of range; accepted: above 0 and below 1."
            )
        build(options.gan)
        classifier(options.recognizer, about.num_classes)
        options.filters.check(about.num_classes)

    def _begin(self) -> list[report.Line]:
        """Makes the folder, or reads what it holds.

        Raises:
          ConfigError: if it holds something else, or results of other settings.
        """
        settings = json.loads(json.dumps(self.options.settings))
        path = self.folder / SETTINGS
        try:
            if path.exists():
                before = json.loads(path.read_text())["settings"]
                different = [name for name in settings if before.get(name) != settings[name]]
                if different:
                    raise ConfigError(
                        f"workdir: {self.folder} holds results of another {', '.join(different)}; "
                        "accepted: the same settings, or another --workdir."
                    )
            elif self.folder.exists() and any(self.folder.iterdir()):
                raise ConfigError(
                    f"workdir: {self.folder} holds something else than this study; accepted: a new folder."
                )
            else:
                (self.folder / GENERATED).mkdir(parents=True, exist_ok=True)
                text = (
                    json.dumps({"settings": settings, **run_folder.provenance()}, indent=2) + "\n"
                )
                _replace(path, text.encode())
            return _read_lines(self.folder / RESULTS)
        except (OSError, KeyError, json.JSONDecodeError) as error:
            raise ConfigError(f"workdir: {self.folder} cannot be used ({error}).") from error

    def run(self) -> None:
        """Does what is not done yet, then writes tables and curves."""
        cells = [(n, seed) for seed in range(self.options.seeds) for n in self.labels]
        total = sum(self._work(n, seed) for n, seed in cells)
        self.began = time.perf_counter()
        with tqdm(
            total=total, desc="study", unit=" steps", disable=None, dynamic_ncols=True
        ) as self.bar:
            self.made, self.total = 0.0, total
            for n, seed in cells:
                self._cell(n, seed)
        print(self._report())

    def _work(self, per_class: int | None, seed: int) -> float:
        """What is left to do of a cell, in steps of a recognizer."""
        left = [arm for arm in ARMS if (_name(per_class), seed, arm) not in self.done]
        gan = any(ARMS[arm].generated for arm in left) and not self._path(per_class, seed).exists()
        return len(left) * self.options.recognizer_steps + gan * GAN_STEP * self.options.gan_steps

    def _cell(self, per_class: int | None, seed: int) -> None:
        """The GAN and the recognizers of some real images."""
        place = subset(self.data.y, per_class, seed)
        real = Images(self.data.x[place], self.data.y[place])
        made, judge = None, None
        for name, arm in ARMS.items():
            if (_name(per_class), seed, name) in self.done:
                continue
            if arm.generated and made is None:
                made = self._generated(per_class, seed, real, judge)
            began = time.perf_counter()
            found = self._recognizer(arm, seed, real, made)
            judge = found if name == "classic" else judge
            self._note(
                per_class,
                seed,
                name,
                began,
                accuracy=score(found, self.test),
                real=len(real.y) if arm.real else 0,
            )

    def _recognizer(
        self, arm: Arm, seed: int, real: Images, made: Images | None, shown: bool = True
    ) -> Recognizer:
        options, about = self.options, describe(self.options.dataset)
        return train_recognizer(
            arm,
            dataclasses.replace(options.recognizer, seed=seed),
            classic(options.dataset),
            real,
            made,
            size_of_mixture(len(real.y), options.generated, options.real_share),
            options.real_share,
            about.num_classes,
            told=(lambda n, _: self._advance(n)) if shown else None,
        )

    def _generated(
        self, per_class: int | None, seed: int, real: Images, judge: Recognizer | None
    ) -> Images:
        """The images of a cell's GAN, which is trained unless they are there."""
        path = self._path(per_class, seed)
        if path.exists():
            with np.load(path, allow_pickle=False) as arrays:
                return Images(arrays["x"], arrays["y"])
        began = time.perf_counter()
        config = dataclasses.replace(self.options.gan, seed=seed)
        gan, state = train_gan(config, real, told=lambda n: self._advance(n * GAN_STEP))
        # A recognizer `classic` that an earlier call trained is trained again.
        judging = lambda: judge or self._recognizer(ARMS["classic"], seed, real, None, shown=False)
        made, drawn = generated(
            gan, state, real, self.options.generated, seed, self.options.filters, judging
        )
        shown = (
            made.x[: 10 * gan.num_classes].reshape(-1, gan.num_classes, *gan.shape).swapaxes(0, 1)
        )
        pictures.save(
            path.with_suffix(".png"), pictures.grid(shown.reshape(-1, *gan.shape), shown.shape[1])
        )
        with path.with_name(f".{path.name}").open("wb") as file:
            np.savez_compressed(file, x=made.x, y=made.y)
        os.replace(path.with_name(f".{path.name}"), path)
        self._note(per_class, seed, "gan", began, drawn=drawn, kept=len(made.y), real=len(real.y))
        return made

    def _note(self, per_class: int | None, seed: int, arm: str, began: float, **found: Any) -> None:
        """Adds a line to the results."""
        seconds = round(time.perf_counter() - began, 1)
        line = {"labels": _name(per_class), "seed": seed, "arm": arm, **found, "seconds": seconds}
        with (self.folder / RESULTS).open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.lines.append(line)
        self.done.add((line["labels"], seed, arm))
        spent = time.perf_counter() - self.began
        left = duration(spent / max(self.made, 1) * max(0.0, self.total - self.made))
        score = (
            f"{found['accuracy']:.2%}"
            if "accuracy" in found
            else f"{found['kept']:,} of {found['drawn']:,} kept"
        )
        told = f"{line['labels']:>4} a class, seed {seed}, {arm:14} {score}, {seconds:.0f} s"
        self.bar.write(told if not self.bar.disable else f"{told}; {left} left", file=sys.stdout)
        sys.stdout.flush()

    def _advance(self, work: float) -> None:
        self.made += work
        self.bar.update(work)

    def _report(self) -> str:
        options, summary = self.options, report.summarize(self.lines)
        about = (
            f"{options.dataset}: recognizers of {options.recognizer_steps:,} steps, GANs of {options.gan_steps:,} steps and "
            f"{options.generated:,} images each, {options.filters}."
        )
        _replace(self.folder / "results.csv", report.as_csv(summary).encode())
        table = report.as_markdown(summary, about)
        _replace(self.folder / "results.md", table.encode())
        title = f"{options.dataset}: mean and 95 % interval over {options.seeds} seeds"
        drawn = report.draw(summary, title, self.folder / "results.png")
        files = "results.csv, results.md, results.png" if drawn else "results.csv, results.md"
        missing = (
            ""
            if drawn
            else "\nno curves:   matplotlib is not installed; uv run --extra notebook ... has it."
        )
        return f"{table}\nwritten:     {self.folder}: {files}{missing}"

    def _path(self, per_class: int | None, seed: int) -> Path:
        return self.folder / GENERATED / f"labels_{_name(per_class)}_seed_{seed}.npz"


def _name(per_class: int | None) -> str:
    return "all" if per_class is None else str(per_class)


def _read_lines(path: Path) -> list[report.Line]:
    """Whole lines; a torn last one, cut off by a kill, is dropped from the file too."""
    lines = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    if path.exists():
        _replace(path, "".join(json.dumps(line) + "\n" for line in lines).encode())
    return lines


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)


if __name__ == "__main__":
    sys.exit(main())
