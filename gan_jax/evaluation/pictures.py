"""The pictures and sounds of an evaluation: samples, interpolations, nearest training images."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import pictures
from gan_jax.config import Config
from gan_jax.data import describe, load
from gan_jax.engine.gan import Gan
from gan_jax.latents.paths import arc
from gan_jax.metrics import Sample, nearest_neighbours
from gan_jax.metrics.streaming import stream
from gan_jax.modality import COLUMNS, ROWS, Images, Modality, Sounds, labels_in_turn, seen
from gan_jax.recognizers import FeatureNetwork, real_sample
from gan_jax.recognizers.hearing import BLOCK, bands
from gan_jax.sampling.conditions import Conditions, in_turn, num_classes_of
from gan_jax.sampling.draw import generated
from gan_jax.sound import wav
from gan_jax.types import Array, GanState, held

PATHS = 10
"""Rows of an interpolation picture; for a conditional GAN, the maximum number of classes."""
SAMPLES_WITH_NEIGHBOURS = 10
TRANSLATIONS = 4 * COLUMNS
"""Samples beside their conditions and targets."""
NEIGHBOURS = 6
"""Number of nearest training images per sample, by features and by pixels each."""


@dataclasses.dataclass(frozen=True)
class Drawn:
    """The samples of an evaluation, and the inputs of their pictures.

    Attributes:
      gan, state: the GAN and state that generated the samples.
      examples: ``[n, ...]``, as returned by `gan_jax.sampling.draw.generated`, with alternating
        classes.
      sample: the features of the samples.
      config: the config, which names the dataset of the GAN.
      network: the feature extractor.
      key: the key of the ends of interpolations, drawn with the ``truncation``.
      real: real examples ``[m, ...]``, if the modality needs them.
      asked: the conditions of the samples.
    """

    gan: Gan
    state: GanState
    examples: np.ndarray
    sample: Sample
    config: Config
    network: FeatureNetwork
    key: Array
    truncation: float | None = None
    real: np.ndarray | None = None
    asked: Conditions | None = None

    @functools.cached_property
    def nearest_sounds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See `_nearest_sounds`: for the picture, and to be heard."""
        return _nearest_sounds(self)


def draw(drawn: Drawn) -> dict[str, np.ndarray]:
    """Pictures ``[H, W, c]`` uint8 by name: ``samples`` and, for images, ``neighbours`` and,
    for a GAN with latents, ``interpolation``.

    Kinds of examples that are not in `PICTURES` are only shown by `Modality.picture`.
    """
    return PICTURES.get(type(drawn.gan.modality.represented), _of_any)(drawn)


def _of_images(drawn: Drawn) -> dict[str, np.ndarray]:
    found = {
        "samples": _sample_grid(drawn.examples, num_classes_of(drawn.gan, drawn.config)),
        "neighbours": _neighbour_grid(drawn),
    }
    if jax.tree.leaves(drawn.gan.prior.draw(drawn.key, 1)):
        found["interpolation"] = _interpolation(drawn)
    if isinstance(drawn.gan.condition, Images) and drawn.asked is not None:
        found["translations"] = _translations(drawn, drawn.gan.condition)
    return found


def _of_any(drawn: Drawn) -> dict[str, np.ndarray]:
    return {"samples": drawn.gan.modality.picture(drawn.examples, drawn.real)}


def _of_sounds(drawn: Drawn) -> dict[str, np.ndarray]:
    chosen = _chosen(len(drawn.examples), num_classes_of(drawn.gan, drawn.config))
    return {
        "samples": pictures.grid(
            _spectrograms(drawn, drawn.examples[chosen.ravel()]), chosen.shape[1]
        ),
        "neighbours": _sound_neighbours(drawn),
    }


def _spectrograms(drawn: Drawn, sounds: np.ndarray) -> np.ndarray:
    """Pixels ``[n, h, w, 1]`` of sounds ``[n, length, 1]`` int16."""
    waves = drawn.gan.modality.represented.to_network(sounds)[..., 0]
    return pictures.spectrograms(waves)


def _sound_neighbours(drawn: Drawn) -> np.ndarray:
    """As `neighbour_grid`, of spectrograms."""
    own, by_features, by_bands = drawn.nearest_sounds
    drawn_as = lambda sounds: _spectrograms(drawn, sounds.reshape(-1, *own.shape[1:])).reshape(
        len(own), sounds.shape[1], *pixels.shape[1:]
    )
    pixels, count = _spectrograms(drawn, own), by_features.shape[1]
    shown = pixels[:, None]
    blank = pictures.blank(shown.shape)
    tiles = np.concatenate([shown, blank, drawn_as(by_features), blank, drawn_as(by_bands)], 1)
    grid = pictures.grid(tiles.reshape(-1, *pixels.shape[1:]), tiles.shape[1])
    names = {0: "sample", 2: "nearest by features", 3 + count: "nearest by mel bands"}
    return pictures.headed(grid, tiles.shape[1], names)


def _nearest_sounds(drawn: Drawn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first samples ``[n, length, 1]``, and their nearest training sounds ``[n, k, length, 1]``
    by features, and by the logarithms of magnitudes in mel bands.
    """
    split = (drawn.config.dataset, drawn.config.split, drawn.config.framing)
    real = np.asarray(load(*split).examples)
    rows = min(
        num_classes_of(drawn.gan, drawn.config) or SAMPLES_WITH_NEIGHBOURS,
        SAMPLES_WITH_NEIGHBOURS,
        len(drawn.examples),
    )
    own, count = drawn.examples[:rows], min(NEIGHBOURS, len(real))
    known = real_sample(drawn.network, *split).features
    by_features, _ = nearest_neighbours(drawn.sample.features[:rows], known, count)
    rate = drawn.gan.modality.represented.rate
    heard = [stream(functools.partial(_bands, rate=rate), x, block=BLOCK) for x in (own, real)]
    by_bands, _ = nearest_neighbours(*heard, count)
    return own, real[by_features], real[by_bands]


@functools.partial(jax.jit, static_argnames="rate")
def _bands(sounds: Array, rate: int) -> Array:
    return bands(seen(sounds), rate).reshape(len(sounds), -1)


PICTURES: dict[type[Modality], Callable[[Drawn], dict[str, np.ndarray]]] = {
    Images: _of_images,
    Sounds: _of_sounds,
}
"""Kinds of examples with other pictures than that of all samples."""


def record(drawn: Drawn) -> dict[str, bytes]:
    """The sounds of the picture ``samples``, see `gan_jax.sound.wav.by_class`, and ``beside_real``:
    the first samples, each before its nearest training sound by mel bands. None if the samples are
    no sounds.
    """
    sounds, num_classes = drawn.gan.modality.represented, num_classes_of(drawn.gan, drawn.config)
    if not isinstance(sounds, Sounds):
        return {}
    chosen = _chosen(len(drawn.examples), num_classes).ravel()
    names = describe(drawn.config.dataset).class_names if num_classes else ()
    labels = labels_in_turn(len(drawn.examples), num_classes)[chosen]
    heard = wav.by_class(drawn.examples[chosen, :, 0], labels, names, sounds.rate)
    own, _, nearest = drawn.nearest_sounds
    pairs = np.stack([own, nearest[:, 0]], axis=1).reshape(-1, own.shape[1])
    return heard | {wav.BESIDE_REAL: wav.one_after_another(pairs, sounds.rate)}


def _chosen(n: int, num_classes: int) -> np.ndarray:
    """Which of ``n`` samples of alternating classes a grid ``[rows, columns]`` shows: one row per
    class, of evenly spaced ones if there are many; one sample each of such classes, if no class has
    two; or the first samples of an unconditional GAN.
    """
    if num_classes and (num_classes <= ROWS or n >= 2 * num_classes):
        columns = max(1, min(COLUMNS, n // num_classes))
        shown = np.linspace(0, min(num_classes, n) - 1, min(num_classes, ROWS, n))
        return shown.round().astype(int)[:, None] + num_classes * np.arange(columns)
    rows, columns = max(1, min(n // COLUMNS, COLUMNS)), min(n, COLUMNS)
    last = min(n, num_classes or rows * columns) - 1
    return np.linspace(0, last, rows * columns).astype(int).reshape(rows, columns)


def _sample_grid(images: np.ndarray, num_classes: int) -> np.ndarray:
    """One row per class, or the first samples of an unconditional GAN."""
    if not num_classes:
        return pictures.grid(images[: COLUMNS**2], COLUMNS)
    chosen = _chosen(len(images), num_classes)
    return pictures.grid(images[chosen.ravel()], chosen.shape[1])


def _translations(drawn: Drawn, kind: Images) -> np.ndarray:
    """Rows of conditions, of the samples made from them, and of the real images, if there are."""
    n, real = min(TRANSLATIONS, len(drawn.examples)), drawn.asked.real
    beside = () if real is None else (real[:n],)
    shown = kind.shown(drawn.asked.y[:n])
    return pictures.rows(shown, drawn.examples[:n], *beside, columns=COLUMNS)


def _interpolation(drawn: Drawn) -> np.ndarray:
    """One class per row, from one latent vector to another along an arc."""
    gan, state = drawn.gan, drawn.state
    rows = min(num_classes_of(gan, drawn.config), PATHS) or PATHS
    ends = gan.prior.draw(drawn.key, 2 * rows, drawn.truncation)
    t = jnp.linspace(0, 1, COLUMNS)
    paths = jax.tree.map(lambda z: arc(z[:rows], z[rows:], t), ends)
    paths = held(gan.prior, paths, jax.tree.map(lambda z: z[:rows], ends))
    points = jax.tree.map(lambda z: z.reshape(rows * COLUMNS, -1), paths)
    y = in_turn(gan, drawn.config, rows).y
    y = jax.tree.map(lambda leaf: np.repeat(leaf, COLUMNS, axis=0), y)
    images = generated(gan, state, points, y)
    return pictures.grid(images, COLUMNS)


def _neighbour_grid(drawn: Drawn) -> np.ndarray:
    """`neighbour_grid` of the first samples."""
    most = num_classes_of(drawn.gan, drawn.config) or SAMPLES_WITH_NEIGHBOURS
    rows = min(most, SAMPLES_WITH_NEIGHBOURS, len(drawn.examples))
    images, features = drawn.examples[:rows], drawn.sample.features[:rows]
    return neighbour_grid(images, features, drawn.config, drawn.network)


def neighbour_grid(
    images: np.ndarray,
    features: np.ndarray,
    config: Config,
    network: FeatureNetwork,
    name: str = "sample",
) -> np.ndarray:
    """One row per image: the image, its nearest training images by features, then by pixels.

    Args:
      images, features: ``[n, h, w, c]`` uint8 and ``[n, f]``, as the network returns them.
      config: names the training images.
      network: the feature extractor.
      name: of an image, above the first column.
    """
    split = (config.dataset, config.split, config.framing)
    real, real_features = load(*split).examples, real_sample(network, *split).features
    count = min(NEIGHBOURS, len(real))
    by_features, _ = nearest_neighbours(features, real_features, count)
    by_pixels, _ = nearest_neighbours(images, real, count)
    shown = images[:, None]
    blank = pictures.blank(shown.shape)
    tiles = np.concatenate([shown, blank, real[by_features], blank, real[by_pixels]], axis=1)
    grid = pictures.grid(tiles.reshape(-1, *images.shape[1:]), tiles.shape[1])
    names = {0: name, 2: "nearest by features", 3 + count: "nearest by pixels"}
    return pictures.headed(grid, tiles.shape[1], names)
