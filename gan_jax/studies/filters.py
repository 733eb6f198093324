"""Measure whether filters make generated images better training data for a classifier, and how many
real images belong among them. For each seed, a conditional GAN is trained on a few labelled images
of each class, and its images are filtered in several ways:

  unfiltered   all images
  truncation   images of latents near 0
  confidence   images of whose label a classifier of the real images is sure
  rejection    images that discriminator rejection accepts

For each filter and each percentage of real images, a classifier with classic augmentation is
trained on the mixture. Other images of the training split validate: the mixture that is best there,
on average over the seeds, is compared on the test images with the real images alone. Results:

  settings.json   the settings
  results.jsonl   one line per training
  results.csv     validation accuracies with 95% intervals, and paired differences to `unfiltered`
  results.md      the same as tables, and the comparison on the test images
  results.png     curves
  generated/      the images that each filter left, and a picture of them

The same command continues an interrupted study; seeds and percentages may be added.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from gan_jax import command_line
from gan_jax.studies import command

NAME = "filters"


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    dataset: str = "mnist"
    """A labelled data set of images or sounds."""
    labels: int = 100
    """Real labelled examples of each class."""
    real: str = "20,50,80"
    """Percentages of real examples in a mixture, separated by commas."""
    validation: int = 5_000
    """Other examples of the training split, on which the mixture is chosen."""
    seeds: int = 3
    """Repetitions, each with different real examples, GAN and classifiers."""
    workdir: Path | None = None
    """Folder of the results; by default runs/filters_DATASET."""
    size: int | None = None
    """Side to which smaller images are zero-padded."""
    length: int | None = None
    """Length to which sounds are cut or padded."""
    gan_steps: int = 4_000
    """Training steps of each GAN."""
    generated: int = 20_000
    """Examples that each filter leaves, balanced over the classes."""
    truncation: float = 1.0
    """Filter truncation: latents are drawn within [-PSI, PSI]."""
    min_confidence: float = 0.9
    """Filter confidence: minimum probability of the label, by a classifier of the real examples."""
    rejection: float = 80.0
    """Filter rejection: discriminator rejection, gamma at this percentile."""
    recognizer_steps: int = 1_000
    """Training steps of each classifier."""
    recognizer_batch: int = 64
    """Batch size of the classifiers."""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that determine the results, except percentages and seeds."""
        asked = dataclasses.asdict(self)
        for name in ("real", "seeds", "workdir"):
            del asked[name]
        return asked


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all results are complete; 1: a GAN diverged; 2: wrong input, and nothing was
    written; 130: stopped by Ctrl-C.
    """
    with command.asked(NAME, __doc__, argv, Options) as options:
        from gan_jax.studies.filters_study import Study

        command_line.fast_cpu()
        command_line.keep_compilations()
        return command.run(NAME, Study(options), "with the interrupted training")


if __name__ == "__main__":
    sys.exit(main())
