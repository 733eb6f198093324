"""When does a GAN help a recognizer? For each number of real labelled images a class, and each
seed, a GAN learns from these images alone; then recognizers learn from

  real            the real images
  classic         the real images with classic augmentation (shifts, turns, mirrors: what the data
                  set allows)
  generated       generated images only: the classification accuracy score of Ravuri & Vinyals 2019
  real+generated  real and generated ones
  both            real and generated ones with classic augmentation

and are tested on the data set's test images. The folder then holds

  settings.json   what was asked
  results.jsonl   a line for each training
  results.csv     means with 95 % intervals over the seeds, and paired differences to `classic`
  results.md      the same as tables
  results.png     curves
  generated/      the generated images and a picture of each GAN

Called again with the same settings it goes on where it was stopped; more labels or seeds may be
asked for.
"""

from __future__ import annotations

import sys

from gan_jax import arguments, command_line
from gan_jax.studies.recognition_options import Options

NAME = "recognition"


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all results are there; 1: a GAN diverged; 2: wrong input, and nothing was
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
                "\nStopped; the same command goes on with the training that was interrupted.",
                file=sys.stderr,
            )
            return 130
        except FloatingPointError as error:
            print(
                f"{NAME}: a GAN diverged: {error}; what was done is kept in {study.folder}.",
                file=sys.stderr,
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
