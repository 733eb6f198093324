"""Points drawn once, with a fixed seed, from the distributions of `gan_jax.data.truths`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from gan_jax.data.truths import TRUTHS

EXAMPLES = {"train": 40_000, "test": 10_000}
"""Multiples of 8 and of 25, so that all modes of a mixture have equally many points."""


class Points(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """One float32 vector per example; labelled by mode if the distribution is a mixture."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        truth = TRUTHS[self.name]
        features = {"point": tfds.features.Tensor(shape=truth.centres.shape[1:], dtype=np.float32)}
        if truth.labelled:
            features["label"] = tfds.features.ClassLabel(
                names=[str(mode) for mode in range(len(truth.weights))]
            )
        return tfds.core.DatasetInfo(
            builder=self,
            description=type(self).__doc__,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("point", "label") if truth.labelled else None,
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        return {
            split: self._generate_examples(seed, n)
            for seed, (split, n) in enumerate(EXAMPLES.items())
        }

    def _generate_examples(self, seed: int, n: int) -> Iterator[tuple[int, dict]]:
        truth = TRUTHS[self.name]
        points, labels = truth.draw(np.random.default_rng(seed), n)
        for i, (point, label) in enumerate(zip(points, labels.tolist(), strict=True)):
            yield i, {"point": point} | ({"label": label} if truth.labelled else {})


class Dirac(Points):
    """All points at 0: the data of the Dirac-GAN (Mescheder et al. 2018, definition 2.1)."""


class Ring8(Points):
    """Eight Gaussians, standard deviation 0.01, on the unit circle."""


class Grid25(Points):
    """Five by five Gaussians, standard deviation 0.0125, half a unit apart."""


class SwissRoll(Points):
    """A noisy spiral in the plane."""


class Checkerboard(Points):
    """Uniform on the eight squares of one colour of a 4x4 board."""
