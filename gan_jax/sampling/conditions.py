"""The conditions of samples: class labels, or what is made from held-out examples."""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.config import Config
from gan_jax.data import describe
from gan_jax.data.labelled import training_streams
from gan_jax.data.splits import held_out_split
from gan_jax.data.streams import Join, Stream
from gan_jax.engine.gan import Gan, frozen_variables, prepared
from gan_jax.metrics.streaming import stream
from gan_jax.modality import labels_in_turn
from gan_jax.types import Array, Batch, PyTree

BLOCK = 500
"""Examples from which conditions are made at once."""


class Conditions(NamedTuple):
    """The conditions of ``n`` samples.

    ``y``: ``[n, ...]``, as G takes them. ``labels``: ``[n]`` int32, the classes; None if they are
    unknown. ``real``: ``[n, ...]``, the stored examples that have these conditions; None for
    class labels.
    """

    y: PyTree
    labels: np.ndarray | None
    real: np.ndarray | None = None


def num_classes_of(gan: Gan, config: Config) -> int:
    """Number of classes of the samples, of which each has as many; 0 if they have none."""
    if gan.condition is None:
        return gan.num_classes
    return describe(config.dataset).num_classes


def conditions(gan: Gan, config: Config, labels: np.ndarray, seed: int = 0) -> Conditions:
    """The conditions of samples of given classes.

    Args:
      gan: the GAN. If its conditions are made from examples, they are made from examples of these
        classes of a held-out split, or of the training split if there is none. If ``gan.prepare``
        has a method ``draw(labels, key) -> y``, it makes them.
      config: names the dataset.
      labels: ``[n]`` int32; ignored if there are no classes.
      seed: of what is random in conditions, such as a phrasing.
    """
    labels = np.asarray(labels, np.int32)
    if gan.condition is None:
        return Conditions(labels, labels if gan.num_classes else None)
    if (draw := getattr(gan.prepare, "draw", None)) is not None:
        return Conditions(jax.device_get(draw(jnp.asarray(labels), jax.random.key(seed))), labels)
    streams, join = held_out(config)
    batch = join(tuple(of_classes(stream, labels) for stream in streams))
    seen = as_seen(gan, batch, seed)
    known = isinstance(batch.y, np.ndarray) and batch.y.min() >= 0
    return Conditions(seen.y, batch.y if known else None, gan.modality.to_stored(seen.x))


def in_turn(gan: Gan, config: Config, n: int, seed: int = 0) -> Conditions:
    """`conditions` of ``n`` samples, whose classes alternate."""
    return conditions(gan, config, labels_in_turn(n, num_classes_of(gan, config)), seed)


def held_out(config: Config) -> tuple[tuple[Stream, ...], Join]:
    """`gan_jax.data.labelled.training_streams` of a held-out split, or of the training split if
    there is none.
    """
    split = held_out_split(config, False) or config.split
    return training_streams(dataclasses.replace(config, split=split))


def of_classes(stream: Stream, labels: np.ndarray) -> Batch:
    """Stored examples of the classes ``[n]``, of any if the stream has none, with their labels."""
    if stream.y.max() >= 0:
        chosen = _of_classes(stream.y, labels)
    else:
        chosen = np.arange(len(labels)) % len(stream.y)
    return jax.tree.map(lambda a: np.asarray(a)[chosen], Batch(stream.x, stream.y))


def as_seen(gan: Gan, batch: Batch, seed: int = 0) -> Batch:
    """Stored examples ``[n, ...]`` with labels ``[n]`` as the networks of the GAN see them, with
    their conditions.
    """
    made = functools.partial(_prepared, gan, frozen_variables(gan), jax.random.key(seed))
    return stream(made, batch, block=min(BLOCK, len(jax.tree.leaves(batch)[0])))


@functools.partial(jax.jit, static_argnames="gan")
def _prepared(gan: Gan, frozen: dict[str, PyTree], key: Array, batch: Batch) -> Batch:
    return prepared(gan, frozen, batch, key)


def _of_classes(known: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The places of examples with these labels: for each class one example after the other, from
    the first again if there are not enough. A class without examples takes the nearest one.
    """
    present = np.unique(known[known >= 0])
    nearest = present[np.abs(labels[:, None] - present).argmin(axis=1)]
    places = np.empty(len(labels), np.int64)
    for label in np.unique(nearest):
        wanted, own = np.flatnonzero(nearest == label), np.flatnonzero(known == label)
        places[wanted] = own[np.arange(len(wanted)) % len(own)]
    return places
