"""Measure whether GAN samples improve a classifier. For each number of real labelled images per
class, and each seed, train a GAN on these images only, and then classifiers on:

  real            the real images
  classic         the real images with classic augmentation (shifts, rotations, mirroring: whatever
                  the data set allows)
  generated       generated images only: the classification accuracy score of Ravuri & Vinyals 2019
  real+generated  real and generated images
  both            real and generated images with classic augmentation

The classifiers are tested on the test images of the data set. Results:

  settings.json   the settings
  results.jsonl   one line per training
  results.csv     means with 95% intervals over the seeds, and paired differences to `classic`
  results.md      the same as tables
  results.png     curves
  generated/      the generated images and a sample grid of each GAN

The same command continues an interrupted study; numbers of labels and seeds may be added.
"""

from __future__ import annotations

import sys

from gan_jax import command_line
from gan_jax.studies import command
from gan_jax.studies.recognition_options import Options

NAME = "recognition"


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all results are complete; 1: a GAN diverged; 2: wrong input, and nothing was
    written; 130: stopped by Ctrl-C.
    """
    with command.asked(NAME, __doc__, argv, Options) as options:
        from gan_jax.studies.recognition_study import Study

        command_line.fast_cpu()
        command_line.keep_compilations()
        return command.run(NAME, Study(options), "with the interrupted training")


if __name__ == "__main__":
    sys.exit(main())
