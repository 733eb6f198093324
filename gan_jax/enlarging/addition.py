"""The examples that may be added to a dataset, by regime: each kind is made once, and kept as a
file.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_jax.build import build
from gan_jax.config import Augmentation, Config, Framing
from gan_jax.data import Description, frame_of
from gan_jax.data.arrays import dataset as stored
from gan_jax.data.dataset import describe_labelled
from gan_jax.enlarging import gans
from gan_jax.enlarging.examples import Labelled, balanced, joined, read
from gan_jax.enlarging.options import Options
from gan_jax.errors import at_least, fits_memory
from gan_jax.metrics.labels import confidence
from gan_jax.modality import Modality
from gan_jax.recognizers import RecognizerConfig
from gan_jax.recognizers.architectures import classifier
from gan_jax.runs.lines import Line
from gan_jax.sampling.filters import Recognizes, most_confident

LABELLED_BY_D, GENERATED, BOTH = "pseudo-labelled", "generated", "pseudo-labelled and generated"
CONFIDENT = "generated and confident"
KINDS = {
    "unlabelled": (LABELLED_BY_D, GENERATED, BOTH),
    "imbalance": (GENERATED, CONFIDENT),
    "labelled": (GENERATED, CONFIDENT),
}
"""The kinds of added examples of each regime: unlabelled examples with the labels of the
semi-supervised discriminator; examples of the conditional GAN, where there are unlabelled examples
only those of which that discriminator is confident; half of both; those of which a classifier of
the real examples is confident.
"""


class Known(NamedTuple):
    """What the GANs may see: ``real`` labelled examples, and ``unlabelled`` ones ``[m, ...]``.

    ``dataset``: the name of the dataset they come from; ``names``: of its classes.
    """

    dataset: str
    real: Labelled
    unlabelled: np.ndarray
    names: tuple[str, ...]
    modality: Modality


def check(
    dataset: str, framing: Framing, options: Options, recognizer: RecognizerConfig
) -> Description:
    """The description of a labelled dataset of images that can be enlarged; no image is loaded.

    Raises:
      ConfigError: for another dataset, or settings that cannot be met.
    """
    about = describe_labelled(dataset)
    options.check()
    at_least("generated", options.generated, about.num_classes)
    config = dataclasses.replace(gans.conditional(dataset, framing), steps=options.gan_steps)
    build(config)
    modality = frame_of(about, framing).modality
    bytes_of_images = options.generated * math.prod(modality.shape)
    fits_memory("generated", f"{options.generated:,} images", bytes_of_images)
    classifier(recognizer, about.num_classes, modality)
    return about


class Additions:
    """Makes the added examples of a regime in a folder, where the GANs are ordinary run folders.

    Args:
      folder: the folder of the enlargement.
      regime: a key of `KINDS`.
      known: what the GANs may see.
      recognizer: returns a classifier of the real examples; called only if it is used.
      tell: called with the line of each kind that was made.
    """

    def __init__(
        self,
        folder: Path,
        options: Options,
        regime: str,
        known: Known,
        recognizer: Callable[[], Recognizes],
        tell: Callable[[Line], None],
    ):
        self._folder, self._options, self._regime, self._known = folder, options, regime, known
        self._recognizer, self._tell = recognizer, tell

    def all(self) -> dict[str, Labelled]:
        """The examples of each kind; those that are generated are balanced over the classes."""
        kinds = KINDS[self._regime]
        found = {kind: self.one(kind) for kind in kinds if kind != BOTH}
        if BOTH in kinds:
            half = self._options.generated // 2
            both = joined(*(own.at(np.arange(min(half, len(own.y)))) for own in found.values()))
            found[BOTH] = both.at(self._shuffled(len(both.y)))
        return found

    @property
    def unlabelled(self) -> np.ndarray:
        """The examples ``[m, ...]`` without labels."""
        return self._known.unlabelled

    def _shuffled(self, n: int) -> np.ndarray:
        return np.random.default_rng(self._options.label_seed).permutation(n)

    def one(self, kind: str) -> Labelled:
        """The examples of a kind that is not `BOTH`, from their file if there is one."""
        path = self._folder / "added" / f"{kind.replace(' ', '_')}.npz"
        if path.exists():
            return read(path)
        began = time.perf_counter()
        made, tried = self._pseudo_labelled() if kind == LABELLED_BY_D else self._drawn(kind)
        made.show(path.with_suffix(".png"), self._known.modality)
        made.save(path)
        seconds = round(time.perf_counter() - began, 1)
        self._tell({"kind": kind, "drawn": tried, "kept": len(made.y), "seconds": seconds})
        return made

    def _pseudo_labelled(self) -> tuple[Labelled, int]:
        """Unlabelled examples of which D is confident, at most as many as are generated, in random
        order, and the number of examples that D labelled.
        """
        sure = self._labelled_by_d
        places = self._shuffled(len(sure.y))[: self._options.generated]
        return sure.at(places), len(self._known.unlabelled)

    def _drawn(self, kind: str) -> tuple[Labelled, int]:
        """Examples of the conditional GAN, and the number drawn before filtering."""
        options, known, by_d = self._options, self._known, self._regime == "unlabelled"
        real = joined(known.real, self._labelled_by_d) if by_d else known.real
        gan, state = gans.trained(self._conditional(real), self._folder / "gan")
        n, seed, k = options.generated, options.label_seed, len(known.names)
        if not by_d and kind == GENERATED:
            return gans.drawn(gan, state, n, seed), n
        each = -(-n // k)
        drawn = gans.drawn(gan, state, k * math.ceil(each / options.kept), seed)
        judge = self.labeller if by_d else self._recognizer()
        sure = confidence(judge.features(drawn.x)[1], drawn.y)
        best = drawn.at(most_confident(sure, drawn.y, options.kept))
        return best.at(self._shuffled(len(best.y))[:n]), len(drawn.y)

    @functools.cached_property
    def _labelled_by_d(self) -> Labelled:
        """The unlabelled examples of which D is most confident, with its labels."""
        x = self._known.unlabelled
        y, sure = self.labeller.labels(x)
        return Labelled(x, y).at(most_confident(sure, y, self._options.kept))

    @functools.cached_property
    def labeller(self) -> gans.Labeller:
        """The discriminator of the semi-supervised GAN, which is trained unless it exists."""
        known, options = self._known, self._options
        name = stored(
            *known.real, class_names=known.names, name="partly_labelled",
            unlabelled=known.unlabelled,
        )  # fmt: skip
        config = gans.semi_supervised(name, Framing(), options.labelling_steps, known.dataset)
        config = _seldom_logged(config, options.label_seed)
        return gans.Labeller(*gans.trained(config, self._folder / "labelling_gan"))

    def _conditional(self, real: Labelled) -> Config:
        """The conditional GAN of labelled examples."""
        known, options = self._known, self._options
        if self._regime == "imbalance":  # G learns rare classes as much as others
            real = balanced(real, len(known.names) * np.bincount(real.y).max(), options.label_seed)
        name = stored(*real, class_names=known.names, name="labelled")
        config = dataclasses.replace(gans.conditional(name), steps=options.gan_steps)
        if self._regime != "unlabelled":  # few images: DiffAugment keeps D from memorizing them
            config = dataclasses.replace(config, augmentations=(Augmentation("diffaugment"),))
        return _seldom_logged(config, options.label_seed)


def _seldom_logged(config: Config, seed: int) -> Config:
    """A config whose run saves, logs and diagnoses ten times."""
    every = max(1, config.steps // 10)
    return dataclasses.replace(
        config, seed=seed, keep=1, checkpoint_every=every, diagnose_every=every, log_every=every,
        sample_every=config.steps,
    )  # fmt: skip
