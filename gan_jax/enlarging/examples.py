"""Labelled examples for classifiers: selected, held out, balanced, and real ones mixed with
generated ones.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_jax import pictures
from gan_jax.data import Dataset
from gan_jax.errors import ConfigError
from gan_jax.files import replacing
from gan_jax.modality import COLUMNS, Modality


class Labelled(NamedTuple):
    """``x`` ``[n, h, w, c]`` uint8, or sounds ``[n, length, 1]`` int16; ``y`` ``[n]`` int32."""

    x: np.ndarray
    y: np.ndarray

    def at(self, places: np.ndarray) -> Labelled:
        """The examples at places ``[m]``, integers or ``[n]`` bool."""
        return Labelled(self.x[places], self.y[places])

    def save(self, path: Path) -> None:
        """Writes a .npz file."""
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            np.savez_compressed(file, x=self.x, y=self.y)

    def show(self, path: Path, modality: Modality) -> None:
        """Writes a picture with one row of examples per class that has any, as PNG."""
        rows = [np.resize(np.flatnonzero(self.y == c), COLUMNS) for c in np.unique(self.y)]
        with replacing(path) as unfinished:
            pictures.save(unfinished, modality.picture(self.x[np.concatenate(rows)]))


def read(path: Path) -> Labelled:
    """The examples of a file that `Labelled.save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Labelled(arrays["x"], arrays["y"])


def labelled(data: Dataset) -> Labelled:
    """The examples of a split in memory."""
    return Labelled(np.asarray(data.examples), data.labels)


def joined(*parts: Labelled) -> Labelled:
    """The examples of all parts, in their order."""
    return Labelled(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


@dataclasses.dataclass(frozen=True)
class Counts:
    """The number of examples of each class, ``[k]``, within an exponential long tail (Cui et al.
    2019, "Class-balanced loss based on effective number of samples", section 5.1): from ``largest``
    down to ``smallest``.
    """

    largest: int
    smallest: int

    def of(self, k: int) -> np.ndarray:
        share = np.arange(k) / max(k - 1, 1)
        ratio = self.smallest / self.largest
        return np.rint(self.largest * ratio**share).astype(np.int64)


def effective_weights(counts: np.ndarray, beta: float = 0.999) -> tuple[float, ...]:
    """Weights of the loss of each class, with mean 1: the inverses of the effective numbers
    ``(1 - beta^n) / (1 - beta)`` of their ``n`` examples (Cui et al. 2019, equation 4).
    """
    inverse = 1 / (1 - beta ** np.asarray(counts, np.float64))
    return tuple((inverse / inverse.mean()).tolist())


def subset(labels: np.ndarray, per_class: int | np.ndarray | None, seed: int) -> np.ndarray:
    """Sorted indices of ``per_class`` random examples of each class, or of all examples for None.

    Args:
      labels: ``[n]``; every class must occur. Examples with the label -1 are not selected.
      per_class: a number for all classes, or one for each class that occurs, in their order.

    Raises:
      ConfigError: if a class has fewer.
    """
    if per_class is None:
        return np.flatnonzero(labels >= 0)
    rng = np.random.default_rng(seed)
    places, classes = [], np.unique(labels[labels >= 0])
    for label, wanted in zip(classes, np.broadcast_to(per_class, len(classes)), strict=True):
        of_class = np.flatnonzero(labels == label)
        if len(of_class) < wanted:
            raise ConfigError(
                f"labels: class {label} has only {len(of_class)} examples; use at most as many per "
                "class, or all."
            )
        places.append(rng.choice(of_class, wanted, replace=False))
    return np.sort(np.concatenate(places))


def held_out(labels: np.ndarray, share: float, most: int, seed: int) -> np.ndarray:
    """Whether each example belongs to a validation part, ``[n]`` bool: a random ``share`` of each
    class, at least one example and at most ``most``.
    """
    rng, chosen = np.random.default_rng(seed), np.zeros(len(labels), bool)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        count = min(max(1, round(share * len(of_class))), most)
        chosen[rng.choice(of_class, count, replace=False)] = True
    return chosen


def balanced(examples: Labelled, n: int, seed: int) -> Labelled:
    """``n`` examples in random order, of which each class that occurs has the same number, up to
    one: those of rare classes are repeated.
    """
    rng = np.random.default_rng(seed)
    classes = np.unique(examples.y)
    each = -(-n // len(classes))
    places = [
        np.resize(rng.permutation(np.flatnonzero(examples.y == label)), each) for label in classes
    ]
    return examples.at(rng.permutation(np.stack(places, axis=1).reshape(-1)[:n]))


def mixture(
    real: Labelled | None, generated: Labelled | None, n: int, real_share: float
) -> Labelled:
    """``n`` training examples, repeated cyclically from the given ones; if both kinds are given, a
    fraction ``real_share`` is real.

    The size is constant, so that all classifiers of a study share one compilation.
    """
    share = 1.0 if generated is None else 0.0 if real is None else real_share
    of_real = round(share * n)
    parts = [
        part.at(np.resize(np.arange(len(part.y)), count))
        for part, count in ((real, of_real), (generated, n - of_real))
        if part is not None and count
    ]
    return joined(*parts)


def size_of_mixture(real: int, generated: int, real_share: float) -> int:
    """The smallest mixture that contains every one of so many real and generated examples."""
    return max(math.ceil(real / real_share), math.ceil(generated / (1 - real_share)))
