"""The measurements of the study `few_images`: the Fréchet distance of a population's samples, and
the overfitting of its discriminators.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from gan_jax.config import Config
from gan_jax.data import describe, load
from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan
from gan_jax.engine.population import finite_members, member
from gan_jax.errors import ConfigError
from gan_jax.evaluation.real import Splits
from gan_jax.metrics import Gaussian, gaussian_of
from gan_jax.metrics.frechet import frechet_distance_of_gaussians
from gan_jax.recognizers import SMALL_CNN, FeatureNetwork, real_sample
from gan_jax.recognizers.feature_networks import choose
from gan_jax.runs.lines import Line
from gan_jax.sampling.draw import generated
from gan_jax.studies.overfitting import Seen, overfitting, scores_of_members
from gan_jax.types import GanState

SCORED = 1_000
"""Images of each kind that D scores at a measurement, or all if there are fewer."""
UNSEEN = 10_000
"""Images that settings are chosen by, or all that are left."""


class Judge(NamedTuple):
    """The feature network of evaluations, and the Gaussian of the real features."""

    network: FeatureNetwork
    reference: Gaussian

    def distance(self, images: np.ndarray) -> float:
        """The Fréchet distance of images ``[n, h, w, c]`` uint8 to the reference."""
        features, _ = self.network.features(images)
        return frechet_distance_of_gaussians(gaussian_of(features), self.reference)


def judge(config: Config, splits: Splits, images: np.ndarray | None = None) -> Judge:
    """What `gan_jax.evaluate` judges the samples of a GAN with: a classifier of the whole data set,
    trained on first use, and the split that is its reference, or other ``images``.
    """
    dataset, framing = config.dataset, config.framing
    network = choose(dataset, describe(dataset), framing, SMALL_CNN).make()
    if images is not None:
        return Judge(network, gaussian_of(network.features(images)[0]))
    reference = real_sample(network, dataset, splits.reference, framing)
    return Judge(network, reference.gaussian or gaussian_of(reference.features))


class Data(NamedTuple):
    """Training images ``[n, h, w, c]`` uint8 with their labels, and real images that D never sees.

    ``images``: their number as in the option of the study.
    """

    images: str
    x: np.ndarray
    y: np.ndarray
    held_out: Seen

    def labels(self, count: int) -> np.ndarray:
        """So many labels with the frequencies of the training images, in random order."""
        return np.resize(np.random.default_rng(0).permutation(self.y), count)


def data_of(config: Config, splits: Splits, numbers: list[int | None]) -> list[Data]:
    """The training images of each number, None for all.

    Raises:
      ConfigError: for more images than there are.
    """
    train, test = (load(config.dataset, split, config.framing) for split in splits[1:3])
    most = min(SCORED, len(test.labels))
    own = chosen(test.labels, most)
    held_out = Seen(np.asarray(test.examples[own]), test.labels[own])
    found = []
    for n in numbers:
        places = chosen(train.labels, len(train.labels) if n is None else n)
        x = np.asarray(train.examples[places])
        found.append(Data("all" if n is None else str(n), x, train.labels[places], held_out))
    return found


def unseen(config: Config, splits: Splits, numbers: list[int | None]) -> np.ndarray:
    """Training images ``[n, h, w, c]`` uint8 that are in the sets of none of the numbers.

    Raises:
      ConfigError: if fewer than two are left.
    """
    train = load(config.dataset, splits.train, config.framing)
    count = len(train.labels)
    used = [chosen(train.labels, count if n is None else n) for n in numbers]
    left = np.setdiff1d(np.arange(count), np.concatenate(used))
    if len(left) < 2:
        raise ConfigError(
            f"validate needs training images that no GAN sees, but images takes all {count:,}; use "
            "smaller numbers of images, or leave out validate."
        )
    own = left[chosen(train.labels[left], min(UNSEEN, len(left)))]
    return np.asarray(train.examples[own])


def chosen(labels: np.ndarray, n: int) -> np.ndarray:
    """Sorted indices of ``n`` random examples, always the same ones, with the shares of the classes
    in ``labels`` up to one image.

    Raises:
      ConfigError: if there are fewer examples.
    """
    if n > len(labels):
        raise ConfigError(
            f"images must be all, or at most the {len(labels):,} training images, not {n:,}."
        )
    order = np.random.default_rng(0).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    return np.sort(by_class[np.arange(n) * len(labels) // n])


def measured(
    gan: Gan, states: GanState, data: Data, judge: Judge, count: int
) -> tuple[Line, np.ndarray]:
    """The measures of all members, as lists, from ``count`` samples each, and the samples of the
    first.

    Raises:
      FloatingPointError: for a member whose weights are not finite.
    """
    members, step = len(states.key), int(states.step)
    if not np.all(finite_members(states)):
        raise FloatingPointError(f"a weight became infinite or NaN by step {step}")
    z = jax.device_get(gan.prior.draw(jax.random.key(0), count, None))
    labels, own = data.labels(count), chosen(data.y, min(SCORED, len(data.y)))
    samples = [generated(gan, member(states, i), z, labels) for i in range(members)]
    training = Seen(data.x[own], data.y[own])
    scores = scores_of_members(
        gan, states, training, data.held_out, z[:SCORED], jax.random.key(step)
    )
    found = {
        "distance": [judge.distance(own) for own in samples],
        **overfitting(scores)._asdict(),
        **{f"score_{name}": own.mean(1) for name, own in scores._asdict().items()},
    }
    p = scalars.moving(gan, states.scalars).get("feedback/augments/ada/strength")
    found |= {} if p is None else {"p": p}
    return {name: np.asarray(own, float).tolist() for name, own in found.items()}, samples[0]
