"""Writes samples as files for other programs: a PNG per seed and class, and an animated
interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from tqdm import tqdm

from gan_jax import pictures
from gan_jax.config import Config
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, at_least, either, is_seed, within
from gan_jax.files import replacing
from gan_jax.latents.paths import arc
from gan_jax.modality import COLUMNS, Images, labels_in_turn
from gan_jax.sampling.draw import SAMPLE_BLOCK, generated
from gan_jax.sampling.export import check, content_shape, cropped
from gan_jax.types import Array, GanState, Prior, held

CHANNELS = (1, 3, 4)
"""Numbers of channels that a PNG file can have: grey, RGB, RGBA."""
STOPS = 4
"""Number of latent vectors on an interpolation before it returns to the first one."""
FRAMES = 16
"""Frames between two of them."""
MILLISECONDS = 60
"""Duration of a frame."""


def numbers_from_text(option: str, text: str) -> tuple[int, ...]:
    """Reads ``3,5``, ``0-99`` or a mixture as ascending integers without duplicates.

    Raises:
      ConfigError: naming the option, for any other text.
    """
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ConfigError(f"{option} must be a list such as 0,2,10-19, not {text!r}.")
        low, high = int(first), int(last or first)
        if high < low or high - low >= 10**7:
            raise ConfigError(f"{option}: {part!r} must ascend, by less than ten million.")
        found |= set(range(low, high + 1))
    return tuple(sorted(found))


def export_images(
    gan: Gan,
    state: GanState,
    config: Config,
    folder: Path,
    *,
    seeds: Sequence[int],
    classes: Sequence[int] | None = None,
    truncation: float | None = None,
) -> int:
    """Writes ``seed00042.png``, or ``seed00042_class3.png`` for a conditional GAN, to a folder that
    is created atomically.

    A seed determines its latent vector independently of the others. Padding of the real images is
    cropped.

    Args:
      gan, state, config: the GAN, state and config of a run.
      folder: a new or empty folder.
      seeds: one image is drawn per seed.
      classes: for a conditional GAN, every seed is drawn in each of these classes. By default the
        classes alternate over the seeds.
      truncation: truncation of the latents, see `gan_jax.parts.priors`.

    Returns:
      The number of images.

    Raises:
      ConfigError: for a folder in use, a number out of range, or a GAN of another kind of example;
        nothing is written then.
    """
    check(folder, "export_images")
    _check_images("export_images", gan)
    for seed in seeds:
        is_seed("seeds", seed)
    if truncation is not None:
        within("truncation", truncation, "(0, inf)")
    labels = _labels(gan, len(seeds), classes)
    pairs = [(seed, y) for seed, own in zip(seeds, labels, strict=True) for y in own]
    shape, digits = content_shape(config), len(str(max([10_000, *seeds])))
    try:
        with replacing(folder) as new, tqdm(total=len(pairs), leave=False, disable=None) as bar:
            new.mkdir()
            for start in range(0, len(pairs), SAMPLE_BLOCK):
                part = pairs[start : start + SAMPLE_BLOCK]
                z = _of_seeds(gan, [seed for seed, _ in part], truncation)
                images = generated(gan, state, z, np.array([y for _, y in part], np.int32))
                for (seed, y), image in zip(part, cropped(images, shape), strict=True):
                    of_class = f"_class{y}" if gan.num_classes else ""
                    pictures.save(new / f"seed{seed:0{digits}}{of_class}.png", image)
                bar.update(len(part))
    except OSError as error:
        raise ConfigError(
            f"export_images: {folder} cannot be written ({error.strerror})."
        ) from error
    return len(pairs)


def export_interpolation(
    gan: Gan,
    state: GanState,
    path: Path,
    *,
    seed: int = 0,
    classes: Sequence[int] | None = None,
    truncation: float | None = None,
) -> int:
    """Writes a loop through latent space as an animated GIF or WebP: one tile per class, or per
    path for an unconditional GAN.

    Args:
      gan, state: the GAN and state of a run.
      path: a file name that ends in ``.gif`` or ``.webp``.
      seed: determines the latent vectors on the path.
      classes: the classes of a conditional GAN; by default the first ten.
      truncation: truncation of the latents.

    Returns:
      The number of frames.

    Raises:
      ConfigError: for any other file name, a number out of range, a GAN of another kind of example,
        or a file that cannot be written.
    """
    check_animation(path)
    _check_images("interpolation", gan)
    if truncation is not None:
        within("truncation", truncation, "(0, inf)")
    shown = classes or tuple(range(min(gan.num_classes, COLUMNS))) or None
    _labels(gan, 1, shown)
    tiles = len(shown) if shown else COLUMNS
    ways = 1 if shown else tiles  # classes share their latents
    stops = gan.prior.draw(jax.random.key(seed), STOPS * ways, truncation)
    way = _loop(gan.prior, stops.reshape(STOPS, ways, -1))  # [frames, ways, size]
    z = jnp.broadcast_to(way, (way.shape[0], tiles, way.shape[-1])).reshape(-1, way.shape[-1])
    labels = np.tile(np.array(shown or [0] * tiles, np.int32), way.shape[0])
    images = generated(gan, state, z, labels)
    frames = images.reshape(way.shape[0], tiles, *images.shape[1:])
    columns = math.ceil(tiles / 2) if tiles > 3 else tiles
    drawn = [_pillow(pictures.grid(frame, columns)) for frame in frames]
    try:
        with replacing(path) as new:
            drawn[0].save(
                new, save_all=True, append_images=drawn[1:], duration=MILLISECONDS, loop=0
            )
    except OSError as error:
        raise ConfigError(f"interpolation: {path} cannot be written ({error.strerror}).") from error
    return len(drawn)


def check_animation(path: Path) -> None:
    """Refuses a file name without the suffix of an animation.

    Raises:
      ConfigError: naming the path.
    """
    if path.suffix.lower() not in (".gif", ".webp") or path.is_dir():
        raise ConfigError(f"interpolation: {path} must be a file that ends in .gif or .webp.")


def _check_images(option: str, gan: Gan) -> None:
    modality = gan.modality.represented
    if gan.condition is not None:
        raise ConfigError(f"{option} needs a GAN whose conditions are class labels.")
    if not isinstance(modality, Images):
        raise ConfigError(f"{option} needs a GAN of images, not of {modality}.")
    if modality.shape[-1] not in CHANNELS:
        raise ConfigError(
            f"{option} needs images of {either(CHANNELS)} channels, not {modality.shape[-1]}."
        )


def _labels(gan: Gan, n: int, classes: Sequence[int] | None) -> list[list[int]]:
    """The classes in which each of ``n`` seeds is drawn."""
    at_least("seeds", n, 1)
    if classes is None:
        return [[int(y)] for y in labels_in_turn(n, gan.num_classes)]
    if not gan.num_classes:
        raise ConfigError("classes cannot be chosen for an unconditional GAN; leave them out.")
    wrong = [y for y in classes if y >= gan.num_classes]
    if wrong:
        raise ConfigError(f"classes must be in [0, {gan.num_classes}), not {wrong[0]}.")
    return [list(classes)] * n


def _of_seeds(gan: Gan, seeds: Sequence[int], truncation: float | None) -> Array:
    """A latent vector for each seed, ``[n, size]``."""
    draw = lambda seed: gan.prior.draw(jax.random.key(seed), 1, truncation)[0]
    return jax.vmap(draw)(jnp.array(seeds, jnp.uint32))


def _loop(prior: Prior, stops: Array) -> Array:
    """``[stops, ways, size] -> [stops * FRAMES, ways, size]``: from each stop to the next along an
    arc, and back to the first. What is discrete in the latents stays as at the first stop.

    If the stops are independent draws from N(0, 1), so is every point on the arcs.
    """
    t = jnp.linspace(0, 1, FRAMES, endpoint=False)
    arcs = arc(stops, jnp.roll(stops, -1, axis=0), t).reshape(-1, *stops.shape[1:])
    return jnp.swapaxes(held(prior, jnp.swapaxes(arcs, 0, 1), stops[0]), 0, 1)


def _pillow(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
