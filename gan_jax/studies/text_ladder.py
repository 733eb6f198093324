"""What do the scores of texts say of samplers that only count?

  uv run gan-jax study text_ladder names
  uv run gan-jax study text_ladder scan/simple --samples 10000
  uv run gan-jax study text_ladder captions.txt

Draws texts by the frequencies of n-grams in the training texts, and prints every score of these
samples beside that of real texts. A generator that is not better than this ladder has learned
nothing that counting does not find. A data set without a split test is divided into nine tenths,
which are counted, and the rest.
"""

from __future__ import annotations

import dataclasses
import sys

from gan_jax import arguments
from gan_jax.errors import at_least
from gan_jax.studies import command


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    dataset: arguments.Positional[str]
    """Dataset of texts, as for train."""
    tokens: str | None = None
    """Characters or words, as for train."""
    field: str | None = None
    """Text feature of a TFDS dataset that has several."""
    samples: int = 5_000
    """Texts of each sampler; real ones as many as there are, at most."""
    orders: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """Orders of the n-grams; 0 is uniform."""
    seed: int = 0
    """Random seed of the samples."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: measured; 2: wrong input."""
    with command.asked("text_ladder", __doc__, argv, Options) as options:
        at_least("samples", options.samples, 2)
        for order in options.orders:
            at_least("orders", order, 0)
        measure(options)
    return 0


def measure(options: Options) -> None:
    """Prints the table: a line for each score, a column for each sampler."""
    from gan_jax.config import Config
    from gan_jax.data.splits import train_and_test_of
    from gan_jax.evaluation.texts import of_dataset
    from gan_jax.metrics.texts import ladder
    from gan_jax.report.scores import score_title, shown

    train, _ = train_and_test_of(options.dataset)
    found = of_dataset(
        Config(dataset=options.dataset, split=train, tokens=options.tokens, field=options.field)
    )
    texts = found.texts[: options.samples]
    rungs = ladder(found.real, texts, options.orders, options.samples, options.seed)
    real = found.real
    print(
        f"{options.dataset}: {len(real.training):,} training and {len(real.held_out):,} held-out "
        f"texts of at most {real.training.shape[1]} {found.vocabulary.unit}, "
        f"{real.words:,} tokens; {options.samples:,} samples, {len(texts):,} real texts"
    )
    print(f"{'':32}" + "".join(f"{name:>11}" for name in rungs))
    for score in rungs["real"]:
        cells = [shown(score, own[score].value) if score in own else "-" for own in rungs.values()]
        print(f"{score_title(score):32}" + "".join(f"{cell:>11}" for cell in cells))


if __name__ == "__main__":
    sys.exit(main())
