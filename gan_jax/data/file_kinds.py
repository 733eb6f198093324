"""The kinds of files that a folder may hold, and what their headers say of the whole set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from gan_jax.data import sounds


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of files.

    Attributes:
      name, one: the names of several and of one.
      suffixes: how the names of such files end, in lower case.
      header: what the header of a file says, given its content; raises anything if it is broken.
      together: the fields ``shape`` and ``rate`` of a `Description`, from the different headers.
    """

    name: str
    one: str
    suffixes: tuple[str, ...]
    header: Callable[[bytes], tuple]
    together: Callable[[set[tuple]], dict[str, Any]]


def _of_image(content: bytes) -> tuple[int, int, bool]:
    """Height and width as shown, and whether it is grey."""
    from gan_jax.data import pixels

    return pixels.header(content)


def _of_images(headers: set[tuple]) -> dict[str, Any]:
    """h and w are None if sizes vary; without colours, there is one channel."""
    sides = {(h, w) for h, w, _ in headers}
    h, w = sides.pop() if len(sides) == 1 else (None, None)
    return {"shape": [h, w, 1 if all(grey for *_, grey in headers) else 3], "rate": 0}


def _of_sounds(headers: set[tuple]) -> dict[str, Any]:
    """The length and the rate are None if they vary."""
    lengths, rates = map(set, zip(*headers, strict=True))
    only = lambda values: values.pop() if len(values) == 1 else None
    rate = only(rates)
    return {"shape": [None if rate is None else only(lengths), 1], "rate": rate}


IMAGES = Kind("images", "image", (".png", ".jpg", ".jpeg", ".webp"), _of_image, _of_images)
SOUNDS = Kind("sounds", "sound", (".wav", ".flac", ".ogg", ".mp3"), sounds.header, _of_sounds)
TEXTS = Kind("texts", "text", (".txt",), lambda _: (), lambda _: {"shape": [], "rate": 0})
"""Files of text hold many examples, one a line; they have no header."""
KINDS = (IMAGES, SOUNDS)
"""The kinds of files that hold one example each."""
SUFFIXES = tuple(suffix for kind in KINDS for suffix in kind.suffixes)
