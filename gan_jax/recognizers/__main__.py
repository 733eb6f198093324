"""Train a recognizer of a labelled data set, say how well it does on the test images, and keep it
in the user's cache folder.

Without options the data set's own recipe is taken, if it has one, otherwise that of the set that it
is tested on, or of the feature network of eval.py. A recognizer that is kept already is not trained
again; an interrupted training goes on from its last checkpoint.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Annotated

import tyro

from gan_jax import command_line
from gan_jax.recognizers import RECIPES, RecognizerConfig, kept, recipe, recognizer

PROGRAM = "python -m gan_jax.recognizers"
DEFAULT = "digits"


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line, after the data set."""

    size: int | None
    """Side that smaller images are padded to with black."""
    test_on: str | None
    """Another data set to be tested on: that of real images, if the first was generated
    (classification accuracy score).
    """
    config: Annotated[RecognizerConfig, tyro.conf.arg(name="")]


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: the recognizer is kept; 2: wrong input, and nothing was written; 130: stopped
    by Ctrl-C.
    """
    argv = sys.argv[1:] if argv is None else argv
    command_line.plain_warnings()
    with command_line.one_sentence_errors(PROGRAM):
        dataset, options = parse(argv)
        command_line.fast_cpu()
        command_line.keep_compilations()
        try:
            found = recognizer(dataset, options.size, options.config, options.test_on)
        except KeyboardInterrupt:
            print("\nStopped; the same command goes on from the last checkpoint.", file=sys.stderr)
            return 130
    about = found.about
    since = (
        f" since step {about['resumed_from']:,}, where an interrupted training was resumed"
        if about["resumed_from"]
        else ""
    )
    print(
        f"{about['test_accuracy']:.2%} of {about['test_images']:,} images of "
        f"{about['test_dataset']}, {about['test_split']}, are recognized, after "
        f"{about['steps']:,} steps on {about['train_images']:,} images of {about['dataset']}, "
        f"{about['train_split']}, in {about['training_seconds']:.0f} s{since}."
    )
    print(f"kept in: {kept(found.key)}")
    return 0


def parse(argv: list[str]) -> tuple[str, Options]:
    """The data set and its options; without its own, those of the recipe of the set that it is
    tested on.
    """
    dataset, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else (DEFAULT, argv)

    def options(recipe_of: str) -> Options:
        return tyro.cli(
            Options,
            prog=f"{PROGRAM} [DATASET]",
            description=f"{__doc__}\n\nData sets with a recipe of their own: {', '.join(RECIPES)}.",
            args=rest,
            default=Options(size=None, test_on=None, config=recipe(recipe_of)),
        )

    chosen = options(dataset)
    return dataset, options(chosen.test_on) if chosen.test_on and dataset not in RECIPES else chosen


if __name__ == "__main__":
    sys.exit(main())
