"""A data set whose images spell their numbers."""

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from gan_jax.data import preparing


def numbered(root, train=300, test=20, first=0, labelled=True):
    """Prepares the data set ``numbered``: 5x3 images whose first two pixels spell the number of the
    example.
    """

    class Numbered(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "photo": tfds.features.Image(shape=(5, 3, 1)),
                "number": tfds.features.Scalar(np.int64),
            }
            if labelled:
                features["kind"] = tfds.features.ClassLabel(names=["even", "odd"])
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {
                "train": self._generate_examples(0, train),
                "test": self._generate_examples(train, train + test),
            }

        def _generate_examples(self, start, end):
            for i in range(start, end):
                pixels = np.full((5, 3), 9, np.uint8)
                pixels[0, :2] = divmod(i + first, 256)
                kind = {"kind": i % 2} if labelled else {}
                yield i, {"photo": Image.fromarray(pixels), "number": i, **kind}

    preparing.prepare_embedded(lambda: Numbered(data_dir=root, file_format="array_record"))


def numbers(images):
    """The numbers of the examples of `numbered`, from images ``[..., 5, 3, 1]``."""
    return images[..., 0, 0, 0].astype(int) * 256 + images[..., 0, 1, 0]
