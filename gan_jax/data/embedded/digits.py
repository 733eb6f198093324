"""The 1,797 handwritten digits of scikit-learn: the default data set; needs no download."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

CITATION = """\
@misc{alpaydin1998optical,
  title={Optical Recognition of Handwritten Digits},
  author={Alpaydin, E. and Kaynak, C.},
  year={1998},
  publisher={UCI Machine Learning Repository},
  doi={10.24432/C50P49}
}"""


class Digits(tfds.core.GeneratorBasedBuilder):
    """8x8 grey images: the levels 0..16 of the original scaled to 0..255, white on black, labelled
    0 to 9.

    The split is stratified and fixed: every fifth image of each class in scikit-learn's order is in
    ``test``.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Handwritten digits of 8x8 pixels and 17 grey levels, from 13 writers.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
            citation=CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        return {
            "train": self._generate_examples(test=False),
            "test": self._generate_examples(test=True),
        }

    def _generate_examples(self, test: bool) -> Iterator[tuple[int, dict]]:
        from sklearn.datasets import load_digits  # takes a second to import and is needed once

        digits = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
        of_class = {label: 0 for label in range(10)}
        for i, (image, label) in enumerate(zip(images, digits.target.tolist(), strict=True)):
            of_class[label] += 1
            if (of_class[label] % 5 == 0) == test:
                yield i, {"image": Image.fromarray(image), "label": label}
