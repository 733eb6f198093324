"""A training set that lies on the device, from which a compiled loop gathers the very batches of
`batches`.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Sharding

from gan_jax.config import Config
from gan_jax.data.dataset import check_flip, load
from gan_jax.data.labelled import labelled
from gan_jax.data.order import mirrored, shuffled, words
from gan_jax.errors import ConfigError
from gan_jax.types import Array, Batch


@flax.struct.dataclass
class Resident:
    """``examples`` ``[n, h, w, c]`` uint8 or ``[n, d]`` float32, ``labels`` ``[n]`` int32, ``seed``
    ``[2]`` uint32; the rest is static.

    ``split``: the sharding of a gathered batch ``[d_steps, b, ...]``, where several devices share
    it. ``few``: ``[m]`` int32, which examples are known to be labelled, of which each minibatch
    begins with ``labelled_batch``; None: all.
    """

    examples: Array
    labels: Array
    seed: Array
    d_steps: int = flax.struct.field(pytree_node=False)
    batch_size: int = flax.struct.field(pytree_node=False)
    flip: bool = flax.struct.field(pytree_node=False)
    split: Sharding | None = flax.struct.field(pytree_node=False, default=None)
    few: Array | None = None
    labelled_batch: int = flax.struct.field(pytree_node=False, default=0)


def resident(
    config: Config, placement: Sharding | None = None, split: Sharding | None = None
) -> Resident:
    """The training set of a config, whole, as stored, on the device (on all of them, if
    ``placement`` replicates).

    Raises:
      ConfigError: as `load`, and for a training of more than 2^32 examples, which the order of the
        examples cannot number.
    """
    seen = config.steps * config.d_steps * config.batch_size
    if seen > 2**32:
        raise ConfigError(
            f"steps: {config.steps} steps see {seen} examples; accepted: at most 2^32 in all."
        )
    dataset = load(config.dataset, config.split, config.size)
    check_flip(dataset.examples.shape[1:], config.flip)
    few = labelled(dataset, config)
    arrays = dataset.examples, dataset.labels, words(config.seed), few
    if placement is None:
        arrays = jax.device_put(arrays)
    else:  # of several processes, each has the whole set
        arrays = jax.tree.map(
            lambda a: jax.make_array_from_process_local_data(placement, a, a.shape), arrays
        )
    *arrays, few = arrays
    sizes = {
        name: getattr(config, name) for name in ("d_steps", "batch_size", "flip", "labelled_batch")
    }
    return Resident(*arrays, **sizes, split=split, few=few)


def from_arrays(
    images, labels, seed: int, *, batch_size: int, d_steps: int = 1, flip: bool = False
) -> Resident:
    """A training set of one's own, for instance some of the images of a data set, as `train_steps`
    takes it.

    Args:
      images, labels: ``[n, h, w, c]`` uint8, ``[n]`` integers.
      seed: determines the order.
      batch_size, d_steps, flip: as in `Config`.
    """
    arrays = jax.device_put((images, np.asarray(labels, np.int32), words(seed)))
    return Resident(*arrays, d_steps=d_steps, batch_size=batch_size, flip=flip)


def batch_at(data: Resident, step: Array) -> Batch:
    """Batch number ``step`` ``()`` int32, equal to what `batches` yields bit for bit: ``x`` uint8
    or float32, ``y`` int32.
    """
    index, mirror = _drawn(data, step, data.batch_size - data.labelled_batch, len(data.labels))
    y = data.labels[index]
    if data.few is not None:
        place, few_mirror = _drawn(data, step, data.labelled_batch, len(data.few))
        few = data.few[place].astype(jnp.uint32)
        parts = (few, index), (few_mirror, mirror), (data.labels[few], jnp.full_like(y, -1))
        index, mirror, y = (jnp.concatenate(part, axis=1) for part in parts)
    x = data.examples[index]
    if data.flip:
        x = jnp.where(mirror[..., None, None, None], x[..., ::-1, :], x)
    batch = Batch(x, y)
    return batch if data.split is None else jax.lax.with_sharding_constraint(batch, data.split)


def _drawn(data: Resident, step: Array, count: int, n: int) -> tuple[Array, Array]:
    """Places in ``range(n)`` and mirroring of ``count`` examples of each minibatch of a step,
    ``[d_steps, count]``.
    """
    size = data.d_steps * count
    number = step.astype(jnp.uint32) * jnp.uint32(size) + jnp.arange(
        size, dtype=jnp.uint32
    ).reshape(-1, count)
    epoch, position = number // jnp.uint32(n), number % jnp.uint32(n)
    return shuffled(position, n, data.seed, epoch, jnp), mirrored(position, data.seed, epoch, jnp)
