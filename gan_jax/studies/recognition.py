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

from gan_jax import arguments, command_line
from gan_jax.studies.recognition_options import Options

NAME = "recognition"


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all results are complete; 1: a GAN diverged; 2: wrong input, and nothing was
    written; 130: stopped by Ctrl-C.
    """
    argv = sys.argv[1:] if argv is None else argv
    with command_line.running(NAME):
        program = command_line.called(f"study {NAME}")
        (options,) = arguments.parse(program, __doc__, argv, Options)
        from gan_jax.studies.recognition_study import Study

        command_line.fast_cpu()
        command_line.keep_compilations()
        study = Study(options)
        try:
            study.run()
        except KeyboardInterrupt:
            print(
                "\nStopped; the same command continues with the interrupted training.",
                file=sys.stderr,
            )
            return 130
        except FloatingPointError as error:
            print(
                f"{NAME}: a GAN diverged: {error}; earlier results are in {study.folder}.",
                file=sys.stderr,
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
