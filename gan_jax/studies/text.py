"""Does a GAN write better than maximum likelihood, and than counting n-grams?

  uv run gan-jax study text names
  uv run gan-jax study text scan/simple --samples 10000

Trains each method with several seeds, draws texts at several temperatures, and compares all scores
with those of samplers that count n-grams. A method is a config of train; its run folders are
ordinary ones. All but iwgan and scratchgan begin with maximum likelihood, whose weight falls to 0,
or to 0.2 for both, in the first third of the training. The study writes:

  settings.json     the settings
  results.jsonl     one line per generator and temperature
  results.md        means with 95% intervals over the seeds, beside the n-grams
  results.png       quality against diversity over the temperatures
  METHOD/SEED       the run folders
  texts/            100 samples of the first seed for each method and temperature

The same command continues an interrupted study, also within a training.
"""

from __future__ import annotations

import sys

from gan_jax import command_line
from gan_jax.errors import at_least, within
from gan_jax.studies import command
from gan_jax.studies.text_options import Options

NAME = "text"


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all results are complete; 1: a GAN diverged; 2: wrong input, and nothing was
    written; 130: stopped by Ctrl-C.
    """
    with command.asked(NAME, __doc__, argv, Options) as options:
        from gan_jax.studies.text_methods import METHODS
        from gan_jax.studies.text_study import Study

        names = command.names("methods", options.methods, METHODS)
        at_least("seeds", options.seeds, 1)
        at_least("steps", options.steps, 3)
        at_least("samples", options.samples, 2)
        for temperature in options.temperatures:
            within("temperatures", temperature, "(0, inf)")
        command_line.fast_cpu()
        command_line.keep_compilations()
        return command.run(NAME, Study(options, names), "where it stopped")


if __name__ == "__main__":
    sys.exit(main())
