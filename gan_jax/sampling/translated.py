"""Translates images of one's own: each is the condition of a sample."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import numpy as np

from gan_jax import pictures
from gan_jax.config import Config
from gan_jax.data import describe, load
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, is_seed
from gan_jax.files import replacing
from gan_jax.modality import COLUMNS, Images
from gan_jax.sampling.draw import generated
from gan_jax.types import GanState

SHOWN = 50
"""Images in the overview, at most."""


def translate(
    gan: Gan, state: GanState, config: Config, dataset: str, folder: Path, seed: int = 0
) -> int:
    """Writes ``00000.png`` and so on, a sample of the condition that each image is, to a folder
    that is replaced, and ``overview.png``: the first images in a row, each above its sample.

    Args:
      gan, state, config: of a run whose conditions are images, such as a pix2pix.
      dataset: a folder or .zip of images, or a dataset; all splits. Images are brought to the
        size of the conditions as those of the run.
      folder: is written atomically.
      seed: of the latents.

    Returns:
      The number of images.

    Raises:
      ConfigError: for a GAN of other conditions, or images that cannot be read.
    """
    is_seed("seed", seed)
    images = conditions_of(gan, config, dataset)
    z = gan.prior.draw(jax.random.key(seed), len(images))
    samples = generated(gan, state, z, np.asarray(gan.condition.to_network(images)))
    with replacing(folder) as new:
        new.mkdir()
        for i, image in enumerate(samples):
            pictures.save(new / f"{i:05}.png", image)
        overview = pictures.rows(images[:SHOWN], samples[:SHOWN], columns=COLUMNS)
        pictures.save(new / "overview.png", overview)
    return len(images)


def conditions_of(gan: Gan, config: Config, dataset: str) -> np.ndarray:
    """The images of a dataset ``[n, h, w, c]`` uint8 as conditions of a GAN.

    Raises:
      ConfigError: as `translate`.
    """
    if type(gan.condition) is not Images:
        raise ConfigError(
            f"translate needs a GAN whose conditions are images, not "
            f"{gan.condition or 'class labels, or none'}."
        )
    h, w, channels = gan.condition.shape
    if h != w:
        raise ConfigError(f"translate needs a GAN of square images, not of {h}x{w}.")
    framing = dataclasses.replace(
        config.framing, size=h, channels=channels, fit=config.fit or "pad"
    )
    return np.concatenate(
        [np.asarray(load(dataset, split, framing).examples) for split in describe(dataset).splits]
    )
