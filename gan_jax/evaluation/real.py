"""The real examples of an evaluation: which split is what, and what the feature network sees in
them.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from gan_jax.config import Config
from gan_jax.data import load
from gan_jax.data.splits import train_and_test
from gan_jax.metrics import Estimate, Inputs, Protocol, Sample, measure
from gan_jax.recognizers import FeatureNetwork, real_sample
from gan_jax.recognizers.feature_networks import Choice

MIN_TEST_IMAGES = 1_000
"""A smaller test split is no reference for the Frechet distance, whose bias goes with 1/n; the
training split is.
"""


class Splits(NamedTuple):
    """Which real examples are what.

    ``learned``: what the GAN learned from. ``train``, ``test``: the data set's own; the baseline
    compares the one with the other. ``reference``: what samples are compared with. ``never_seen``:
    whether the GAN has not learned from ``test``.
    """

    learned: str
    train: str
    test: str
    reference: str
    never_seen: bool


class Numbers(NamedTuple):
    """How many ``images`` are compared with how many of a ``reference``."""

    images: int
    reference: int


class Real(NamedTuple):
    """What a feature network sees in the real examples.

    ``reference``: what samples are compared with. ``training``, ``held_out``: as in
    `gan_jax.metrics.Inputs`. ``baseline``: scores of test images against training images, at
    ``numbers`` that the samples can be compared at too. ``splits``: which images these are, for the
    provenance.
    """

    network: FeatureNetwork
    reference: Sample
    training: Sample | None
    held_out: Sample | None
    baseline: dict[str, Estimate]
    numbers: Numbers
    splits: dict[str, Any]


def splits_of(config: Config, sizes: dict[str, int]) -> Splits:
    """The splits of a GAN's data set, whose splits have these ``sizes``.

    Raises:
      ConfigError: as `gan_jax.data.load`, and for a data set without a split named train.
    """
    train, test = train_and_test(sizes)
    enough = len(load(config.dataset, test, config.framing).labels) >= MIN_TEST_IMAGES
    names = lambda split: set(re.findall(r"[A-Za-z_]\w*", split))
    never_seen = config.split == train or not names(test) & names(config.split)
    return Splits(config.split, train, test, test if enough else train, never_seen)


def with_modes(choice: Choice, sample: Sample) -> Sample:
    """The sample with the modes that its features belong to, where a truth is known."""
    return sample if choice.modes is None else sample._replace(modes=choice.modes(sample.features))


def thinned(sample: Sample, count: int) -> Sample:
    """``count`` images of the sample, drawn at random, always the same ones, from each class in
    proportion; all where it has no more.
    """
    n = len(sample.features)
    if n <= count:
        return sample
    order = np.random.default_rng(0).permutation(n)
    if sample.labels is not None:
        order = order[np.argsort(sample.labels[order], kind="stable")]
    return sample.at(np.sort(order[np.arange(count) * n // count]))


def look(
    config: Config,
    choice: Choice,
    splits: Splits,
    protocols: tuple[Protocol, ...],
    count: int,
) -> Real:
    """Makes the feature network, and looks at the real examples.

    The baseline takes as many test images as samples, and as many training images as the samples'
    reference has, or all where there are fewer: a Frechet distance falls with both numbers.

    Args:
      count: the number of samples.

    Raises:
      ConfigError: for weights that cannot be read, or a cache that cannot be written.
    """
    network = choice.make()
    sample = lambda split: with_modes(
        choice, real_sample(network, config.dataset, split, config.framing)
    )
    train, test = sample(splits.train), sample(splits.test)
    reference = test if splits.reference == splits.test else train
    size = lambda sample: len(sample.features)
    numbers = Numbers(min(count, size(test)), min(size(reference), size(train)))
    compared = with_modes(choice, thinned(test, numbers.images))
    against = thinned(train, numbers.reference)
    needs = {need for protocol in protocols for need in protocol.definition.needs}
    return Real(
        network,
        reference,
        sample(splits.learned) if "training" in needs else None,
        test if splits.never_seen else None,
        measure(Inputs(compared, against, own_classes=choice.own_classes)),
        numbers,
        {
            "reference": _part(splits.reference, reference),
            "real": _part(splits.test, compared) | {"reference": _part(splits.train, against)},
        },
    )


def _part(split: str, sample: Sample) -> dict[str, Any]:
    """Which images a sample is of, and of how many classes they are, if these are known."""
    known = {} if sample.labels is None else {"classes": len(np.unique(sample.labels))}
    return {"split": split, "images": len(sample.features)} | known
