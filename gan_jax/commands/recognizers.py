"""Train a classifier on a labelled dataset, report its test accuracy, and keep it in the user's
cache folder.

The defaults come from the recipe of the dataset if there is one, else from the recipe of the test
dataset or of eval's feature extractor. A classifier in the cache is not trained again; an
interrupted training is resumed.
"""

from __future__ import annotations

import dataclasses
import sys

from gan_jax import arguments, command_line
from gan_jax.commands import interrupts, parts
from gan_jax.recognizers.recipes import RECIPES, TASKS, RecognizerConfig, recipe

DEFAULT = "digits"


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line after the dataset."""

    size: int | None = None
    """Side of the square images: those of a folder are cropped and resized to it, others are
    zero-padded. By default that of the dataset.
    """
    length: int | None = None
    """Cut or pad sounds to this number of samples."""
    test_on: str | None = None
    """Test on another dataset: the real one if the training set is generated (classification
    accuracy score).
    """


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: the classifier is in the cache; 2: wrong input, and nothing was written; 130:
    stopped by Ctrl-C.
    """
    argv = sys.argv[1:] if argv is None else argv
    stopped = "Stopped; the same command resumes from the last checkpoint."
    with command_line.running("recognizers"):
        dataset, options, config = parse(argv)
        command_line.loading()
        with interrupts.ends_with(stopped):
            from gan_jax.config import Framing
            from gan_jax.recognizers import kept, recognizer

            command_line.fast_cpu()
            command_line.keep_compilations()
            framing = Framing(options.size, length=options.length)
            found = recognizer(dataset, framing, config, options.test_on)
    about = found.about
    since = (
        f" since step {about['resumed_from']:,}, where an interrupted training was resumed"
        if about["resumed_from"]
        else ""
    )
    print(
        f"Test accuracy {about['test_accuracy']:.2%} on {about['test_images']:,} examples of "
        f"{about['test_dataset']}, {about['test_split']}, after "
        f"{about['steps']:,} steps on {about['train_images']:,} examples of {about['dataset']}, "
        f"{about['train_split']}, in {about['training_seconds']:.0f} s{since}."
    )
    print(f"kept in: {kept(found.key)}")
    return 0


def parse(argv: list[str]) -> tuple[str, Options, RecognizerConfig]:
    """The dataset, the options, and the config of the classifier: from the recipe of the dataset
    or, without one, of the test dataset.
    """
    dataset, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else (DEFAULT, argv)

    def read(recipe_of: str) -> tuple[Options, RecognizerConfig]:
        return arguments.parse(
            f"{command_line.called('recognizers')} [DATASET]",
            f"{__doc__}\nDatasets with a recipe: {', '.join(RECIPES)}.",
            rest,
            Options(),
            recipe(recipe_of),
            groups={
                "size": "Data",
                "network": "Network and training",
                "augmentation.shift": "Augmentation",
                "seed": "Network and training",
            },
            choices={"network": parts.names()["network"], "task": TASKS},
        )

    options, config = read(dataset)
    if options.test_on and dataset not in RECIPES:
        options, config = read(options.test_on)
    return dataset, options, config
