"""How diverse are the images of one condition?

  uv run train.py mnist_sgan_top
  uv run train.py mnist_sgan
  uv run gan-jax study diversity runs/mnist_sgan

Draws several images of each of many conditions, which are made from held-out images, and prints the
mean distance between two images of one condition in the features of the evaluation's classifier,
relative to that between two real images of one class, with the 95% interval over conditions. 1
means as diverse as a whole class; 0 means that the generator ignores its latents. For a stacked
GAN, this is the diversity at a fixed hidden layer that its entropy term is for (Huang et al. 2017,
section 3.4).

For comparison, the same is measured between each held-out image that gave a condition and the
held-out image whose condition is nearest to it. These conditions are similar, but not equal. Words
have no distances, so captions are not compared in this way.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gan_jax import arguments, command_line
from gan_jax.errors import ConfigError, at_least, is_seed
from gan_jax.studies import command

if TYPE_CHECKING:
    from gan_jax.config import Config
    from gan_jax.engine.gan import Gan
    from gan_jax.metrics import Estimate
    from gan_jax.recognizers import FeatureNetwork
    from gan_jax.types import GanState, PyTree

COMPARED = 10_000
"""Held-out images, at most, among which the nearest conditions are searched."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    runs: arguments.Positional[tuple[Path, ...]]
    """Run folders of GANs whose conditions are made from examples."""
    conditions: int = 100
    """Conditions."""
    samples: int = 20
    """Images of each condition."""
    seed: int = 0
    """Seed of the latents."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: measured; 2: wrong input."""
    with command.asked("diversity", __doc__, argv, Options) as options:
        at_least("conditions", options.conditions, 2)
        at_least("samples", options.samples, 2)
        is_seed("seed", options.seed)
        command_line.fast_cpu()
        command_line.keep_compilations()
        measure(options)
    return 0


def measure(options: Options) -> None:
    """Prints the results of each run."""
    from gan_jax.data import describe
    from gan_jax.recognizers import SMALL_CNN
    from gan_jax.recognizers.feature_networks import choose
    from gan_jax.runs import folder as run_folder
    from gan_jax.runs import restore

    for folder in options.runs:
        config = run_folder.read(folder).config
        gan, state = restore.load(folder)
        if gan.condition is None:
            raise ConfigError(
                f"runs: the conditions of {folder} are not made from examples, but are class "
                "labels, or there are none."
            )
        given = config.dataset, describe(config.dataset), config.framing, SMALL_CNN
        samples, real = relative_diversity(gan, state, config, choose(*given).make(), options)
        print(f"{folder}: {_shown(samples)}", flush=True)
        if real is not None:
            print(f"real images with the nearest conditions: {_shown(real)}", flush=True)


def _shown(found: Estimate) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def relative_diversity(
    gan: Gan, state: GanState, config: Config, network: FeatureNetwork, options: Options
) -> tuple[Estimate, Estimate | None]:
    """The mean over conditions of the mean feature distance between two images of one condition,
    and of that between two real images with nearly the same condition, both over that between two
    real images of one class, with Student's intervals. The second is None for conditions of words.
    """
    import jax

    from gan_jax.data import load
    from gan_jax.data.splits import held_out_split
    from gan_jax.metrics import estimate
    from gan_jax.sampling.conditions import as_seen
    from gan_jax.sampling.draw import generated
    from gan_jax.types import Batch

    data = load(config.dataset, held_out_split(config, True) or config.split, config.framing)
    of_class = apart_in_classes(network, data.examples, data.labels)
    some = np.random.default_rng(options.seed).permutation(len(data.labels))[:COMPARED]
    y = as_seen(gan, Batch(data.examples[some], data.labels[some]), options.seed).y
    chosen = np.arange(len(some))[: options.conditions]
    near = None
    if all(np.issubdtype(leaf.dtype, np.floating) for leaf in jax.tree.leaves(y)):
        both = chosen, nearest(y, len(chosen))
        first, other = (network.features(data.examples[some[places]])[0] for places in both)
        near = estimate.mean(np.linalg.norm(first - other, axis=1) / of_class)
    y = jax.tree.map(lambda a: np.repeat(a[: len(chosen)], options.samples, axis=0), y)
    z = gan.prior.draw(jax.random.key(options.seed), options.samples * len(chosen))
    features, _ = network.features(generated(gan, state, z, y))
    own = np.array([apart(part) for part in np.split(features, len(chosen))])
    return estimate.mean(own / of_class), near


def nearest(y: PyTree, n: int) -> np.ndarray:
    """For each of the first ``n`` conditions, the place ``[n]`` of another one that is nearest to
    it by the Euclidean distance. The leaves of ``y``, ``[m, ...]``, count as one vector.
    """
    import jax

    from gan_jax.metrics.neighbours import nearest_neighbours

    flat = [np.reshape(leaf, (len(leaf), -1)) for leaf in jax.tree.leaves(y)]
    vectors, own = np.concatenate(flat, axis=1), np.arange(n)
    found, _ = nearest_neighbours(vectors[:n], vectors, 2)  # usually itself, and the other one
    return np.where(found[:, 0] == own, found[:, 1], found[:, 0])


def apart_in_classes(network: FeatureNetwork, images: np.ndarray, labels: np.ndarray) -> float:
    """The mean over classes of the mean feature distance between two of their first 200 images.
    Classes of a single image do not count.

    Raises:
      ConfigError: if no class has two images.
    """
    classes = [np.flatnonzero(labels == label)[:200] for label in np.unique(labels)]
    several = [places for places in classes if len(places) > 1]
    if not several:
        raise ConfigError("runs: no class of the data set has two held-out images to compare.")
    return float(np.mean([apart(network.features(images[places])[0]) for places in several]))


def apart(features: np.ndarray) -> float:
    """The mean Euclidean distance between two of the rows ``[n, f]``."""
    i, j = np.triu_indices(len(features), 1)
    return float(np.linalg.norm(features[i] - features[j], axis=1).mean())


if __name__ == "__main__":
    sys.exit(main())
