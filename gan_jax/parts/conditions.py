"""The conditions of the fakes of an update: functions ``(key, y) -> y`` of the real conditions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.types import Array, PyTree


def of_batch(key: Array, y: PyTree) -> PyTree:
    """The conditions of the real examples at the same positions."""
    return y


@dataclasses.dataclass(frozen=True)
class Uniform:
    """Class labels ``[b]`` int32, all equally likely, as BigGAN draws them (Brock et al. 2019)."""

    num_classes: int

    def __call__(self, key: Array, y: Array) -> Array:
        return batch_axis.draw(jax.random.randint, key, y.shape, 0, self.num_classes)


@dataclasses.dataclass(frozen=True)
class Frequencies:
    """Class labels ``[b]`` int32 with the frequencies of the data set: ``counts`` per class.

    As in StyleGAN2, which draws new labels from the data set for each update (Karras et al. 2020).
    """

    counts: tuple[int, ...]

    def __call__(self, key: Array, y: Array) -> Array:
        upper = jnp.cumsum(jnp.array(self.counts, jnp.float32)) / sum(self.counts)
        place = batch_axis.draw(jax.random.uniform, key, y.shape)
        return jnp.minimum(jnp.searchsorted(upper, place, side="right"), len(self.counts) - 1)


CONDITIONS: dict[str, Callable[[int, Callable[[], tuple[int, ...]]], Callable]] = {
    "batch": lambda num_classes, counts: of_batch,
    "uniform": lambda num_classes, counts: Uniform(num_classes),
    "dataset": lambda num_classes, counts: Frequencies(counts()),
}
"""``make(num_classes, counts)`` by name; ``counts()`` returns the number of examples per class."""
