"""Measure exactly how far text GANs are from the language that they learn. The language is SeqGAN's
oracle, a random LSTM; a fresh one for each seed. For each method, oracle and seed, the study trains
a generator on 10,000 texts of 20 words and measures, in nats a token:

  KL(G || oracle)   how much of what G writes is not in the language: quality
  KL(oracle || G)   how much of the language G does not write: diversity
  NLL_oracle        minus the oracle's log-probability of texts of G, which papers report, less
                    the oracle's entropy. It can be below 0: sharper is not better
  distinct          the share of different texts among those of G

Both divergences are 0 for a perfect generator only. The study writes:

  settings.json     the settings
  results.jsonl     one line per generator and temperature
  results.md        means with 95% intervals over oracles and seeds, beside published figures

The same command continues an interrupted study with the next generator.
"""

from __future__ import annotations

import sys

from gan_jax import command_line
from gan_jax.errors import at_least
from gan_jax.studies import command
from gan_jax.studies.oracle_options import Options

NAME = "oracle"


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all results are complete; 1: a GAN diverged; 2: wrong input, and nothing was
    written; 130: stopped by Ctrl-C.
    """
    with command.asked(NAME, __doc__, argv, Options) as options:
        from gan_jax.studies.oracle_methods import METHODS
        from gan_jax.studies.oracle_study import Study

        names = command.names("methods", options.methods, METHODS)
        for field in ("oracles", "seeds", "likelihood_steps", "steps"):
            at_least(field, getattr(options, field), 1)
        at_least("words", options.words, 2)
        at_least("samples", options.samples, 2)
        command_line.fast_cpu()
        command_line.keep_compilations()
        return command.run(NAME, Study(options, names), "with the next generator")


if __name__ == "__main__":
    sys.exit(main())
