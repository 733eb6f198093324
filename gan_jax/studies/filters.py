"""Measure whether filters make generated images better training data for a classifier, and how many
real images belong among them. For each seed, a conditional GAN is trained on a few labelled images
of each class, and its images are filtered in several ways:

  unfiltered   all images
  truncation   images of latents near 0
  confidence   images of whose label a classifier of the real images is sure
  rejection    images that discriminator rejection accepts

For each filter and each percentage of real images, a classifier with classic augmentation is
trained on the mixture. Other images of the training split validate: the mixture that is best there,
on average over the seeds, is compared on the test images with the real images alone. Results:

  settings.json   the settings
  results.jsonl   one line per training
  results.csv     validation accuracies with 95% intervals, and paired differences to `unfiltered`
  results.md      the same as tables, and the comparison on the test images
  results.png     curves
  generated/      the images that each filter left, and a picture of them

The same command continues an interrupted study; seeds and percentages may be added.
"""

from __future__ import annotations

import sys

from gan_jax import command_line
from gan_jax.studies import command
from gan_jax.studies.filters_options import Options

NAME = "filters"


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all results are complete; 1: a GAN diverged; 2: wrong input, and nothing was
    written; 130: stopped by Ctrl-C.
    """
    with command.asked(NAME, __doc__, argv, Options) as options:
        from gan_jax.studies.filters_study import Study

        command_line.fast_cpu()
        command_line.keep_compilations()
        return command.run(NAME, Study(options), "with the interrupted training")


if __name__ == "__main__":
    sys.exit(main())
