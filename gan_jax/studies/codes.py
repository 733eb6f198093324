"""Do the codes of an InfoGAN follow the classes of its data?

  uv run train.py digits_infogan --seeds 3
  uv run gan-jax study codes runs/digits_infogan

Draws samples with random codes from each GAN of a run, and recognizes their classes, or modes, by
the feature extractor of the evaluation. Prints, for the first categorical code, the normalized
mutual information with these classes (divided by the mean of both entropies) and the purity: the
share of samples that have the most frequent class of their code; for the best member, also the
class of each category.

For images, writes codes.png into the run folder: a row for each category of the first categorical
code and, from left to right, the first continuous code from -1 to 1, or other noise without one.
All rows have the same noise.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gan_jax import arguments, command_line
from gan_jax.errors import ConfigError, at_least
from gan_jax.studies import command

if TYPE_CHECKING:
    from collections.abc import Callable

    from gan_jax.config import Config
    from gan_jax.engine.gan import Gan
    from gan_jax.types import GanState

COLUMNS = 10


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    run: arguments.Positional[Path]
    """The folder of a run with the prior infogan."""
    samples: int = 5_000
    """Samples of each GAN."""
    seed: int = 0
    """Seed of the latents."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: measured; 2: wrong input."""
    with command.asked("codes", __doc__, argv, Options) as options:
        at_least("samples", options.samples, 100)
        command_line.keep_compilations()
        measure(options)
    return 0


def measure(options: Options) -> None:
    """Prints a line for each member, and writes the picture of the best one."""
    from gan_jax import pictures
    from gan_jax.modality import Images
    from gan_jax.runs import folder, restore

    run = folder.read(options.run)
    sizes = getattr(run.gans[0].prior, "categorical", ())
    if not sizes:
        raise ConfigError(f"run: {options.run} has no categorical codes; train with prior infogan.")
    state_of = restore.states(options.run, run)
    recognize = recognizer_of(run.configs[0])
    found = []
    for number, gan in enumerate(run.gans):
        codes, samples = drawn(gan, state_of(number), options.samples, options.seed)
        table = counted(codes, recognize(samples), sizes[0])
        found.append(table)
        information, purity = scores(table)
        print(f"member {number}: NMI {information:.3f}, purity {purity:.1%}", flush=True)
    means = np.array([scores(table) for table in found]).mean(0)
    print(f"mean of {len(found)}: NMI {means[0]:.3f}, purity {means[1]:.1%}")
    best = max(range(len(found)), key=lambda i: scores(found[i]))
    print(f"member {best}, class of each category: {' '.join(map(str, found[best].argmax(1)))}")
    if isinstance(run.gans[best].modality.represented, Images):
        path = options.run / "codes.png"
        pictures.save(path, picture(run.gans[best], state_of(best), options.seed))
        print(f"Written: {path}")


def recognizer_of(config: Config) -> Callable[[np.ndarray], np.ndarray]:
    """The function that returns the classes ``[n]`` of samples ``[n, ...]``.

    Raises:
      ConfigError: for a dataset without classes.
    """
    from gan_jax.data import describe
    from gan_jax.recognizers import SMALL_CNN
    from gan_jax.recognizers.feature_networks import choose

    choice = choose(config.dataset, describe(config.dataset), config.framing, SMALL_CNN)
    if not choice.logits:
        raise ConfigError(f"run: its dataset {config.dataset!r} has no classes to recognize.")
    network = choice.make()
    return lambda samples: np.argmax(network.features(samples)[1], axis=1)


def drawn(gan: Gan, state: GanState, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The first categorical code ``[n]`` of ``n`` samples, and the samples."""
    import jax

    from gan_jax.modality import labels_in_turn
    from gan_jax.sampling.draw import generated

    z = np.asarray(gan.prior.draw(jax.random.key(seed), n))
    start = gan.prior.size
    codes = z[:, start : start + gan.prior.categorical[0]].argmax(1)
    return codes, generated(gan, state, z, labels_in_turn(n, gan.num_classes))


def counted(codes: np.ndarray, classes: np.ndarray, categories: int) -> np.ndarray:
    """``[categories, classes]``: how many samples of a code have a class."""
    table = np.zeros((categories, classes.max() + 1), int)
    np.add.at(table, (codes, classes), 1)
    return table


def scores(table: np.ndarray) -> tuple[float, float]:
    """Normalized mutual information in [0, 1], and purity, of a table of `counted`."""
    joint = table / table.sum()
    entropy = lambda p: -np.sum(p * np.log(p, where=p > 0, out=np.zeros_like(p)))
    rows, columns = entropy(joint.sum(1)), entropy(joint.sum(0))
    information = rows + columns - entropy(joint)
    return information / max((rows + columns) / 2, 1e-12), table.max(1).sum() / table.sum()


def picture(gan: Gan, state: GanState, seed: int) -> np.ndarray:
    """The grid of images ``[H, W, c]`` uint8."""
    import jax

    from gan_jax import pictures
    from gan_jax.modality import labels_in_turn
    from gan_jax.sampling.draw import generated

    prior = gan.prior
    k, continuous = prior.categorical[0], prior.continuous
    noise = np.asarray(prior.draw(jax.random.key(seed), 1 if continuous else COLUMNS))
    row = np.repeat(noise, COLUMNS, axis=0) if continuous else noise
    if continuous:
        row[:, -continuous] = np.linspace(-1, 1, COLUMNS)
    z = np.tile(row, (k, 1))
    z[:, prior.size : prior.size + k] = np.repeat(np.eye(k), COLUMNS, axis=0)
    return pictures.grid(generated(gan, state, z, labels_in_turn(len(z), gan.num_classes)), COLUMNS)


if __name__ == "__main__":
    sys.exit(main())
