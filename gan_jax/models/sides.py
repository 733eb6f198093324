"""Shared by architectures that halve or double the sides of an image."""

from __future__ import annotations

from gan_jax.errors import ConfigError


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
