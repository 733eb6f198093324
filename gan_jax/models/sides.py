"""Shared by architectures that halve or double the sides of an image."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from gan_jax.errors import ConfigError

LOW = 4
"""How many of the largest sides are computed in the low precision."""


def halvings(shape: tuple[int, ...], base: int) -> int:
    """How many times both sides of ``(h, w, c)`` can be halved exactly while at least ``base``: 3
    for 32x32 and base 4.

    Raises:
      ConfigError: if they cannot be halved once.
    """
    h, w, _ = shape
    n = 0
    while h % 2 ** (n + 1) == 0 and w % 2 ** (n + 1) == 0 and min(h, w) >= base * 2 ** (n + 1):
        n += 1
    if n == 0:
        raise ConfigError(
            f"base {base} is too large: images of {h}x{w} cannot be halved to sides of at least "
            f"{base}; use a smaller base, or pad the images to another size."
        )
    return n


def widths(n: int, width: int, widest: int) -> tuple[int, ...]:
    """Channels of ``n + 1`` resolutions, the smallest sides first: ``width`` next to the image,
    twice as many at every smaller side, at most ``widest``.

    Raises:
      ConfigError: if ``width`` is larger than ``widest``.
    """
    if width > widest:
        raise ConfigError(f"width must be at most widest, which is {widest}, not {width}.")
    return tuple(min(width * 2 ** (n - i), widest) for i in range(n + 1))


def dtype_at(i: int, n: int, dtype: Any) -> Any:
    """The type of the arithmetic at resolution ``i`` of ``0 .. n``, smallest first: ``dtype`` at
    the four largest, and float32 at least at the others and at the smallest, as in the codes of
    StyleGAN2-ADA and R3GAN.
    """
    return dtype if i > max(0, n - LOW) else jnp.promote_types(dtype, jnp.float32)
