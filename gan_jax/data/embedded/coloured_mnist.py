"""MNIST digits in six colours, two sizes and four places on three grounds: images that a caption
describes completely.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from tqdm import tqdm

from gan_jax.data import combinations
from gan_jax.data.combinations import BOXES, COLOURS, COMBINATIONS, GROUNDS, SIDE
from gan_jax.data.order import chosen


class Split(NamedTuple):
    """``examples``: their number. ``digits``: MNIST's split that they are made from."""

    examples: int
    digits: str
    held_out: bool
    seed: int


SPLITS = {
    "train": Split(60_000, "train", held_out=False, seed=0),
    "test": Split(10_000, "test", held_out=False, seed=1),
    "held_out": Split(10_000, "test", held_out=True, seed=2),
}
NEAREST, DISTANCES = 1, (3, 4)
"""The smallest distance between the square of a digit and the nearest edges of the image, in
pixels, and the number of distances, all equally likely, for each size.
"""
INK = 32
"""Pixels of MNIST below this value do not belong to the digit's box."""
_CHUNK = 4_096


class ColouredMnist(tfds.core.GeneratorBasedBuilder):
    """32x32 colour images of one digit each; the label is the index of the combination of its five
    attributes, see `gan_jax.data.combinations`.

    ``train`` and ``test`` have the same combinations, equally likely, ``held_out`` the remaining
    fifth. An example depends only on the split and its number.

    ``load``: as `gan_jax.data.load`; reads MNIST and is set before the examples are made.
    """

    VERSION = tfds.core.Version("2.0.0")  # 1.0.0: small digits of 12 pixels
    MADE_FROM = ("mnist",)
    load: Callable[[str, str], Any]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="MNIST digits in colours, sizes and places, on grounds.",
            features=tfds.features.FeaturesDict(
                {
                    # Raw bytes, as PNG would take ten times as long to write.
                    "image": tfds.features.Tensor(
                        shape=(SIDE, SIDE, 3), dtype=np.uint8, encoding=tfds.features.Encoding.BYTES
                    ),
                    "label": tfds.features.ClassLabel(
                        names=list(map(combinations.name_of, range(COMBINATIONS)))
                    ),
                }
            ),
            supervised_keys=("image", "label"),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        return {name: self._generate_examples(name, split) for name, split in SPLITS.items()}

    def _generate_examples(self, name: str, split: Split) -> Iterator[tuple[int, dict]]:
        mnist, n = self.load("mnist", split.digits), split.examples
        title = f"colouring MNIST {name}"
        with tqdm(total=n, desc=title, unit=" examples", delay=2, leave=False, disable=None) as bar:
            for start in range(0, n, _CHUNK):
                index = np.arange(start, min(start + _CHUNK, n))
                images, labels = coloured(mnist.examples, mnist.labels, index, split)
                for i, image, label in zip(index.tolist(), images, labels.tolist(), strict=True):
                    yield i, {"image": image, "label": label}
                bar.update(len(index))


def coloured(
    images: np.ndarray, labels: np.ndarray, index: np.ndarray, split: Split
) -> tuple[np.ndarray, np.ndarray]:
    """The examples with numbers ``index`` ``[m]``: images ``[m, 32, 32, 3]`` uint8 and combinations
    ``[m]``, from digits ``[n, h, w, 1]`` uint8, white on black, and their labels ``[n]`` in 0..9.
    """
    every = np.arange(COMBINATIONS)
    used = every[combinations.held_out(every) == split.held_out]
    shown = used[chosen(index, len(used), split.seed, 0)]
    digit, colour, size, place, ground = combinations.values_of(shown).T
    picked = np.empty(len(index), np.int64)
    for value in np.unique(digit):
        own, at = np.flatnonzero(labels == value), digit == value
        picked[at] = own[chosen(index[at], len(own), split.seed, 1)]
    edges = [_edges(index, size, place, split.seed, axis) for axis in (0, 1)]
    masks = [
        mask(images[i, ..., 0], BOXES[s], top, left)
        for i, s, top, left in zip(picked, size, *edges, strict=True)
    ]
    share = np.stack(masks)[..., None]
    back, front = (c[:, None, None].astype(np.float32) for c in (GROUNDS[ground], COLOURS[colour]))
    return np.rint(back + share * (front - back)).astype(np.uint8), shown


def _edges(
    index: np.ndarray, size: np.ndarray, place: np.ndarray, seed: int, axis: int
) -> np.ndarray:
    """The first row or column of each digit's square ``[m]``."""
    drawn = chosen(index, math.lcm(*DISTANCES), seed, 2 + axis).astype(np.int64)
    distance = NEAREST + drawn % np.array(DISTANCES)[size]
    far = place // 2 if axis == 0 else place % 2
    return np.where(far, SIDE - np.array(BOXES)[size] - distance, distance)


def mask(digit: np.ndarray, box: int, top: int, left: int) -> np.ndarray:
    """How much of each pixel belongs to the digit, ``[32, 32]`` float32 in [0, 1].

    The digit ``[h, w]`` uint8 is cropped, resized with its proportions until its longer side is
    ``box``, and centred in a square of this side. Its strongest pixel becomes 1, so that thin
    strokes keep their colour.
    """
    rows, columns = (np.flatnonzero((digit >= INK).any(axis)) for axis in (1, 0))
    crop = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = box / max(crop.shape)
    h, w = (max(1, round(side * scale)) for side in crop.shape)
    small = np.asarray(Image.fromarray(crop).resize((w, h), Image.Resampling.BICUBIC), np.float32)
    whole = np.zeros((SIDE, SIDE), np.float32)
    top, left = top + (box - h) // 2, left + (box - w) // 2
    whole[top : top + h, left : left + w] = small / small.max()
    return whole
