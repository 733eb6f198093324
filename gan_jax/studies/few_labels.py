"""Measure whether a GAN helps to learn from few labels, if there are many images without. For each
number of labelled images per class, and each seed, it trains:

  classic                a classifier of the labelled images, with classic augmentation
  mixup                  one that also mixes them with each other
  cutout                 one that also cuts a square out of each of them
  self-training          one that also sees the unlabelled images with the labels of `classic`: the
                         control, without any GAN
  self-training+mixup    the same with the labels of `mixup`, and it mixes all images
  discriminator          a semi-supervised GAN, whose discriminator classifies
  pseudo-labelled        a classifier that also sees the unlabelled images, with the labels of this
                         discriminator
  pseudo-labelled+mixup  the same, and it mixes all images
  generated              one that instead sees images of a conditional GAN, which was trained on all
                         images with these labels
  both                   one that sees both

All classifiers have the same steps and classic augmentation. Results:

  settings.json   the settings
  results.jsonl   one line per training
  results.csv     means with 95% intervals over the seeds, and paired differences to mixup,
                  cutout and both kinds of self-training
  results.md      the same as tables
  results.png     curves
  cell_*/         the GANs of each cell, run folders for eval, and the added images

The same command continues an interrupted study; numbers of labels and seeds may be added.
"""

from __future__ import annotations

import dataclasses
import sys

from gan_jax import command_line
from gan_jax.studies import command, regimes_options

NAME = "few_labels"


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of this study alone."""

    labels: str = "10"
    """Numbers of labelled images per class, separated by commas."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all results are complete; 1: a GAN diverged; 2: wrong input, and nothing was
    written; 130: stopped by Ctrl-C.
    """
    with command.asked(NAME, __doc__, argv, Options, regimes_options.Options) as (own, options):
        from gan_jax.studies.few_labels_study import Study

        command_line.fast_cpu()
        command_line.keep_compilations()
        study = Study(options, command.counts("labels", own.labels))
        return command.run(NAME, study, "with the interrupted training")


if __name__ == "__main__":
    sys.exit(main())
