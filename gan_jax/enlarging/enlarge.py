"""`gan_jax.enlarge`: from a dataset with labels to an enlarged one, and to whether it helps."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from gan_jax.config import Framing
from gan_jax.data import describe, frame_of, load
from gan_jax.data.splits import train_and_test_of
from gan_jax.enlarging import candidates
from gan_jax.enlarging import verdict as verdicts
from gan_jax.enlarging.addition import Additions, Known, check
from gan_jax.enlarging.candidates import NOTHING, Candidate
from gan_jax.enlarging.examples import Labelled, held_out, joined, labelled, subset
from gan_jax.enlarging.options import AUTO, REGIMES, Options
from gan_jax.errors import ConfigError, has_option
from gan_jax.files import write
from gan_jax.metrics.estimate import Estimate
from gan_jax.recognizers import Recognizer, RecognizerConfig
from gan_jax.runs import lines
from gan_jax.runs.lines import Line, Lines
from gan_jax.runs.logs import duration
from gan_jax.runs.provenance import provenance
from gan_jax.sampling import export

VALIDATED, MOST_VALIDATED = 0.2, 500
"""The share of the labelled examples of a class that validate, and the most of a class."""
IMBALANCE = 10
"""How many times more examples the largest class has than the smallest one in that regime."""
DATASET = "dataset"
"""The folder of the enlarged dataset."""


class Enlarged(NamedTuple):
    """The result of `enlarge`.

    ``dataset``: the folder of the enlarged dataset, as `Config.dataset` takes it; ``regime``: a key
    of `REGIMES`; ``helped``: whether the interval of ``difference``, of the test accuracies with
    and without added examples, is above 0; ``sentence``: all of it in words.
    """

    dataset: Path
    regime: str
    helped: bool
    difference: Estimate
    sentence: str


def enlarge(dataset: str, out: str | os.PathLike, **settings: Any) -> Enlarged:
    """Trains the GANs that a dataset calls for, writes the dataset with their examples added, and
    measures whether classifiers profit.

    Mixtures of real and added images are compared on a validation part of the labelled training
    images, which no GAN sees. The test images are only used for the best mixture with and the best
    one without added images; both are then trained again, on all labelled images. An interrupted
    call goes on where it was when it is repeated.

    >>> found = gan_jax.enlarge("mnist", "enlarged/mnist", labels=10)
    >>> print(found.sentence)
    >>> gan_jax.train("mnist_dcgan", dataset=found.dataset)

    Args:
      dataset: a dataset of labelled images; images with the label -1 are unlabelled.
      out: the folder of the results, new or of an earlier call with the same arguments.
      settings: fields of `gan_jax.enlarging.options.Options`, such as ``labels=20``.

    Raises:
      ConfigError: for invalid settings or data, or a folder in use; nothing was written then.
      gan_jax.training.divergence.Diverged: if a GAN diverged.
      KeyboardInterrupt: if it was interrupted; finished parts are kept.
    """
    known = [f.name for f in dataclasses.fields(Options)]
    for name in settings:
        has_option("enlarge", "enlarge", name, known)
    return Enlargement(dataset, Path(out), Options(**settings)).run()


def regime_of(counts: np.ndarray, unlabelled: int) -> str:
    """The regime of numbers of labelled examples per class ``[k]`` and of unlabelled examples."""
    if unlabelled >= counts.sum():
        return "unlabelled"
    return "imbalance" if counts.max() >= IMBALANCE * counts.min() else "labelled"


class Enlargement:
    """A call of `enlarge`; wrong input is refused on construction."""

    def __init__(self, dataset: str, out: Path, options: Options):
        self.dataset, self.out, self.options = dataset, out, options
        self.framing = Framing(options.size)
        about = check(dataset, self.framing, options, self.recognizer)
        self.num_classes = about.num_classes
        self.modality = frame_of(about, self.framing).modality
        lines.check(out, "out")
        train, test = train_and_test_of(dataset)
        data = labelled(load(dataset, train, self.framing))
        self._test = lambda: self._labelled_test(test)
        chosen = subset(data.y, options.labels, options.label_seed)
        self.real = data.at(chosen)
        counts = np.bincount(self.real.y, minlength=self.num_classes)
        if counts.min() < 2:
            raise ConfigError(
                f"labels: class {counts.argmin()} has {counts.min()} labelled images; enlarge "
                "needs 2 or more, one of them to validate."
            )
        rest = np.delete(np.arange(len(data.y)), chosen)
        self.regime = self._regime(counts, len(rest))
        self.validates = held_out(self.real.y, VALIDATED, MOST_VALIDATED, options.label_seed)
        self.known = Known(
            dataset, self.real.at(~self.validates), data.x[rest], about.class_names, self.modality
        )
        asked = dataclasses.asdict(options) | {"dataset": dataset, "regime": self.regime}
        del asked["tried"], asked["seeds"]
        self.lines = Lines(out, asked, "out")

    def _regime(self, counts: np.ndarray, unlabelled: int) -> str:
        asked = self.options.regime
        if asked == "unlabelled" and not unlabelled:
            raise ConfigError(
                "regime 'unlabelled' needs images without labels; use --labels to leave out the "
                "labels of some, or another regime."
            )
        return regime_of(counts, unlabelled) if asked == AUTO else asked

    def _labelled_test(self, split: str) -> Labelled:
        test = labelled(load(self.dataset, split, self.framing))
        return test.at(test.y >= 0)

    @property
    def recognizer(self) -> RecognizerConfig:
        """The classifier of every candidate."""
        return candidates.recognizer(self.options, self.dataset)

    def run(self) -> Enlarged:
        """Does what is missing."""
        print(self._about(), flush=True)
        judge = functools.cache(lambda: self._train(Candidate(), 0, self.known.real))
        given = self.out, self.options, self.regime, self.known
        added = Additions(*given, judge, self._made).all()
        tried = candidates.grid(list(added), self.imbalance)
        self.added = {NOTHING: self.real.at(np.arange(0))} | added
        self._train_all("validation", tried, self.options.tried)
        scores = {c: self._scores("validation", c, self.options.tried) for c in tried}
        chosen = verdicts.choose(scores)
        self._train_all("test", chosen[:2], self.options.seeds)
        found = self._verdict(chosen)
        validation = int(self.validates.sum())
        text = verdicts.sentence(chosen, found, validation, self.measure)
        self._write(chosen, text)
        table = verdicts.table(scores, chosen, self.measure)
        about = f"{self._about()}\n\n{table}\n\n{text}\n"
        write(self.out / "results.md", about)
        print(f"\n{table}\n\n{text}\nwritten:     {self.out}: {DATASET}, results.md")
        return Enlarged(self.out / DATASET, self.regime, found.helped, found.difference, text)

    @property
    def imbalance(self) -> bool:
        """Whether classes count equally in the scores."""
        return self.regime == "imbalance"

    @property
    def measure(self) -> str:
        return "balanced accuracy" if self.imbalance else "accuracy"

    def _about(self) -> str:
        counts = np.bincount(self.real.y, minlength=self.num_classes)
        each = f"{counts.min():,}" if counts.min() == counts.max() else (
            f"{counts.min():,} to {counts.max():,}"
        )  # fmt: skip
        return (
            f"{describe(self.dataset).name}: {len(self.real.y):,} labelled images ({each} a class; "
            f"{self.validates.sum():,} of them validate) and {len(self.known.unlabelled):,} "
            f"without labels. Regime {self.regime}: {REGIMES[self.regime]}."
        )

    def _made(self, line: Line) -> None:
        self.lines.add({"stage": "added"} | line)
        print(
            f"{line['kind']}: {line['kept']:,} of {line['drawn']:,} images kept, "
            f"{duration(line['seconds'])}.",
            flush=True,
        )

    def _train(self, candidate: Candidate, seed: int, real: Labelled, told=None) -> Recognizer:
        config = dataclasses.replace(self.recognizer, seed=seed)
        added = getattr(self, "added", {})
        return candidates.train(
            candidate, config, real, added, self.num_classes, self.modality, told
        )

    def _train_all(self, stage: str, chosen: Sequence[Candidate], seeds: int) -> None:
        """Trains and scores what is missing of a stage: on the training part and the validation
        part, or on all labelled images and the test images.
        """
        steps = self.options.recognizer_steps
        missing = [
            (candidate, seed)
            for seed in range(seeds)
            for candidate in chosen
            if self._line(stage, candidate, seed) is None
        ]
        if not missing:
            return
        if stage == "validation":
            real, judged = self.known.real, self.real.at(self.validates)
        else:
            real, judged = self.real, self._test()
        weights = candidates.weights(judged.y, self.imbalance)
        with tqdm(
            total=len(missing) * steps, desc=stage, unit=" steps", disable=None, dynamic_ncols=True
        ) as bar:
            for candidate, seed in missing:
                began = time.perf_counter()
                found = self._train(candidate, seed, real, lambda n, _: bar.update(n))
                right = candidates.right(found, judged)
                score = float((right * weights).mean())
                line = {"stage": stage, **dataclasses.asdict(candidate), "seed": seed}
                line |= {"score": score, "right": np.packbits(right).tobytes().hex()}
                seconds = time.perf_counter() - began
                self.lines.add(line | {"images": len(right), "seconds": round(seconds, 1)})
                text = f"{stage}, seed {seed}, {candidate}: {score:.2%}, {seconds:.0f} s"
                bar.write(text, file=sys.stdout)
                sys.stdout.flush()

    def _line(self, stage: str, candidate: Candidate, seed: int) -> Line | None:
        """The line of a classifier; None if it was not trained yet."""
        wanted = {"stage": stage, **dataclasses.asdict(candidate), "seed": seed}
        return next((line for line in self.lines.lines if wanted.items() <= line.items()), None)

    def _scores(self, stage: str, candidate: Candidate, seeds: int) -> list[float]:
        return [self._line(stage, candidate, seed)["score"] for seed in range(seeds)]

    def _verdict(self, chosen: verdicts.Chosen) -> verdicts.Verdict:
        """The comparison of the stored classifiers on the test images."""
        y, rights = self._test().y, []
        for candidate in chosen[:2]:
            lines = [self._line("test", candidate, s) for s in range(self.options.seeds)]
            bits = [np.frombuffer(bytes.fromhex(line["right"]), np.uint8) for line in lines]
            rights.append(np.stack([np.unpackbits(own, count=len(y)) > 0 for own in bits]))
        return verdicts.verdict(*rights, candidates.weights(y, self.imbalance))

    def _write(self, chosen: verdicts.Chosen, text: str) -> None:
        """Writes the labelled images with those of the best mixture added, unless that was done."""
        folder, added = self.out / DATASET, self.added[chosen.added.added]
        if folder.exists():
            return
        about, everything = describe(self.dataset), joined(self.real, added)
        content = frame_of(about, self.framing).content(about.shape)
        metadata = {
            "program": "gan_jax", "dataset": about.name, "regime": self.regime, "result": text,
            "labelled": len(self.real.y), "added": len(added.y), "kind": chosen.added.added,
            "options": dataclasses.asdict(self.options), **provenance(),
        }  # fmt: skip
        export.write(
            folder, export.cropped(everything.x, content),
            dataclasses.replace(self.modality, shape=content), everything.y, about.class_names,
            metadata, f"of {about.name}, {len(added.y):,} of them added by enlarge",
        )  # fmt: skip
