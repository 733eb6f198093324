"""Measure whether a GAN helps where some classes are rare. The numbers of training images per class
are a long tail (Cui et al. 2019): they fall exponentially from --largest to --smallest, in an order
of the classes that the seed determines. For each smallest number, and each seed, it trains
classifiers on:

  classic      the images as they are
  oversampled  the images, those of rare classes repeated, so that all classes are equally frequent
  mixup        the same, mixed with each other
  cutout       the same, a square cut out of each
  weights      the images, the loss weighted by the effective number of images of each class
               (Cui et al. 2019)
  generated    the images, and images of a conditional GAN of all classes that fill each class up to
               the largest
  both         the images, oversampled, and as many images of the GAN in each class

All classifiers have the same steps and classic augmentation, and are compared by balanced accuracy,
the mean over the classes. Results:

  settings.json   the settings
  results.jsonl   one line per training
  results.csv     means with 95% intervals over the seeds, and paired differences to oversampled,
                  mixup and cutout
  results.md      the same as tables
  results.png     curves
  cell_*/         the GAN of each cell, a run folder for eval, and the generated images

The same command continues an interrupted study; smallest numbers and seeds may be added.
"""

from __future__ import annotations

import dataclasses
import sys

from gan_jax import command_line
from gan_jax.studies import command, regimes_options

NAME = "imbalance"


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of this study alone."""

    smallest: str = "10,50"
    """Numbers of images of the rarest class, separated by commas."""
    largest: int = 2_000
    """Number of images of the most frequent class."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all results are complete; 1: a GAN diverged; 2: wrong input, and nothing was
    written; 130: stopped by Ctrl-C.
    """
    with command.asked(NAME, __doc__, argv, Options, regimes_options.Options) as (own, options):
        from gan_jax.studies.imbalance_study import Study

        command_line.fast_cpu()
        command_line.keep_compilations()
        study = Study(options, command.counts("smallest", own.smallest), own.largest)
        return command.run(NAME, study, "with the interrupted training")


if __name__ == "__main__":
    sys.exit(main())
