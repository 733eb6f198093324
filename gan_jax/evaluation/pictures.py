"""The pictures of an evaluation: samples, interpolations, nearest training images."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np

from gan_jax import pictures
from gan_jax.config import Config
from gan_jax.data import load, some
from gan_jax.engine.gan import Gan
from gan_jax.engine.train_step import generate
from gan_jax.metrics import Sample, nearest_neighbours
from gan_jax.metrics.streaming import stream
from gan_jax.recognizers import FeatureNetwork, real_sample
from gan_jax.sampling.draw import latents
from gan_jax.types import Array, GanState

BLOCK = 500
"""Images generated at once."""
ROWS, COLUMNS, NEIGHBOURS = 10, 10, 6
"""Rows and columns of a grid, training images beside a sample."""


def draw(
    gan: Gan,
    state: GanState,
    config: Config,
    network: FeatureNetwork,
    images: np.ndarray,
    sample: Sample,
    key: Array,
    truncation: float | None = None,
) -> dict[str, np.ndarray]:
    """Pictures ``[H, W, c]`` uint8 by name, ``samples``, ``interpolation`` and ``neighbours``; of
    vectors the samples alone.

    Args:
      gan, state, config: what drew the images, and which data it learned from.
      network: that the images were looked at through.
      images: ``[n, h, w, c]`` uint8, as `generated` gives them, their classes in turn. ``sample``:
        what the network saw in them.
      key: of the interpolation's ends, drawn with the ``truncation``.
    """
    if len(gan.shape) == 1:
        real = some(load(config.dataset, config.split, config.size).examples, len(images))
        return {"samples": pictures.points(images, real)}
    return {
        "samples": _sample_grid(images, gan.num_classes),
        "interpolation": _interpolation(gan, state, key, truncation),
        "neighbours": _neighbour_grid(
            network, images, sample.features, config, gan.num_classes or ROWS
        ),
    }


def generated(gan: Gan, state: GanState, latents: Array, labels: np.ndarray) -> np.ndarray:
    """Images ``[n, h, w, c]`` as uint8: what a file would hold, and what the real images are;
    vectors as they are.
    """
    stored = pictures.to_uint8 if len(gan.shape) == 3 else np.asarray
    make = lambda z, y: stored(generate(gan, state, z, y))
    return stream(make, np.asarray(latents), labels, block=min(BLOCK, len(labels)))


def arc(a: Array, b: Array, steps: int) -> Array:
    """From latents ``a`` to ``b``, both ``[n, f]``, in ``[n, steps, f]``: ``cos(t) a + sin(t) b``,
    t from 0 to pi/2.

    For independent draws from N(0, 1) every point of the arc is one too, which no point inside a
    straight line is.
    """
    t = jnp.linspace(0, math.pi / 2, steps)[None, :, None]
    return jnp.cos(t) * a[:, None] + jnp.sin(t) * b[:, None]


def _sample_grid(images: np.ndarray, num_classes: int) -> np.ndarray:
    """A row a class, or the first samples of an unconditional GAN."""
    if not num_classes:
        return pictures.grid(images[: ROWS * COLUMNS], COLUMNS)
    rows, columns = (
        min(num_classes, 2 * ROWS, len(images)),
        max(1, min(COLUMNS, len(images) // num_classes)),
    )
    chosen = np.arange(rows)[:, None] + num_classes * np.arange(columns)
    return pictures.grid(images[chosen.ravel()], columns)


def _interpolation(gan: Gan, state: GanState, key: Array, truncation: float | None) -> np.ndarray:
    """A row a class: from one latent vector to another along an arc."""
    rows = min(gan.num_classes, ROWS) or ROWS
    ends = latents(key, 2 * rows, gan.latents, truncation).reshape(2, rows, gan.latents)
    path = arc(*ends, COLUMNS)
    labels = np.repeat(np.arange(rows, dtype=np.int32), COLUMNS) % max(gan.num_classes, 1)
    return pictures.grid(generated(gan, state, path.reshape(rows * COLUMNS, -1), labels), COLUMNS)


def _neighbour_grid(
    network: FeatureNetwork, images: np.ndarray, features: np.ndarray, config: Config, rows: int
) -> np.ndarray:
    """A row a sample: itself, its nearest training images by features, and those by pixels."""
    rows = min(rows, ROWS, len(images))
    real = load(config.dataset, config.split, config.size).examples
    real_features = real_sample(network, config.dataset, config.split, config.size).features
    count = min(NEIGHBOURS, len(real))
    by_features, _ = nearest_neighbours(features[:rows], real_features, count)
    by_pixels, _ = nearest_neighbours(images[:rows], real, count)
    blank = np.full_like(images[:rows, None], pictures.GAP_GREY)
    tiles = np.concatenate(
        [images[:rows, None], blank, real[by_features], blank, real[by_pixels]], axis=1
    )
    return pictures.grid(tiles.reshape(-1, *images.shape[1:]), tiles.shape[1])
