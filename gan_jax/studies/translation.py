"""Does translating labelled images into another domain train a classifier for it?

  uv run train.py digits_to_mnist
  uv run gan-jax study translation runs/digits_to_mnist

First evaluates both directions of each run: the Fréchet distance of translated held-out images to
held-out images of the other domain, and the share that a classifier of the other domain recognizes
as the class of the image that was translated.

Then trains classifiers that never see a label of the target domain, and tests them on its held-out
images, in both directions: on the source images, on these with classic augmentation, on their
translations, and on translations with classic augmentation; and, as the ceiling, on labelled images
of the target. Prints accuracies with Student's 95% interval over all classifiers of an arm: for
translations, `seeds` of each run. Pass runs of different seeds to see the spread of the GAN, too.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gan_jax import arguments, command_line
from gan_jax.errors import ConfigError, at_least
from gan_jax.studies import command

if TYPE_CHECKING:
    from gan_jax.config import Config
    from gan_jax.data import Dataset
    from gan_jax.engine.gan import Gan
    from gan_jax.recognizers import RecognizerConfig
    from gan_jax.types import GanState

ARMS = ("source", "source, augmented", "translated", "translated, augmented", "target")


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    runs: arguments.Positional[tuple[Path, ...]]
    """Run folders of GANs of two domains, which differ at most in their seeds."""
    seeds: int = 3
    """Classifiers of each arm, and of each run where images are translated."""
    steps: int = 600
    """Training steps of a classifier."""
    samples: int = 2_000
    """Translated images in the Fréchet distances."""


class Way(NamedTuple):
    """One direction of a run: the GAN that translates, its state, the config of the target, and
    training images of the source and of the target with their labels.
    """

    gan: Gan
    state: GanState
    config: Config
    source: Dataset
    target: Dataset


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: measured; 2: wrong input."""
    with command.asked("translation", __doc__, argv, Options) as options:
        for name in ("seeds", "steps", "samples"):
            at_least(name, getattr(options, name), 1)
        command_line.fast_cpu()
        command_line.keep_compilations()
        measure(options)
    return 0


def measure(options: Options) -> None:
    """Prints both tables."""
    from gan_jax.modality import DOMAINS

    ways = {to: [way(folder, to) for folder in options.runs] for to in reversed(DOMAINS)}
    for own in ways.values():
        for folder, one in zip(options.runs, own, strict=True):
            scored(folder, one, options.samples)
    for own in ways.values():
        recognized(own, options)


def way(folder: Path, to: str) -> Way:
    """A direction of a run.

    Raises:
      ConfigError: for another kind of GAN, or domains without the same classes.
    """
    from gan_jax.data import load
    from gan_jax.evaluation.one_way import one_way
    from gan_jax.runs import folder as run_folder
    from gan_jax.runs import restore

    run = run_folder.read(folder)
    gan, state = restore.load(folder)
    one, config = one_way(gan, run.config, to)
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


def names_of(one: Way) -> str:
    return f"{one.source.description.name} -> {one.target.description.name}"


def scored(folder: Path, one: Way, samples: int) -> None:
    """Prints the scores of a direction of a run."""
    from gan_jax.evaluation.evaluator import evaluate

    found = evaluate(one.gan, one.state, one.config, num_samples=samples)
    shown = []
    for name, title in (("frechet_distance", "FD"), ("label_agreement", "recognized")):
        low, high = found.intervals[name]
        real = found.real[name]
        shown.append(f"{title} {found.scores[name]:.3f} [{low:.3f}, {high:.3f}] (real {real:.3f})")
    print(f"{folder}, {names_of(one)}: {', '.join(shown)}", flush=True)


def recognized(ways: list[Way], options: Options) -> None:
    """Prints the accuracy of each arm in one direction."""
    from gan_jax.data import load
    from gan_jax.data.splits import train_and_test
    from gan_jax.metrics import estimate
    from gan_jax.recognizers import accuracy, fit

    first = ways[0]
    _, test = train_and_test(first.target.description.splits)
    held_out = load(first.config.dataset, test, first.config.framing)
    print(f"{names_of(first)}: accuracy on {len(held_out.labels):,} held-out images")
    for arm in ARMS:
        found = []
        for images, labels in training_sets(arm, ways):
            for seed in range(options.seeds):
                recipe = recipe_of(arm, first, options.steps, seed)
                network = fit(recipe, images, labels, first.target.description.num_classes)
                found.append(accuracy(network, held_out.examples, held_out.labels))
        mean = estimate.mean(found)
        low, high = max(mean.low, 0.0), min(mean.high, 1.0)  # of a share
        print(
            f"  {arm:22} {mean.value:.1%} [{low:.1%}, {high:.1%}], {len(found)} classifiers",
            flush=True,
        )


def training_sets(arm: str, ways: list[Way]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images ``[n, h, w, c]`` uint8 and labels ``[n]``: of each run where they are translated."""
    from gan_jax.modality import to_float
    from gan_jax.sampling.draw import generated

    if not arm.startswith("translated"):
        own = ways[0].target if arm == "target" else ways[0].source
        yield np.asarray(own.examples), own.labels
        return
    for one in ways:
        y = np.asarray(to_float(np.asarray(one.source.examples)))
        yield generated(one.gan, one.state, (), y), one.source.labels


def recipe_of(arm: str, one: Way, steps: int, seed: int) -> RecognizerConfig:
    """The training of a classifier."""
    from gan_jax.recognizers import Augmentation, RecognizerConfig
    from gan_jax.recognizers.recipes import classic

    augmentation = Augmentation()
    if arm.endswith("augmented"):
        augmentation = classic(one.source.description.name)
    return RecognizerConfig(steps=steps, seed=seed, augmentation=augmentation)


if __name__ == "__main__":
    sys.exit(main())
