"""The generator whose latent space is looked at: its samples, and images to invert."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import pictures
from gan_jax.config import Config
from gan_jax.data import describe, load, some
from gan_jax.data.splits import held_out_split
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError
from gan_jax.latents import to_images, to_points
from gan_jax.latents.spaces import W, Z, conditions_at
from gan_jax.metrics.streaming import stream
from gan_jax.recognizers import FeatureNetwork
from gan_jax.sampling.conditions import as_seen, in_turn, num_classes_of
from gan_jax.sampling.draw import SAMPLE_BLOCK
from gan_jax.types import Array, Batch, GanState, PyTree

POINTS = 4_000
"""Random points from which directions, attributes, centres and starts are taken."""


class Picture(NamedTuple):
    """``pixels``: ``[H, W, c]`` uint8."""

    pixels: np.ndarray
    title: str
    caption: str


class Found(NamedTuple):
    """``pictures`` by name, and ``values`` for JSON."""

    pictures: dict[str, Picture]
    values: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A generator, its ``spaces``, and how it is examined; the other fields are those of
    `gan_jax.evaluation.latents.explore`.
    """

    gan: Gan
    state: GanState
    config: Config
    spaces: tuple[str, ...]
    make_network: Callable[[], FeatureNetwork]
    seed: int
    truncation: float | None
    images: str | None
    num_images: int

    @property
    def space(self) -> str:
        """The space of directions and attributes: w where there is one."""
        return W if W in self.spaces else Z

    @functools.cached_property
    def network(self) -> FeatureNetwork:
        return self.make_network()

    def latents(self, n: int, stream: int = 0) -> Array:
        """Latents ``[n, size]``."""
        key = jax.random.fold_in(jax.random.key(self.seed), stream)
        return self.gan.prior.draw(key, n, self.truncation)

    def conditions(self, n: int) -> PyTree:
        """Labels ``[n]`` or other conditions ``[n, ...]``, whose classes alternate."""
        return in_turn(self.gan, self.config, n, self.seed).y

    def points(self, z: Array, y: PyTree, space: str) -> np.ndarray:
        """`to_points`, in blocks."""
        of = lambda z, y: to_points(self.gan, self.state, z, y, space)
        return stream(of, jax.device_get(z), y, block=min(SAMPLE_BLOCK, len(z)))

    def stored(self, points: Array | np.ndarray, y: PyTree, space: str) -> np.ndarray:
        """Images uint8 of points, in blocks."""
        of = lambda p, y: self.gan.modality.to_stored(to_images(self.gan, self.state, p, y, space))
        return stream(of, jax.device_get(points), y, block=min(SAMPLE_BLOCK, len(points)))

    def of_paths(self, paths: Array, y: PyTree, space: str) -> np.ndarray:
        """Images of paths ``[n, steps, ...]`` with conditions ``[n, ...]``, one row each: a grid of
        ``steps`` columns.
        """
        n, steps = paths.shape[:2]
        points = jnp.reshape(paths, (n * steps, *paths.shape[2:]))
        each = conditions_at(y, np.repeat(np.arange(n), steps))
        return pictures.grid(self.stored(points, each, space), steps)

    @functools.cached_property
    def population(self) -> tuple[np.ndarray, PyTree, np.ndarray]:
        """`POINTS` latents with their conditions, and their images uint8."""
        z, y = self.latents(POINTS, 1), self.conditions(POINTS)
        return np.asarray(z), y, self.stored(z, y, Z)

    @functools.cached_property
    def seen(self) -> np.ndarray:
        """The classes of the population's images, as the classifier sees them."""
        return self.network.features(self.population[2])[1].argmax(axis=1)

    @functools.cached_property
    def class_names(self) -> tuple[str, ...]:
        about = describe(self.config.dataset)
        return about.class_names or tuple(map(str, range(about.num_classes)))


def given_images(subject: Subject, n: int) -> Batch:
    """Up to ``n`` given or held-out images ``[n, h, w, c]`` uint8, evenly spaced, with labels."""
    config = subject.config
    if subject.images is None:
        split = held_out_split(config, labelled=False)
        if split is None:
            raise ConfigError(
                f"latents: {config.dataset!r} has no held-out split; choose images with --images."
            )
        data = load(config.dataset, split, config.framing)
    else:
        data = load(subject.images, "train", config.framing)
    chosen = some(np.arange(len(data.labels)), min(n, len(data.labels)))
    images = np.asarray(data.examples[chosen])
    if images.shape[1:] != subject.gan.modality.shape:
        raise ConfigError(
            f"images: those of {subject.images!r} have the shape {list(images.shape[1:])}, but the "
            f"GAN makes {list(subject.gan.modality.shape)}."
        )
    return Batch(images, data.labels[chosen])


def conditions_of(subject: Subject, batch: Batch) -> tuple[PyTree, np.ndarray, np.ndarray]:
    """The conditions with which given images are inverted, from the images themselves or, if they
    are class labels, from the classifier; and groups, of these images ``[n]`` and of the population
    ``[m]``, such that an image starts at samples of its group: the classes.
    """
    gan, images = subject.gan, batch.x
    of_population = np.zeros(POINTS, np.int32)
    one_group = np.zeros(len(images), np.int32)
    if gan.condition is not None:
        if batch.y.min() < 0 and num_classes_of(gan, subject.config):
            raise ConfigError(
                f"images: those of {subject.images!r} have no labels, from which conditions may be "
                "made; choose images with labels."
            )
        return as_seen(gan, batch, subject.seed).y, one_group, of_population
    if not gan.num_classes:
        return one_group, one_group, of_population
    seen = subject.network.features(images)[1].argmax(axis=1).astype(np.int32)
    return seen, seen, subject.population[1]
