"""Endless training batches, each a function of the seed and its number alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from gan_jax.config import Config, ConfigError
from gan_jax.data.dataset import Dataset, check_flip, load
from gan_jax.data.order import mirrored, shuffled
from gan_jax.types import Batch

_AHEAD = 1 << 14  # positions shuffled at once: one numpy call a round has a fixed price


def batches(config: Config, start: int = 0, rows: np.ndarray | None = None) -> Iterator[Batch]:
    """Batches ``start``, ``start + 1``, ... of the training set, without end.

    Batch ``i`` depends on ``config.seed`` and ``i`` alone. Every epoch holds each example exactly once; a batch may end
    one epoch and begin the next.

    Args:
      config: the experiment.
      start: number of the first batch.
      rows: of each minibatch only these, integers in [0, b); by default all. Nothing else is read.

    Returns:
      Iterator of `Batch` of numpy arrays: ``x`` ``[d_steps, b, h, w, c]`` uint8 in [0, 255] or ``[d_steps, b, d]``
      float32, ``y`` ``[d_steps, b]`` int32.

    Raises:
      ConfigError: at once, where a field or the data set is at fault.
    """
    for field in ("batch_size", "d_steps"):
        if getattr(config, field) < 1:
            raise ConfigError(f"{field}: {getattr(config, field)} is not a positive number.")
    if start < 0:
        raise ConfigError(f"start: {start} is not the number of a batch, which begin at 0.")
    dataset = load(config.dataset, config.split, config.size)
    check_flip(dataset.examples.shape[1:], config.flip)
    rows = slice(None) if rows is None else rows
    return _gather(dataset, config.seed, (config.d_steps, config.batch_size), config.flip, start, rows)


def _gather(
    dataset: Dataset, seed: int, lead: tuple[int, int], flip: bool, start: int, rows: np.ndarray | slice
) -> Iterator[Batch]:
    examples, labels = np.asarray(dataset.examples), dataset.labels
    n, size = len(labels), lead[0] * lead[1]
    block = max(1, _AHEAD // size)
    while True:
        epoch, offset = divmod(start * size, n)  # Python integers: no overflow however long the run
        position = offset + np.arange(block * size)
        place, epochs = position % n, epoch + position // n
        order = shuffled(place, n, seed, epochs).reshape(block, *lead)[..., rows]
        mirror = mirrored(place, seed, epochs).reshape(block, *lead)[..., rows] if flip else itertools.repeat(None)
        for index, flips in zip(order, mirror, strict=False):
            x = examples[index]
            if flip:
                x[flips] = x[flips][..., ::-1, :]
            yield Batch(x, labels[index])
        start += block
