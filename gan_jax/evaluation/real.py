"""The real examples of an evaluation: the roles of the splits, and the features of the images."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from gan_jax.config import Config
from gan_jax.data import load
from gan_jax.data.description import Description
from gan_jax.data.slices import overlap
from gan_jax.data.splits import train_and_test
from gan_jax.errors import ConfigError
from gan_jax.metrics import Estimate, Inputs, Protocol, Sample, measure
from gan_jax.recognizers import FeatureNetwork, real_sample
from gan_jax.recognizers.feature_networks import Choice

MIN_TEST_IMAGES = 1_000
"""Minimum size of a test split that serves as reference. The bias of the Fréchet distance falls
with 1/n, so the training split replaces a smaller test split.
"""


class Splits(NamedTuple):
    """The roles of the splits.

    ``learned``: the split on which the GAN was trained. ``train``, ``test``: the splits of the
    dataset, which the baseline compares with each other. ``reference``: the split with which
    samples are compared. ``never_seen``: whether the GAN was not trained on ``test``.
    """

    learned: str
    train: str
    test: str
    reference: str
    never_seen: bool


class Numbers(NamedTuple):
    """The number of ``images`` and the number of ``reference`` images in a comparison."""

    images: int
    reference: int


class Real(NamedTuple):
    """The features of the real examples.

    ``reference``: the images with which samples are compared. ``training``, ``held_out``: as in
    `gan_jax.metrics.Inputs`. ``baseline``: scores of test images against training images, with
    ``numbers`` of images for which the samples can be scored too. ``splits``: a description of
    these images for the provenance.
    """

    network: FeatureNetwork
    reference: Sample
    training: Sample | None
    held_out: Sample | None
    baseline: dict[str, Estimate]
    numbers: Numbers
    splits: dict[str, Any]


def splits_of(config: Config, about: Description, held_out: str | None = None) -> Splits:
    """The roles of the splits of a GAN's dataset.

    Args:
      config, about: of the GAN, and of its dataset.
      held_out: the split in the role of the test split, while that of the training split is the one
        on which the GAN was trained; None: the splits of the dataset.

    Raises:
      ConfigError: as `gan_jax.data.load`, for a dataset without a split named train, and for a
        ``held_out`` that may have examples on which the GAN was trained.
    """
    if held_out is not None and overlap(about, config.split, held_out):
        raise ConfigError(
            f"held_out {held_out!r} may have examples of {config.split!r}, on which the GAN was "
            "trained; hold out others, such as train[90%:] for a GAN trained on train[:90%]."
        )
    train, test = (config.split, held_out) if held_out else train_and_test(about.splits)
    enough = len(load(config.dataset, test, config.framing).labels) >= MIN_TEST_IMAGES
    if held_out:
        return Splits(config.split, train, test, test if enough else train, never_seen=True)
    names = lambda split: set(re.findall(r"[A-Za-z_]\w*", split))
    never_seen = config.split == train or not names(test) & names(config.split)
    return Splits(config.split, train, test, test if enough else train, never_seen)


def with_modes(choice: Choice, sample: Sample) -> Sample:
    """The sample with the modes of its features, if the true modes are known."""
    return sample if choice.modes is None else sample._replace(modes=choice.modes(sample.features))


def thinned(sample: Sample, count: int) -> Sample:
    """A fixed random selection of ``count`` images of the sample, stratified by class; all images
    if there are no more.
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
    """Makes the feature extractor and computes the features of the real examples.

    The baseline uses the same numbers of test and training images as there are samples and
    reference images, or all images if there are fewer, because a Fréchet distance falls with both
    numbers.

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
    """The split and number of images of a sample, and the number of their classes if known."""
    known = {} if sample.labels is None else {"classes": len(np.unique(sample.labels))}
    return {"split": split, "images": len(sample.features)} | known
