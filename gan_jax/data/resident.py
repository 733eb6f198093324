"""A training set that lies on the device, from which a compiled loop gathers the very batches of
`batches`.
"""

from __future__ import annotations

from collections.abc import Sequence

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Sharding

from gan_jax.config import Config
from gan_jax.data.labelled import training_streams
from gan_jax.data.order import words
from gan_jax.data.streams import Join, Stream, check_streams, concatenated, drawn, taken
from gan_jax.errors import ConfigError
from gan_jax.types import Array, Batch, PyTree


@flax.struct.dataclass
class Resident:
    """The draws of each minibatch, on the device.

    Attributes:
      streams: in the order in which ``join`` takes them.
      seed: ``[2]`` uint32; of a population ``[K, 2]``, one for each member.
      minibatches: length of the leading axis of a batch; static.
      join: makes one batch of the draws; static.
      split: the sharding of a gathered batch ``[minibatches, b, ...]``, where several devices share
        it; static.
    """

    streams: tuple[Stream, ...]
    seed: Array
    minibatches: int = flax.struct.field(pytree_node=False, default=1)
    join: Join = flax.struct.field(pytree_node=False, default=concatenated)
    split: Sharding | None = flax.struct.field(pytree_node=False, default=None)


def resident(
    config: Config,
    placement: Sharding | None = None,
    split: Sharding | None = None,
    minibatches: int | None = None,
) -> Resident:
    """The training set of a config, whole, as stored, on the device (on all of them, if
    ``placement`` replicates).

    Args:
      config: the experiment.
      placement, split: as for `resident_of`.
      minibatches: of a batch; by default ``config.minibatches``.

    Raises:
      ConfigError: as `load`, and for a training of more than 2^32 examples, which the order of the
        examples cannot number.
    """
    minibatches = config.minibatches if minibatches is None else minibatches
    seen = config.steps * minibatches * config.batch_size
    if seen > 2**32:
        raise ConfigError(
            f"steps: {config.steps} steps see {seen} examples; accepted: at most 2^32 in all."
        )
    streams = training_streams(config)
    return resident_of(streams, config.seed, minibatches, placement=placement, split=split)


def resident_of(
    streams: Sequence[Stream],
    seed: int,
    minibatches: int = 1,
    join: Join = concatenated,
    *,
    placement: Sharding | None = None,
    split: Sharding | None = None,
) -> Resident:
    """Streams of one's own on the device; an array that several of them share lies there once.

    Args:
      streams: the draws of each minibatch, of numpy arrays or of arrays on the device.
      seed: determines the order of each stream, together with its salt.
      minibatches: of a batch, one for each step of the discriminator.
      join: makes one batch of the draws.
      placement: where the arrays lie; of several processes, each has the whole arrays.
      split: the sharding of a batch.

    Raises:
      ConfigError: for streams that cannot be drawn from.
    """
    check_streams(streams, minibatches)
    data = Resident(tuple(streams), words(seed), minibatches, join, split)
    return _on_device(data, placement)


def from_arrays(
    images: PyTree,
    labels: Array,
    seed: int,
    *,
    batch_size: int,
    d_steps: int = 1,
    flip: bool = False,
) -> Resident:
    """A training set of one's own, for instance some of the images of a data set, as `train_steps`
    takes it.

    Args:
      images, labels: ``[n, h, w, c]`` uint8, ``[n]`` integers.
      seed: determines the order.
      batch_size, d_steps, flip: as in `Config`.
    """
    stream = Stream(images, np.asarray(labels, np.int32), batch_size, flip=flip)
    return resident_of((stream,), seed, d_steps)


def batch_at(data: Resident, step: Array) -> Batch:
    """Batch number ``step`` ``()`` int32, equal bit for bit to the one of `batches`, or of
    `batches_of`.

    Returns:
      What ``data.join`` makes of the draws of the streams, each ``[minibatches, count, ...]``.
    """
    parts = [
        taken(stream, *drawn(stream, data.seed, step, data.minibatches, jnp), jnp)
        for stream in data.streams
    ]
    batch = data.join(tuple(parts))
    return batch if data.split is None else jax.lax.with_sharding_constraint(batch, data.split)


def _on_device(tree: PyTree, placement: Sharding | None) -> PyTree:
    put: dict[int, Array] = {}

    def once(a: Array) -> Array:
        if id(a) not in put:
            put[id(a)] = (
                jax.device_put(a)
                if placement is None
                else jax.make_array_from_process_local_data(placement, np.asarray(a), a.shape)
            )
        return put[id(a)]

    return jax.tree.map(once, tree)
