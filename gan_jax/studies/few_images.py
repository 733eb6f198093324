"""Measure how a GAN overfits few training images, and whether augmentation prevents it. For each
number of images, the study trains GANs with three augmentations of everything that D sees:

  none            no augmentation
  diffaugment     DiffAugment: colour, translation and cutout of all images (Zhao et al. 2020)
  ada             ADA: 18 transformations, whose probability p rises while D overfits (Karras et al.
                  2020)

It measures several times during each training:

  distance        Fréchet distance of samples, in the features of a classifier of the whole data set
  r_v             overfitting of D: 0 if it scores held-out real images like training images, 1 if
                  it scores them like fakes
  r_t             mean sign of D's scores of training images, which ADA follows
  p               probability of ADA's transformations

The expected result: without augmentation, the distance rises again when D overfits (Karras et al.
2020, figure 1). The study writes:

  settings.json   the settings
  results.jsonl   one line per measurement of all seeds
  results.csv     all numbers, a row per measurement and seed
  results.md      smallest and last distance of each cell, with 95% intervals over the seeds
  results.json    the same
  results.png     curves over the images seen
  samples/        samples of the first seed of each cell

The same command continues an interrupted study from the last measurement. Numbers of images and
augmentations may be added, also with another number of seeds.

For a folder of images with a subfolder for each class:

  gan-jax study few_images --dataset FOLDER --size 32 --images all --seeds 1
"""

from __future__ import annotations

import sys

from gan_jax import command_line
from gan_jax.studies import command
from gan_jax.studies.few_images_options import Options

NAME = "few_images"


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all results are complete; 1: a GAN diverged; 2: wrong input, and nothing was
    written; 130: stopped by Ctrl-C.
    """
    with command.asked(NAME, __doc__, argv, Options) as options:
        from gan_jax.studies.few_images_study import Study

        command_line.fast_cpu()
        command_line.keep_compilations()
        return command.run(NAME, Study(options), "from the last measurement")


if __name__ == "__main__":
    sys.exit(main())
