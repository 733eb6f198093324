"""Measure whether GAN samples improve a classifier of images or sounds. For each number of real
labelled examples per class, and each seed, train a GAN on these examples only, and then classifiers
on:

  real            the real examples
  classic         the real examples with classic augmentation (images: shifts, rotations, mirroring,
                  whatever the data set allows; sounds: delays, speed, gain, noise)
  generated       generated examples only: the classification accuracy score of Ravuri & Vinyals
                  2019
  real+generated  real and generated examples
  both            real and generated examples with classic augmentation

The classifiers are tested on the test examples of the data set or, with --unseen,
on a group, such as a speaker, that has no part in the training. Results:

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
