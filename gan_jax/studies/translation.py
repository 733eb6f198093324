"""Measure whether images translated into another domain train a classifier for it. The GANs of two
domains come from run folders that differ in their seeds alone:

  uv run train.py digits_to_mnist --seed 0 --workdir runs/digits_to_mnist_0
  uv run train.py digits_to_mnist --seed 1 --workdir runs/digits_to_mnist_1
  uv run gan-jax study translation runs/digits_to_mnist_0 runs/digits_to_mnist_1

In each direction, and for each run, classifiers are trained without any label of the target domain
and tested on its test images:

  source              the labelled images of the source domain
  classic             the same, with classic augmentation
  mixup               the same, and the images are mixed with each other
  cutout              the same, but a square is cut out of each image
  self-training       as `classic`, and half of the images are training images of the target domain
                      with the labels of `classic`: the control, without any GAN
  translated          the images of the source domain, translated by the GAN
  both                the same, with classic augmentation
  both+mixup          the same, and the images are mixed with each other
  both+self-training  as `both`, and half of the images are training images of the target domain
                      with the labels of `both`
  target              labelled images of the target domain: the ceiling

Each value is the mean accuracy of several classifiers. Before that, both directions of each run are
evaluated: the Fréchet distance of translated test images to test images of the other domain, and
the proportion that a classifier of the other domain recognizes as the class that was translated.
Results:

  settings.json   the settings
  results.jsonl   one line per arm of a run, and per evaluation
  results.csv     means with 95% intervals over the runs, and paired differences to classic, mixup,
                  cutout and self-training
  results.md      the same as tables, and the evaluations
  results.png     the test errors

The same command continues an interrupted study; runs and arms may be added.
"""

from __future__ import annotations

import sys

from gan_jax import command_line
from gan_jax.studies import command
from gan_jax.studies.translation_options import Options

NAME = "translation"


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all results are complete; 2: wrong input, and nothing was written; 130: stopped
    by Ctrl-C.
    """
    with command.asked(NAME, __doc__, argv, Options) as options:
        from gan_jax.studies.translation_study import Study

        command_line.fast_cpu()
        command_line.keep_compilations()
        return command.run(NAME, Study(options), "with the interrupted arm")


if __name__ == "__main__":
    sys.exit(main())
