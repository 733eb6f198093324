"""Endless training batches, each a function of the seed and its number alone."""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Callable, Iterator

import numpy as np

from gan_jax.config import Config
from gan_jax.data.dataset import check_flip, load
from gan_jax.data.labelled import labelled
from gan_jax.data.order import mirrored, shuffled
from gan_jax.errors import ConfigError
from gan_jax.types import Batch

_THREADS = 4
_TOGETHER = 1 << 14  # positions shuffled at once: one numpy call a round has a fixed price


def batches(
    config: Config, start: int = 0, rows: np.ndarray | None = None, ahead: int = 0
) -> Iterator[Batch]:
    """Batches ``start``, ``start + 1``, ... of the training set, without end.

    Batch ``i`` depends on ``config.seed`` and ``i`` alone. Every epoch holds each example exactly
    once; a batch may end one epoch and begin the next. Of few labelled examples,
    ``config.labelled_batch`` stand first in every minibatch, in an order of their own with epochs
    of their own, and those that follow, in that of the whole set, have the label -1.

    Args:
      config: the experiment.
      start: number of the first batch.
      rows: of each minibatch only these, integers in [0, b); by default all. Nothing else is read.
      ahead: so many batches are prepared beforehand by threads, in the same order.

    Returns:
      Iterator of `Batch` of numpy arrays: ``x`` ``[d_steps, b, h, w, c]`` uint8 in [0, 255] or
      ``[d_steps, b, d]`` float32, ``y`` ``[d_steps, b]`` int32.

    Raises:
      ConfigError: at once, where a field or the data set is at fault.
    """
    if start < 0:
        raise ConfigError(f"start: {start} is not the number of a batch, which begin at 0.")
    read = _reader(config, rows)
    if not ahead:
        return map(read, itertools.count(start))
    import grain  # takes longer to import than most sets need, which fit on the device

    numbers = grain.MapDataset.range(start, sys.maxsize)
    return iter(
        numbers.map(read).to_iter_dataset(
            grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=ahead)
        )
    )


def _reader(config: Config, rows: np.ndarray | None = None) -> Callable[[int], Batch]:
    """A function from the number of a batch to the batch, for any thread; refuses as `batches`."""
    for field in ("batch_size", "d_steps"):
        if getattr(config, field) < 1:
            raise ConfigError(f"{field}: {getattr(config, field)} is not a positive number.")
    dataset = load(config.dataset, config.split, config.size)
    check_flip(dataset.examples.shape[1:], config.flip)
    examples, labels = np.asarray(dataset.examples), dataset.labels
    few = labelled(dataset, config)
    block = max(1, _TOGETHER // (config.d_steps * config.batch_size))
    rows = slice(None) if rows is None else rows

    def drawn(number: int, count: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Places in ``range(n)`` and mirroring of ``count`` examples of each minibatch of a block,
        ``[block, d_steps, count]``.
        """
        size = block * config.d_steps * count
        epoch, offset = divmod(
            number * size, n
        )  # Python integers: no overflow however long the run
        position = offset + np.arange(size)
        place, epochs = position % n, epoch + position // n
        choice = shuffled(place, n, config.seed, epochs), mirrored(place, config.seed, epochs)
        return tuple(a.reshape(block, config.d_steps, count) for a in choice)

    @functools.lru_cache(maxsize=2)
    def order(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Examples, mirroring and labels of a block of batches, ``[block, d_steps, len(rows)]``."""
        index, mirror = drawn(number, config.batch_size - config.labelled_batch, len(labels))
        y = labels[index]
        if few is not None:
            place, few_mirror = drawn(number, config.labelled_batch, len(few))
            parts = (
                (few[place], index),
                (few_mirror, mirror),
                (labels[few[place]], np.full_like(y, -1)),
            )
            index, mirror, y = (np.concatenate(part, axis=2) for part in parts)
        return tuple(a[..., rows] for a in (index, mirror, y))

    def read(number: int) -> Batch:
        index, mirror, y = (a[number % block] for a in order(number // block))
        x = examples[index]
        if config.flip:
            x[mirror] = x[mirror][..., ::-1, :]
        return Batch(x, y)

    return read
