"""The pictures and numbers of a latent space, by kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import pictures
from gan_jax.errors import ConfigError
from gan_jax.evaluation.latent_subject import (
    Found,
    Picture,
    Subject,
    conditions_of,
    given_images,
)
from gan_jax.evaluation.pictures import PATHS, SAMPLES_WITH_NEIGHBOURS, neighbour_grid
from gan_jax.latents import attributes as learn_attributes
from gan_jax.latents import (
    centres,
    first_weights,
    invert,
    line,
    mixed,
    nearest_starts,
    pca,
    sefa,
    slerp,
    spread,
    strip,
    truncated,
)
from gan_jax.latents.spaces import W_PLUS, W, Z, conditions_at
from gan_jax.metrics import estimate
from gan_jax.metrics.paired import psnr
from gan_jax.modality import COLUMNS
from gan_jax.sampling.conditions import num_classes_of
from gan_jax.sampling.export import content_shape, cropped
from gan_jax.types import Array, held

DIRECTIONS = 8
REACH = 3.0
"""A strip reaches so many standard deviations to either side."""
CLASS_REACH = 6.0
"""That of a class starts at a sample, often of another class, which is further away."""
STEPS = 9
PSIS = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)
ROWS, FINE = 6, 8
"""Sources of coarse and of fine styles."""
RESTARTS = 2
SHOWN = 10
"""Inverted images in a picture."""


def interpolation(subject: Subject) -> Found:
    """The same ends in each space: slerp in z, a straight line in w."""
    rows = min(num_classes_of(subject.gan, subject.config), PATHS) or PATHS
    y = subject.conditions(rows)
    both = conditions_at(y, np.tile(np.arange(rows), 2))
    z, t = subject.latents(2 * rows), jnp.linspace(0, 1, COLUMNS)
    within = lambda a, b, t: held(subject.gan.prior, slerp(a, b, t), a)
    found = {}
    for space, path, name in ((Z, within, "an arc in z"), (W, line, "a straight line in w")):
        if space in subject.spaces:
            ends = subject.points(z, both, space)
            pixels = subject.of_paths(path(ends[:rows], ends[rows:], t), y, space)
            caption = f"Each row follows {name} from one latent vector to another."
            found[f"interpolation_{space}"] = Picture(pixels, f"Interpolation in {space}", caption)
    return Found(found, {})


def truncation(subject: Subject) -> Found:
    """Truncation in w towards the mean, and towards the centres of classes."""
    z, y, _ = subject.population
    w, count = subject.points(z, y, W), len(subject.class_names)
    own = jnp.asarray(centres(jnp.asarray(w), jnp.asarray(subject.seen), count))
    named = [k for k in range(count) if np.any(subject.seen == k)]
    first = np.array([np.flatnonzero(subject.seen == k)[0] for k in named])
    towards = {
        "mean": (jnp.asarray(w.mean(axis=0)), "the mean of w"),
        "class": (own[np.array(named)], "the mean of the w of its class"),
    }
    found = {}
    for name, (centre, text) in towards.items():
        path = [truncated(jnp.asarray(w[first]), centre, psi) for psi in PSIS]
        pixels = subject.of_paths(jnp.stack(path, axis=1), conditions_at(y, first), W)
        heading = {i: f"{psi:g}" for i, psi in enumerate(PSIS)}
        found[f"truncation_{name}"] = Picture(
            pictures.headed(pixels, len(PSIS), heading),
            f"Truncation in w towards the {name}",
            f"Each row moves one sample towards {text}; the fraction of the distance is above. One "
            f"row per class that the classifier sees: "
            f"{', '.join(subject.class_names[k] for k in named)}.",
        )
    return Found(found, {"psi": list(PSIS)})


def mixing(subject: Subject) -> Found:
    """A grid: coarse styles of the rows, fine styles of the columns."""
    equal = lambda n: conditions_at(subject.conditions(1), np.zeros(n, np.int32))
    y = equal(ROWS + FINE)
    w = jnp.asarray(subject.points(subject.latents(ROWS + FINE), y, W_PLUS))
    cutoff = w.shape[1] // 2
    pairs = mixed(w[:ROWS], w[ROWS:], cutoff)
    sources = subject.stored(w, y, W_PLUS)
    inner = subject.stored(pairs, equal(len(pairs)), W_PLUS)
    inner = inner.reshape(ROWS, FINE, *sources.shape[1:])
    corner = pictures.blank((1, 1, *sources.shape[1:]))
    top = np.concatenate([corner, sources[None, ROWS:]], axis=1)
    body = np.concatenate([sources[:ROWS, None], inner], axis=1)
    tiles = np.concatenate([top, body]).reshape(-1, *sources.shape[1:])
    caption = (
        f"Each image has layers 1 to {cutoff} of the first image of its row, and layers "
        f"{cutoff + 1} to {w.shape[1]} of the topmost image of its column."
    )
    picture = Picture(pictures.grid(tiles, FINE + 1), "Style mixing", caption)
    return Found({"mixing": picture}, {"cutoff": cutoff, "layers": w.shape[1]})


def directions(subject: Subject) -> Found:
    """SeFa and principal components, each with strips of one sample."""
    space = subject.space
    z, y, images = subject.population
    points = subject.points(z, y, space)
    k = min(DIRECTIONS, points.shape[1])
    ways = {
        "sefa": ("SeFa", sefa(first_weights(subject.gan, subject.state, space, y), k)),
        "pca": (
            "principal components",
            pca(points, k) if space == W else pca(images, k, latents=points),
        ),
    }
    found, values = {}, {"space": space}
    for name, (title, way) in ways.items():
        pixels = _strips(subject, points, way.vectors, -REACH, REACH)
        text = f"Row k moves one sample along direction k in {space}, by -{REACH:g} to {REACH:g} "
        text += "standard deviations of the samples along it."
        found[name] = Picture(pixels, f"Directions: {title}", text)
        values[name] = {"strengths": way.strengths.tolist(), "vectors": way.vectors.tolist()}
    return Found(found, values)


def _strips(
    subject: Subject, points: np.ndarray, vectors: np.ndarray, begin: float, end: float
) -> np.ndarray:
    """One row per vector: the first point, moved by so many standard deviations."""
    scales, t = (points @ vectors.T).std(axis=0), np.linspace(begin, end, STEPS)
    first = jnp.asarray(points[:1])
    paths = [strip(first, v, t * s) for v, s in zip(vectors, scales, strict=True)]
    y = conditions_at(subject.population[1], np.zeros(len(vectors), np.int32))
    return subject.of_paths(jnp.concatenate(paths), y, subject.space)


def attributes(subject: Subject) -> Found:
    """A direction for each class of the classifier, with its held-out accuracy."""
    space = subject.space
    z, y, _ = subject.population
    points = subject.points(z, y, space)
    own = learn_attributes(points, subject.seen, len(subject.class_names), subject.seed)
    if not own:
        raise ConfigError("latents: attributes found fewer than two classes with enough samples.")
    names = [subject.class_names[k] for k in own]
    values = {
        name: {"accuracy": list(a.accuracy), "held_out": a.held_out, "vector": a.vector.tolist()}
        for name, a in zip(names, own.values(), strict=True)
    }
    shares = ", ".join(
        f"{name} {a.accuracy.value:.0%}" for name, a in zip(names, own.values(), strict=True)
    )
    vectors = np.stack([a.vector for a in own.values()])
    pixels = _strips(subject, points, vectors, 0.0, CLASS_REACH)
    text = f"Each row moves one sample (left) along the direction of a class in {space}, by up to "
    text += f"{CLASS_REACH:g} standard deviations. Held-out accuracy, chance is 50%: {shares}."
    return Found(
        {"attributes": Picture(pixels, "Directions of classes", text)},
        {"space": space, "classes": values},
    )


def neighbours(subject: Subject) -> Found:
    """The nearest training images of given images, or of samples."""
    n = SAMPLES_WITH_NEIGHBOURS
    given = subject.images is not None
    drawn = lambda: subject.stored(subject.latents(n), subject.conditions(n), Z)
    images = given_images(subject, n).x if given else drawn()
    features, config = subject.network.features(images)[0], subject.config
    pixels = neighbour_grid(
        images, features, config, subject.network, "image" if given else "sample"
    )
    text = "Each row shows an image, its nearest training images by features, and by pixels."
    return Found({"neighbours": Picture(pixels, "Nearest training images", text)}, {})


def inversion(subject: Subject) -> Found:
    """Inverts images in each space; PSNR and feature distance, against the nearest sample."""
    network = subject.network
    if not hasattr(network, "apply"):
        raise ConfigError(
            f"latents: inversion needs differentiable features, which the feature network of "
            f"{subject.config.dataset!r} does not have; leave it out."
        )
    batch = given_images(subject, subject.num_images)
    images, look = batch.x, _looking(network)
    z, y, samples = subject.population
    own, *groups = conditions_of(subject, batch)
    columns, values = {"image": images}, {"images": len(images), "restarts": RESTARTS}
    starts_at = lambda points, n: nearest_starts(images, groups[0], points, samples, groups[1], n)
    nearest = starts_at(samples.astype(np.float32), 1)[:, 0]
    columns["nearest sample"] = nearest.astype(np.uint8)
    values["nearest sample"] = _distances(subject, columns["nearest sample"], images)
    for space in subject.spaces:
        begin = time.perf_counter()
        points = subject.points(z, y, space)
        around = spread(subject.gan, subject.state, jax.random.key(subject.seed), space, y=y)
        found = invert(
            subject.gan, subject.state, images, own, starts_at(points, RESTARTS), around,
            space=space, look=look,
        )  # fmt: skip
        columns[space] = subject.gan.modality.to_stored(found.images)
        values[space] = _distances(subject, columns[space], images)
        values[space]["seconds"] = round(time.perf_counter() - begin, 1)
    tiles = np.stack([column[:SHOWN] for column in columns.values()], axis=1)
    pixels = pictures.grid(tiles.reshape(-1, *images.shape[1:]), len(columns))
    numbers = "; ".join(
        f"{name} {values[name]['psnr'][0]:.1f} dB, {values[name]['feature_distance'][0]:.2f}"
        for name in columns if name != "image"
    )  # fmt: skip
    text = f"Columns: {', '.join(columns)}. PSNR and relative feature distance, mean of "
    text += f"{len(images)} images: {numbers}."
    return Found({"inversion": Picture(pixels, "Inversion", text)}, values)


def _looking(network: Any) -> Callable[[Array], Array]:
    return lambda images: network.apply(images)[0]


def _distances(subject: Subject, made: np.ndarray, images: np.ndarray) -> dict[str, list[float]]:
    """Mean and 95% interval of PSNR, without padding, and of the distance of features over the norm
    of the image's, from uint8 images.
    """
    shape, own = content_shape(subject.config), subject.gan.modality
    inner = lambda x: np.asarray(own.to_network(cropped(x, shape)))
    a, b = (subject.network.features(x)[0] for x in (made, images))
    far = np.linalg.norm(a - b, axis=1) / np.maximum(np.linalg.norm(b, axis=1), 1e-12)
    return {
        "psnr": list(estimate.mean(psnr(inner(made), inner(images)))),
        "feature_distance": list(estimate.mean(far)),
    }


KINDS: dict[str, Callable[[Subject], Found]] = {
    "interpolation": interpolation,
    "truncation": truncation,
    "mixing": mixing,
    "directions": directions,
    "attributes": attributes,
    "neighbours": neighbours,
    "inversion": inversion,
}
NEEDS_W = {"truncation": W, "mixing": W_PLUS}
"""The space that a kind needs."""
NEEDS_LABELS = ("truncation", "attributes")
"""Kinds that need a classifier."""
