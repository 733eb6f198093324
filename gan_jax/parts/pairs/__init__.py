"""What the examples of a GAN are paired with: the conditions of both players, made from what is
read.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from gan_jax.errors import ConfigError, has_option, one_of
from gan_jax.parts.pairs.images import domains, downsample, edges, given, grey, mask
from gan_jax.parts.pairs.levels import between, features, hidden, levels
from gan_jax.parts.pairs.mels import mel
from gan_jax.parts.pairs.pairing import Pairing, Read
from gan_jax.parts.pairs.sounds import spectrogram
from gan_jax.parts.pairs.words import captions

__all__ = ["PAIRS", "Pairing", "Read", "options_of", "pairing"]

PAIRS: dict[str, Callable[..., Pairing]] = {
    "labels": lambda read: Pairing(),
    "edges": edges,
    "grey": grey,
    "downsample": downsample,
    "mask": mask,
    "given": given,
    "captions": captions,
    "domains": domains,
    "features": features,
    "hidden": hidden,
    "between": between,
    "levels": levels,
    "spectrogram": spectrogram,
    "mel": mel,
}
"""``make(read, **options) -> Pairing`` by name."""


def options_of(name: str) -> dict[str, int | float | str]:
    """The options of an entry of `PAIRS`, with their defaults."""
    parameters = inspect.signature(PAIRS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.name != "read"}


def pairing(name: str, read: Read, options: Mapping[str, Any]) -> Pairing:
    """A pairing by its name.

    Args:
      name: an entry of `PAIRS`.
      read: the examples that are read.
      options: arguments of the entry.

    Raises:
      ConfigError: for an unknown name or option, an option that is not accepted, or examples of
        another kind than the rule needs.
    """
    known = options_of(one_of("pairs", name, PAIRS))
    for key, value in options.items():
        has_option("pairs", name, key, known)
        if isinstance(known[key], str) and not isinstance(value, str):
            raise ConfigError(f"pairs.{key} must be a name, not {value!r}.")
    return PAIRS[name](read, **options)
