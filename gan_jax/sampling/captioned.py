"""Draws what captions describe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from gan_jax import pictures
from gan_jax.config import Config
from gan_jax.data import describe
from gan_jax.data.captions import language_of
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, is_seed
from gan_jax.modality import COLUMNS, Tokens
from gan_jax.sampling.draw import generated
from gan_jax.types import GanState


def tokens_of(gan: Gan, config: Config, captions: Sequence[str]) -> np.ndarray:
    """The tokens ``[n, length]`` int32 of captions.

    Raises:
      ConfigError: for a GAN whose conditions are not captions, no caption, or an unknown word.
    """
    if not isinstance(gan.condition, Tokens):
        raise ConfigError(
            f"captions need a GAN of captions, trained with pairs 'captions', not "
            f"{config.pairs.name!r}."
        )
    if not captions:
        raise ConfigError("captions: there is none; pass at least one.")
    language = language_of(describe(config.dataset))
    return np.stack([language.tokens(text) for text in captions])


def draw_captions(
    gan: Gan, state: GanState, config: Config, captions: Sequence[str], path: Path, seed: int = 0
) -> None:
    """Writes a PNG file with a row of `COLUMNS` samples for each caption, below its text; all rows
    have the same latents.

    Raises:
      ConfigError: as `tokens_of`, and for a seed out of range.
    """
    is_seed("seed", seed)
    tokens = np.repeat(tokens_of(gan, config, captions), COLUMNS, axis=0)
    z = jax.device_get(gan.prior.draw(jax.random.key(seed), COLUMNS))
    z = jax.tree.map(lambda a: np.concatenate([a] * len(captions)), z)
    samples = generated(gan, state, z, tokens)
    rows = [
        pictures.headed(pictures.grid(samples[i : i + COLUMNS], COLUMNS), COLUMNS, {0: text})
        for i, text in zip(range(0, len(samples), COLUMNS), captions, strict=True)
    ]
    pictures.save(path, np.concatenate(rows))
