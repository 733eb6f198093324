"""Do images show what their captions say, also for combinations that were never seen?

  uv run train.py captions_stackgan1
  uv run train.py captions_stackgan
  uv run gan-jax study captions runs/captions_stackgan1 runs/captions_stackgan

Draws an image for each of many captions of coloured_mnist, half of them of combinations of
attributes that are not in the training set, and prints the share of images that show each attribute
as captioned, with 95% intervals. Colour, size, place and ground are judged by rules, the digit by a
classifier of MNIST, which is trained on first use. The other rows are real images of the sizes that
the GANs make, judged in the same way.
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
    from collections.abc import Callable

    from gan_jax.metrics import Estimate

DATASET = "coloured_mnist"
SPLITS = {"seen": "test", "held out": "held_out"}
"""The split of the combinations of each row, by its name."""


RULES = ("colour", "size", "place", "ground")
"""The attributes that are judged by rules."""
NAME, CELL = 36, 24
"""Columns of the table."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    runs: arguments.Positional[tuple[Path, ...]]
    """Run folders of GANs of captions of coloured_mnist."""
    samples: int = 2_000
    """Captions of seen, and of held-out combinations."""
    seed: int = 0
    """Seed of the captions and latents."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: measured; 2: wrong input."""
    with command.asked("captions", __doc__, argv, Options) as options:
        at_least("samples", options.samples, 100)
        is_seed("seed", options.seed)
        command_line.fast_cpu()
        command_line.keep_compilations()
        measure(options)
    return 0


def measure(options: Options) -> None:
    """Prints a row for each run and kind of combinations."""
    from gan_jax.data import load
    from gan_jax.runs import folder as run_folder

    drawn = [drawer(folder) for folder in options.runs]  # refused before anything is measured
    heads = ("digit", *RULES, "all")
    print(" " * NAME + "".join(f"{head:>{CELL}}" for head in heads))
    rng = np.random.default_rng(options.seed)
    framings = dict.fromkeys(run_folder.read(folder).config.framing for folder in options.runs)
    for name, split in SPLITS.items():
        labels = load(DATASET, split).labels
        chosen = rng.choice(len(labels), min(options.samples, len(labels)), replace=False)
        labels = labels[chosen]
        for framing in framings:
            real = load(DATASET, split, framing).examples[chosen]
            show(f"real, {real.shape[1]}x{real.shape[2]}, {name}", shown(real, labels))
        for folder, draw in zip(options.runs, drawn, strict=True):
            show(f"{folder.name}, {name}", shown(draw(labels, options.seed), labels))


def drawer(folder: Path) -> Callable[[np.ndarray, int], np.ndarray]:
    """The function ``(labels [n], seed) -> images [n, h, w, 3]`` uint8 of a run; each image is
    drawn from a caption of its label in a random phrasing.

    Raises:
      ConfigError: for a run that is not of captions of coloured_mnist.
    """
    import jax

    from gan_jax.data import describe
    from gan_jax.data.captions import language_of
    from gan_jax.modality import Tokens
    from gan_jax.runs import folder as run_folder
    from gan_jax.runs import restore
    from gan_jax.sampling.draw import generated

    config = run_folder.read(folder).config
    gan, state = restore.load(folder)
    if config.dataset != DATASET or not isinstance(gan.condition, Tokens):
        raise ConfigError(
            f"runs: {folder} must be a GAN of captions of {DATASET}, not of {config.dataset!r} "
            f"with pairs {config.pairs.name!r}."
        )
    table = language_of(describe(DATASET)).table

    def draw(labels: np.ndarray, seed: int) -> np.ndarray:
        phrasing = np.random.default_rng(seed).integers(table.shape[1], size=len(labels))
        z = gan.prior.draw(jax.random.key(seed), len(labels))
        return generated(gan, state, z, table[labels, phrasing])

    return draw


def shown(images: np.ndarray, labels: np.ndarray) -> list[Estimate]:
    """The share of images ``[n, h, w, 3]`` uint8 that show the digit, each of `RULES`, and all of
    them, as their labels ``[n]`` say, with Wilson's interval.
    """
    from gan_jax.data.combinations import values_of
    from gan_jax.metrics import attributes
    from gan_jax.metrics.estimate import share
    from gan_jax.recognizers import recognizer

    wanted = dict(zip(("digit", *RULES), values_of(labels).T, strict=True))
    network = recognizer("mnist", None)
    found = attributes.attributes(images)
    found["digit"] = network.features(attributes.digits(images))[1].argmax(1)
    right = [found[name] == wanted[name] for name in ("digit", *RULES)]
    right.append(np.all(right, axis=0))
    return [share(float(own.mean()), len(own)) for own in right]


def show(name: str, shares: list[Estimate]) -> None:
    cells = (f"{s.value:.1%} [{s.low:.1%}, {s.high:.1%}]" for s in shares)
    print(f"{name:{NAME}}" + "".join(f"{cell:>{CELL}}" for cell in cells), flush=True)


if __name__ == "__main__":
    sys.exit(main())
