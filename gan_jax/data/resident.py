"""A training set on the device; a compiled loop gathers the same batches from it as `batches`."""

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
      seed: ``[2]`` uint32; for a population ``[K, 2]``, one for each member.
      minibatches: length of the leading axis of a batch; static.
      join: combines the draws into one batch; static.
      split: the sharding of a gathered batch ``[minibatches, b, ...]``, if several devices share
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
    """The whole training set of a config on the device, as stored (on every device, if
    ``placement`` replicates).

    Args:
      config: the experiment.
      placement, split: as for `resident_of`.
      minibatches: minibatches per batch; by default ``config.minibatches``.

    Raises:
      ConfigError: as `load`, and for a training of more than 2^32 examples, the limit of the
        counter that orders them.
    """
    minibatches = config.minibatches if minibatches is None else minibatches
    seen = config.steps * minibatches * config.batch_size
    if seen > 2**32:
        raise ConfigError(f"steps {config.steps} would read {seen:,} examples; the limit is 2^32.")
    streams, join = training_streams(config)
    return resident_of(streams, config.seed, minibatches, join, placement=placement, split=split)


def resident_of(
    streams: Sequence[Stream],
    seed: int,
    minibatches: int = 1,
    join: Join = concatenated,
    *,
    placement: Sharding | None = None,
    split: Sharding | None = None,
) -> Resident:
    """Your own streams on the device; an array that several of them share is stored there once.

    Args:
      streams: the draws of each minibatch, of numpy arrays or of arrays on the device.
      seed: determines the order of each stream, together with its salt.
      minibatches: minibatches per batch, one for each D step.
      join: combines the draws into one batch.
      placement: the sharding of the arrays; each of several processes has the whole arrays.
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
    """Your own training set, for instance some of the images of a data set, as `train_steps` takes
    it.

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
