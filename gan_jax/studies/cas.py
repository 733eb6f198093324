"""Measure the classification accuracy score of conditional GANs (Ravuri & Vinyals 2019) over
several trainings and several architectures of the classifier:

  uv run gan-jax study cas runs/mnist_dcgan --networks cnn,resnet_half

A classifier is trained on generated images alone and tested on real test images; another one of the
same recipe is trained on the real training images. Runs that differ in their seeds alone, and the
members of a population, share a row: its values are means over the GANs, each with a classifier of
another seed. All runs need the same dataset. Results:

  settings.json   the settings
  results.jsonl   one line per classifier
  results.csv     means with 95% intervals over the GANs
  results.md      the same as tables
  results.png     the test errors

The same command continues an interrupted study; more runs may follow, and other networks.
"""

from __future__ import annotations

import sys

from gan_jax import command_line
from gan_jax.studies import command
from gan_jax.studies.cas_options import Options

NAME = "cas"


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all results are complete; 2: wrong input, and nothing was written; 130: stopped
    by Ctrl-C.
    """
    with command.asked(NAME, __doc__, argv, Options) as options:
        from gan_jax.studies.cas_study import Study

        command_line.fast_cpu()
        command_line.keep_compilations()
        return command.run(NAME, Study(options), "with the interrupted classifier")


if __name__ == "__main__":
    sys.exit(main())
