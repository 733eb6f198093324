"""Endless training batches on the host; each depends only on the seed and its number."""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np

from gan_jax.config import Config
from gan_jax.data.labelled import training_streams
from gan_jax.data.order import words
from gan_jax.data.streams import Join, SideBySide, Stream, check_streams, concatenated, drawn, taken
from gan_jax.errors import ConfigError, at_least
from gan_jax.types import Batch

_THREADS = 4
_TOGETHER = 1 << 14  # positions per shuffle, as each numpy call has a fixed cost


def batches(
    config: Config,
    start: int = 0,
    rows: np.ndarray | None = None,
    ahead: int = 0,
    minibatches: int | None = None,
) -> Iterator[Batch]:
    """Batches ``start``, ``start + 1``, ... of the training set, without end.

    Batch ``i`` depends only on ``config.seed`` and ``i``. Every epoch contains each example exactly
    once; a batch may end one epoch and begin the next. If only a few examples are labelled,
    ``config.labelled_batch`` of them come first in every minibatch, with their own order and
    epochs. The others are drawn from the whole set and have the label -1.

    Args:
      config: the experiment.
      start: number of the first batch.
      rows: the rows of each minibatch to read, ascending integers in [0, b); by default all.
      ahead: number of batches that threads prepare in advance, in the same order.
      minibatches: minibatches per batch; by default ``config.minibatches``.

    Returns:
      Iterator of `Batch` of numpy arrays: ``x`` ``[minibatches, b, h, w, c]`` uint8 in [0, 255] or
      ``[minibatches, b, d]`` float32, ``y`` ``[minibatches, b]`` int32.

    Raises:
      ConfigError: immediately, if a field or the data set is invalid.
    """
    at_least("d_steps", config.d_steps, 1)
    streams, join = training_streams(config)
    minibatches = config.minibatches if minibatches is None else minibatches
    own = None if rows is None else _by_stream(rows, streams, join)
    return batches_of(streams, config.seed, minibatches, join, start=start, rows=own, ahead=ahead)


def batches_of(
    streams: Sequence[Stream],
    seed: int,
    minibatches: int = 1,
    join: Join = concatenated,
    *,
    start: int = 0,
    rows: Sequence[np.ndarray] | None = None,
    ahead: int = 0,
) -> Iterator[Batch]:
    """As `batches`, from your own streams, in memory or memory-mapped.

    Args:
      streams: the draws of each minibatch.
      seed: determines the order of each stream, together with its salt.
      minibatches: minibatches per batch.
      join: combines the draws into one batch.
      start, ahead: as for `batches`.
      rows: for each stream, which of its ``count`` examples of a minibatch are read, integers in
        [0, count); by default all.

    Returns:
      Iterator of what ``join`` returns for numpy arrays ``[minibatches, count, ...]``.

    Raises:
      ConfigError: immediately, for streams that cannot be drawn from.
    """
    at_least("start", start, 0)
    check_streams(streams, minibatches)
    read = _reader(jax.tree.map(np.asarray, tuple(streams)), words(seed), minibatches, join, rows)
    if not ahead:
        return map(read, itertools.count(start))
    import grain  # slow to import, and not needed for sets that fit on the device

    numbers = grain.MapDataset.range(start, sys.maxsize)
    return iter(
        numbers.map(read).to_iter_dataset(
            grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=ahead)
        )
    )


def _reader(
    streams: tuple[Stream, ...],
    seed: np.ndarray,
    minibatches: int,
    join: Join,
    rows: Sequence[np.ndarray] | None,
) -> Callable[[int], Batch]:
    """A thread-safe function that returns a batch by its number."""
    block = max(1, _TOGETHER // (minibatches * sum(stream.count for stream in streams)))
    rows = [slice(None)] * len(streams) if rows is None else rows

    @functools.lru_cache(maxsize=2)
    def order(number: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Places and mirroring of a block of batches for each stream, ``[block, minibatches,
        len(rows)]``.
        """
        return [
            tuple(
                a.reshape(block, minibatches, stream.count)[..., own]
                for a in drawn(stream, seed, number, block * minibatches)
            )
            for stream, own in zip(streams, rows, strict=True)
        ]

    def read(number: int) -> Batch:
        i, found = number % block, order(number // block)
        return join(
            tuple(taken(s, *(a[i] for a in f)) for s, f in zip(streams, found, strict=True))
        )

    return read


def _by_stream(rows: np.ndarray, streams: Sequence[Stream], join: Join) -> list[np.ndarray]:
    """The rows of a minibatch that each stream has: all of them side by side, else its own."""
    if np.any(np.diff(rows) <= 0):
        raise ConfigError(f"rows must be strictly ascending, not {rows}.")
    if isinstance(join, SideBySide):
        return [rows] * len(streams)
    ends = np.cumsum([stream.count for stream in streams])
    begins = [0, *ends[:-1]]
    return [
        rows[(begin <= rows) & (rows < end)] - begin
        for begin, end in zip(begins, ends, strict=True)
    ]
