"""Enlarge a dataset by a GAN, and find out whether that helps: trains the GAN that the situation
calls for, filters its images, trains classifiers with and without them, and says in one sentence
whether they helped, by how much, and with which 95% interval.

  gan-jax enlarge fashion_mnist --labels 20 --out enlarged/fashion

There are three situations, called regimes:

  unlabelled  few labels, and many images without: a semi-supervised GAN labels them, and a
              conditional GAN learns from all. Added images: labelled by the first GAN, generated
              by the second, or both
  imbalance   some classes have ten times as many images as others: a conditional GAN learns from
              all classes. Classifiers are compared by balanced accuracy, with oversampling too
  labelled    labelled images only: a conditional GAN with DiffAugment, which keeps it from
              memorizing few images

All classifiers have the same steps and classic augmentation, and are tried with mixup. The kind of
added images, the share of real ones and mixup are chosen on a fifth of the labelled training
images, which no GAN sees. The test images are used once, for the two chosen classifiers alone.
Writes to --out:

  dataset/       the labelled and the added images, a TFDS dataset for train and recognizers
  results.md     the validation table and the sentence
  results.jsonl  one line per training
  added/         the added images of each kind, and pictures of them
  gan/, labelling_gan/  run folders of the GANs, for eval

Ctrl-C saves; the same command continues.
"""

from __future__ import annotations

import dataclasses
import pathlib
import sys

from gan_jax import arguments, command_line
from gan_jax.arguments import Positional
from gan_jax.commands import interrupts
from gan_jax.enlarging.options import AUTO, REGIMES
from gan_jax.enlarging.options import Options as Settings
from gan_jax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line beside the settings."""

    dataset: Positional[str]
    """Labelled images: a TFDS name, digits, or a folder with a subfolder for each class."""
    out: pathlib.Path | None = None
    """New folder of the results, or one that the same command began."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: done; 1: a GAN diverged; 2: wrong input, and nothing was written; 130: stopped
    by Ctrl-C.
    """
    with command_line.running("enlarge"):
        argv = sys.argv[1:] if argv is None else argv
        program = f"{command_line.called('enlarge')} DATASET"
        choices = {"regime": [AUTO, *REGIMES]}
        options, settings = arguments.parse(
            program, __doc__, argv, Options, Settings(), choices=choices
        )
        settings.check()
        if options.out is None:
            raise ConfigError("out is missing; use --out with a new folder for the results.")
        command_line.loading()
        with interrupts.ends_with("Stopped; the same command continues."):
            command_line.fast_cpu()
            command_line.keep_compilations()
            return run(options.dataset, options.out, settings)


def run(dataset: str, out: pathlib.Path, settings: Settings) -> int:
    from gan_jax.enlarging.enlarge import Enlargement
    from gan_jax.training.divergence import Diverged

    try:
        Enlargement(dataset, out, settings).run()
    except Diverged as error:
        print(f"enlarge: a GAN diverged: {error}; earlier results are in {out}.", file=sys.stderr)
        return 1
    return 0
