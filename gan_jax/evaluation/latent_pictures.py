"""The pictures and numbers of a latent space, by kind."""

from __future__ import annotations

import dataclasses
import functools
import time
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
    to_images,
    to_points,
    truncated,
)
from gan_jax.latents.spaces import W_PLUS, W, Z
from gan_jax.metrics import estimate
from gan_jax.metrics.paired import psnr
from gan_jax.metrics.streaming import stream
from gan_jax.modality import COLUMNS, labels_in_turn
from gan_jax.recognizers import FeatureNetwork
from gan_jax.sampling.draw import SAMPLE_BLOCK
from gan_jax.sampling.export import content_shape, cropped
from gan_jax.types import Array, GanState, held

POINTS = 4_000
"""Random points from which directions, attributes, centres and starts are taken."""
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

    def draw(self, n: int, stream: int = 0) -> tuple[Array, np.ndarray]:
        """Latents ``[n, size]`` and labels ``[n]``, whose classes alternate."""
        key = jax.random.fold_in(jax.random.key(self.seed), stream)
        return self.gan.prior.draw(key, n, self.truncation), labels_in_turn(n, self.gan.num_classes)

    def points(self, z: Array, labels: np.ndarray, space: str) -> np.ndarray:
        """`to_points`, in blocks."""
        of = lambda z, y: to_points(self.gan, self.state, z, y, space)
        return stream(of, jax.device_get(z), labels, block=min(SAMPLE_BLOCK, len(labels)))

    def stored(self, points: Array | np.ndarray, labels: np.ndarray, space: str) -> np.ndarray:
        """Images uint8 of points, in blocks."""
        of = lambda p, y: self.gan.modality.to_stored(to_images(self.gan, self.state, p, y, space))
        return stream(of, jax.device_get(points), labels, block=min(SAMPLE_BLOCK, len(labels)))

    def of_paths(self, paths: Array, labels: np.ndarray, space: str) -> np.ndarray:
        """Images of paths ``[n, steps, ...]``, one row each: a grid of ``steps`` columns."""
        n, steps = paths.shape[:2]
        points = jnp.reshape(paths, (n * steps, *paths.shape[2:]))
        return pictures.grid(self.stored(points, np.repeat(labels, steps), space), steps)

    @functools.cached_property
    def population(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`POINTS` latents with their labels, and their images uint8."""
        z, labels = self.draw(POINTS, 1)
        return np.asarray(z), labels, self.stored(z, labels, Z)

    @functools.cached_property
    def seen(self) -> np.ndarray:
        """The classes of the population's images, as the classifier sees them."""
        return self.network.features(self.population[2])[1].argmax(axis=1)

    @functools.cached_property
    def class_names(self) -> tuple[str, ...]:
        about = describe(self.config.dataset)
        return about.class_names or tuple(map(str, range(about.num_classes)))


def interpolation(subject: Subject) -> Found:
    """The same ends in each space: slerp in z, a straight line in w."""
    rows = min(subject.gan.num_classes, PATHS) or PATHS
    labels = labels_in_turn(rows, subject.gan.num_classes)
    z, t = subject.draw(2 * rows)[0], jnp.linspace(0, 1, COLUMNS)
    within = lambda a, b, t: held(subject.gan.prior, slerp(a, b, t), a)
    found = {}
    for space, path, name in ((Z, within, "an arc in z"), (W, line, "a straight line in w")):
        if space in subject.spaces:
            ends = subject.points(z, np.tile(labels, 2), space)
            pixels = subject.of_paths(path(ends[:rows], ends[rows:], t), labels, space)
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
        pixels = subject.of_paths(jnp.stack(path, axis=1), y[first], W)
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
    label = np.zeros(ROWS + FINE, np.int32)
    w = jnp.asarray(subject.points(subject.draw(ROWS + FINE)[0], label, W_PLUS))
    cutoff = w.shape[1] // 2
    pairs = mixed(w[:ROWS], w[ROWS:], cutoff)
    sources = subject.stored(w, label, W_PLUS)
    inner = subject.stored(pairs, np.zeros(len(pairs), np.int32), W_PLUS)
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
        "sefa": ("SeFa", sefa(first_weights(subject.gan, subject.state, space), k)),
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
    labels = np.repeat(subject.population[1][:1], len(vectors))
    return subject.of_paths(jnp.concatenate(paths), labels, subject.space)


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
    images = _given(subject, n)[0] if given else subject.stored(*subject.draw(n), Z)
    features, config = subject.network.features(images)[0], subject.config
    pixels = neighbour_grid(
        images, features, config, subject.network, "image" if given else "sample"
    )
    text = "Each row shows an image, its nearest training images by features, and by pixels."
    return Found({"neighbours": Picture(pixels, "Nearest training images", text)}, {})


def _given(subject: Subject, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Up to ``n`` given or held-out images ``[n, h, w, c]`` uint8, evenly spaced, and labels."""
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
    images = np.asarray(some(data.examples, min(n, len(data.examples))))
    if images.shape[1:] != subject.gan.modality.shape:
        raise ConfigError(
            f"images: those of {subject.images!r} have the shape {list(images.shape[1:])}, but the "
            f"GAN makes {list(subject.gan.modality.shape)}."
        )
    if not subject.gan.num_classes:
        return images, np.zeros(len(images), np.int32)
    seen = subject.network.features(images)[1].argmax(axis=1)
    return images, seen.astype(np.int32)


def inversion(subject: Subject) -> Found:
    """Inverts images in each space; PSNR and feature distance, against the nearest sample."""
    network = subject.network
    if not hasattr(network, "apply"):
        raise ConfigError(
            f"latents: inversion needs differentiable features, which the feature network of "
            f"{subject.config.dataset!r} does not have; leave it out."
        )
    images, labels = _given(subject, subject.num_images)
    look = _looking(network)
    z, y, samples = subject.population
    y = y if subject.gan.num_classes else np.zeros_like(y)
    columns, values = {"image": images}, {"images": len(images), "restarts": RESTARTS}
    nearest = nearest_starts(images, labels, samples.astype(np.float32), samples, y, 1)[:, 0]
    columns["nearest sample"] = nearest.astype(np.uint8)
    values["nearest sample"] = _distances(subject, columns["nearest sample"], images)
    for space in subject.spaces:
        begin = time.perf_counter()
        points = subject.points(z, y, space)
        starts = nearest_starts(images, labels, points, samples, y, RESTARTS)
        around = spread(subject.gan, subject.state, jax.random.key(subject.seed), space)
        found = invert(
            subject.gan, subject.state, images, labels, starts, around, space=space, look=look
        )
        columns[space] = subject.gan.modality.to_stored(found.images)
        values[space] = _distances(subject, columns[space], images)
        values[space]["seconds"] = round(time.perf_counter() - begin, 1)
    tiles = np.stack([own[:SHOWN] for own in columns.values()], axis=1)
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
