"""The parts of a minibatch: several draws, each with its own set, count and order.

The same functions serve numpy on the host (`gan_jax.data.batching`) and jax.numpy on the device
(`gan_jax.data.resident`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from types import ModuleType

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.data.order import counted, mirrored, salted, shuffled
from gan_jax.errors import ConfigError, at_least
from gan_jax.modality import is_image
from gan_jax.types import Array, Batch, PyTree


@flax.struct.dataclass
class Stream:
    """A set of examples in an endless random order; each minibatch takes the next ones.

    Every epoch contains each example once; a minibatch may end one epoch and begin the next.

    Attributes:
      x: the examples as stored: a pytree of arrays ``[n, ...]``.
      y: their conditions: a pytree of arrays ``[n, ...]``.
      count: examples per minibatch; static.
      places: ``[m]`` int32 in [0, n): only these examples are drawn; None: all.
      flip: images are mirrored at random; all images of one example or none; static.
      labelled: False replaces every number of ``y`` by -1; static.
      salt: integer in [0, 2^32). Streams of equal length have the same order if they have the same
        salt, otherwise independent orders; static.
    """

    x: PyTree
    y: PyTree
    count: int = flax.struct.field(pytree_node=False)
    places: Array | None = None
    flip: bool = flax.struct.field(pytree_node=False, default=False)
    labelled: bool = flax.struct.field(pytree_node=False, default=True)
    salt: int = flax.struct.field(pytree_node=False, default=0)

    @property
    def epoch(self) -> int:
        """Examples per epoch."""
        return len(jax.tree.leaves((self.x, self.y))[0] if self.places is None else self.places)


Join = Callable[[tuple[Batch, ...]], Batch]
"""Combines the draws ``[minibatches, count, ...]`` of several streams into one batch. Equal joins
must compare equal and have equal hashes, as they are static arguments of compiled functions.
"""


def concatenated(parts: tuple[Batch, ...]) -> Batch:
    """The examples of all streams, concatenated in the order of the streams.

    Raises:
      ConfigError: for examples of different structures, shapes or dtypes.
    """
    if len(parts) == 1:
        return parts[0]
    leaves, structures = zip(*(jax.tree.flatten(part) for part in parts), strict=True)
    kinds = [[(a.shape[2:], a.dtype) for a in own] for own in leaves]
    for i in range(1, len(parts)):
        if structures[i] != structures[0] or kinds[i] != kinds[0]:
            raise ConfigError(
                f"streams[{i}] has examples of {_kind(parts[i])}, which cannot be concatenated "
                f"with examples of {_kind(parts[0])}; use equal structures, shapes and dtypes, or "
                "a join such as SideBySide."
            )
    xp = np if isinstance(leaves[0][0], np.ndarray) else jnp
    joined = [xp.concatenate(own, axis=1) for own in zip(*leaves, strict=True)]
    return jax.tree.unflatten(structures[0], joined)


@dataclasses.dataclass(frozen=True)
class SideBySide:
    """A join for unpaired sets: ``x`` and ``y`` are dicts with one entry per stream.

    ``names``: the names of the streams, in their order.
    """

    names: tuple[str, ...]

    def __call__(self, parts: tuple[Batch, ...]) -> Batch:
        under_names = lambda values: dict(zip(self.names, values, strict=True))
        return Batch(under_names(part.x for part in parts), under_names(part.y for part in parts))


def check_streams(streams: Sequence[Stream], minibatches: int) -> None:
    """Refuses streams that cannot be drawn from.

    Raises:
      ConfigError: naming the stream and its field.
    """
    at_least("minibatches", minibatches, 1)
    at_least("len(streams)", len(streams), 1)
    for i, stream in enumerate(streams):
        name, leaves = f"streams[{i}]", jax.tree.leaves((stream.x, stream.y))
        lengths = sorted({len(a) for a in leaves})
        if len(lengths) != 1:
            raise ConfigError(
                f"{name} has arrays of {lengths} examples; the lengths must be equal."
            )
        at_least(f"{name}.count", stream.count, 1)
        at_least(f"{name}.epoch", stream.epoch, 1)
        if stream.flip and not any(is_image(a, 1) for a in leaves):
            raise ConfigError(f"{name}.flip must be False because the stream has no images.")
        if not 0 <= stream.salt < 2**32:
            raise ConfigError(f"{name}.salt must be between 0 and {2**32 - 1}, not {stream.salt}.")
        _check_places(name, stream.places, lengths[0])
        for a in jax.tree.leaves(stream.y) if not stream.labelled else ():
            if np.issubdtype(a.dtype, np.unsignedinteger) or a.dtype == bool:
                raise ConfigError(
                    f"{name}.labelled=False replaces labels by -1, which {a.dtype} cannot "
                    "represent; use signed integers or floats."
                )


def drawn(stream: Stream, seed: Array, number, minibatches: int, xp: ModuleType = np):
    """Which examples of a stream are in the minibatches of a batch.

    Args:
      stream: the stream from which examples are drawn.
      seed: ``[2]`` uint32, as `gan_jax.data.order.words` returns it.
      number: the number of the batch. With numpy, a Python int of any size; with jax.numpy, ``()``
        integers, and fewer than 2^32 draws in total.
      minibatches: minibatches per batch.
      xp: ``numpy`` or ``jax.numpy``.

    Returns:
      Places in the arrays of the stream, uint32, and whether to mirror, bool; each ``[minibatches,
      count]``.
    """
    size, n, seed = minibatches * stream.count, stream.epoch, salted(seed, stream.salt)
    position, epoch = counted(number, size, n, xp)
    place = shuffled(position, n, seed, epoch, xp)
    if stream.places is not None:
        place = xp.asarray(stream.places)[place].astype(xp.uint32)
    shape = minibatches, stream.count
    return place.reshape(shape), mirrored(position, seed, epoch, xp).reshape(shape)


def taken(stream: Stream, place: Array, mirror: Array, xp: ModuleType = np) -> Batch:
    """The examples at places ``[minibatches, count]``: each leaf ``[minibatches, count, ...]``."""
    gather = lambda a: xp.asarray(a)[place]
    blank = lambda a: xp.full(place.shape + a.shape[1:], -1, a.dtype)
    x = jax.tree.map(gather, stream.x)
    y = jax.tree.map(gather if stream.labelled else blank, stream.y)
    return mirror_images(Batch(x, y), mirror, xp) if stream.flip else Batch(x, y)


def _kind(part: Batch) -> Batch:
    """The dtype and shape of an example, for each leaf."""
    return jax.tree.map(lambda a: f"{a.dtype}{list(a.shape[2:])}", part)


def _check_places(name: str, places: Array | None, n: int) -> None:
    if places is None:
        return
    low, high = int(np.min(places)), int(np.max(places))
    if low < 0 or high >= n:
        raise ConfigError(f"{name}.places must be between 0 and {n - 1}, not {low} to {high}.")


def mirror_images(tree: PyTree, where: Array, xp: ModuleType = jnp) -> PyTree:
    """Mirrors images left to right and returns everything else unchanged.

    Args:
      tree: leaves ``[*batch, ...]``; those ``[*batch, h, w, c]`` are images.
      where: ``[*batch]`` bool, True for the examples to mirror.
      xp: the module of the leaves, ``numpy`` or ``jax.numpy``.
    """

    def mirrored(a: Array) -> Array:
        if xp is not np:
            return xp.where(where[..., None, None, None], a[..., ::-1, :], a)
        a = a.copy()  # several times faster than np.where
        a[where] = a[where][..., ::-1, :]
        return a

    return jax.tree.map(lambda a: mirrored(a) if is_image(a, where.ndim) else a, tree)
