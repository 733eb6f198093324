"""The conditions of samples: class labels, or what is made from held-out examples."""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.config import Config
from gan_jax.data import describe, load
from gan_jax.data.splits import held_out_split
from gan_jax.engine.gan import Gan, frozen_variables, prepared
from gan_jax.metrics.streaming import stream
from gan_jax.modality import DOMAINS, labels_in_turn
from gan_jax.types import Batch, PyTree

BLOCK = 500
"""Examples from which conditions are made at once."""


class Conditions(NamedTuple):
    """The conditions of ``n`` samples.

    ``y``: ``[n, ...]``, as G takes them. ``labels``: ``[n]`` int32, the classes; None if they are
    unknown. ``real``: ``[n, ...]``, the stored examples from which the conditions were made; None
    for class labels.
    """

    y: PyTree
    labels: np.ndarray | None
    real: np.ndarray | None = None


def num_classes_of(gan: Gan, config: Config) -> int:
    """Number of classes of the samples, of which each has as many; 0 if they have none."""
    if gan.condition is None:
        return gan.num_classes
    return describe(config.dataset).num_classes


def conditions(gan: Gan, config: Config, labels: np.ndarray) -> Conditions:
    """The conditions of samples of given classes.

    Args:
      gan: the GAN. If its conditions are made from examples, they are made from examples of these
        classes of a held-out split, or of the training split if there is none. If ``gan.prepare``
        has a method ``draw(labels, key) -> y``, it makes them.
      config: names the dataset.
      labels: ``[n]`` int32; ignored if there are no classes.
    """
    labels = np.asarray(labels, np.int32)
    if gan.condition is None:
        return Conditions(labels, labels if gan.num_classes else None)
    if (draw := getattr(gan.prepare, "draw", None)) is not None:
        return Conditions(jax.device_get(draw(jnp.asarray(labels), jax.random.key(0))), labels)
    if config.unpaired is not None:
        sides = config, dataclasses.replace(config, dataset=config.unpaired)
        found = [of_classes(own, labels) for own in sides]
        x, y = (dict(zip(DOMAINS, own, strict=True)) for own in zip(*found, strict=True))
        return Conditions(of_examples(gan, x, y), None)
    real, known = of_classes(config, labels)
    y = of_examples(gan, real, known)
    return Conditions(y, known if known.min() >= 0 else None, real)


def of_classes(config: Config, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stored examples ``[n, ...]`` of the classes ``[n]``, of any if the dataset has none, and
    their labels: of a held-out split, or of the training split if there is none.
    """
    data = load(config.dataset, held_out_split(config, False) or config.split, config.framing)
    if data.labels.max() >= 0:
        chosen = _of_classes(data.labels, labels)
    else:
        chosen = np.arange(len(labels)) % len(data.labels)
    return data.examples[chosen], data.labels[chosen]


def in_turn(gan: Gan, config: Config, n: int) -> Conditions:
    """`conditions` of ``n`` samples, whose classes alternate."""
    return conditions(gan, config, labels_in_turn(n, num_classes_of(gan, config)))


def of_examples(gan: Gan, examples: PyTree, labels: PyTree) -> PyTree:
    """The conditions ``[n, ...]`` made from stored examples ``[n, ...]`` and labels ``[n]``."""
    made = functools.partial(_made, gan, frozen_variables(gan))
    n = len(jax.tree.leaves(labels)[0])
    return stream(made, examples, labels, block=min(BLOCK, n))


def as_seen(gan: Gan, examples: np.ndarray, labels: np.ndarray) -> PyTree:
    """Stored examples ``[n, ...]`` as the networks of the GAN see them."""
    made = functools.partial(_seen, gan, frozen_variables(gan))
    return stream(made, examples, labels, block=min(BLOCK, len(labels)))


@functools.partial(jax.jit, static_argnames="gan")
def _made(gan: Gan, frozen: dict[str, PyTree], examples: PyTree, labels: PyTree) -> PyTree:
    return _prepared(gan, frozen, examples, labels).y


@functools.partial(jax.jit, static_argnames="gan")
def _seen(gan: Gan, frozen: dict[str, PyTree], examples: PyTree, labels: PyTree) -> PyTree:
    return _prepared(gan, frozen, examples, labels).x


def _prepared(gan: Gan, frozen: dict[str, PyTree], examples: PyTree, labels: PyTree) -> Batch:
    return prepared(gan, frozen, Batch(examples, labels), jax.random.key(0))


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
