"""Three random MNIST digits as the colour channels of an image: 1,000 modes that a digit classifier
can count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from gan_jax.data.order import chosen

EXAMPLES = {"train": 128_000, "test": 26_000}
_SEEDS = {"train": 0, "test": 1}
_CHUNK = 4_096

CITATION = """\
@inproceedings{srivastava2017veegan,
  title={VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning},
  author={Srivastava, Akash and Valkov, Lazar and Russell, Chris and
    Gutmann, Michael U. and Sutton, Charles},
  booktitle={Advances in Neural Information Processing Systems},
  year={2017}
}"""


class StackedMnist(tfds.core.GeneratorBasedBuilder):
    """28x28 colour images; red, green and blue show digits a, b and c; labelled 100 a + 10 b + c.

    Made from MNIST's split of the same name. The digits of example ``i`` depend only on the split
    and ``i``.

    ``load``: as `gan_jax.data.load`; reads MNIST and is set before the examples are made.
    """

    VERSION = tfds.core.Version("1.0.0")
    MADE_FROM = ("mnist",)
    load: Callable[[str, str], Any]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="MNIST digits stacked as colour channels.",
            features=tfds.features.FeaturesDict(
                {
                    # Raw bytes, as PNG would take ten times as long to write.
                    "image": tfds.features.Tensor(
                        shape=(28, 28, 3), dtype=np.uint8, encoding=tfds.features.Encoding.BYTES
                    ),
                    "label": tfds.features.ClassLabel(names=[f"{mode:03}" for mode in range(1000)]),
                }
            ),
            supervised_keys=("image", "label"),
            disable_shuffling=True,
            citation=CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        return {split: self._generate_examples(split, n) for split, n in EXAMPLES.items()}

    def _generate_examples(self, split: str, n: int) -> Iterator[tuple[int, dict]]:
        mnist = self.load("mnist", split)
        title = f"stacking MNIST {split}"
        with tqdm(total=n, desc=title, unit=" examples", delay=2, leave=False, disable=None) as bar:
            for start in range(0, n, _CHUNK):
                index = np.arange(start, min(start + _CHUNK, n))
                images, labels = stacked(mnist.examples, mnist.labels, index, _SEEDS[split])
                for i, image, label in zip(index.tolist(), images, labels.tolist(), strict=True):
                    yield i, {"image": image, "label": label}
                bar.update(len(index))


def stacked(
    images: np.ndarray, labels: np.ndarray, index: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The examples with numbers ``index`` ``[m]``: images ``[m, h, w, 3]`` and labels ``[m]``, from
    images ``[n, h, w, 1]`` and labels ``[n]`` in 0..9.
    """
    picked = np.stack([chosen(index, len(labels), seed, channel) for channel in range(3)], axis=1)
    return np.moveaxis(images[picked][..., 0], 1, -1), labels[picked] @ np.array(
        [100, 10, 1], labels.dtype
    )
