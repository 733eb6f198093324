"""What an image of `coloured_mnist` shows: a digit, a colour, a size, a place and a ground, as one
of 1,440 combinations.
"""

from __future__ import annotations

import numpy as np

VALUES: dict[str, tuple[str, ...]] = {
    "digit": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "colour": ("red", "green", "blue", "yellow", "cyan", "magenta"),
    "size": ("large", "small"),
    "place": ("top left", "top right", "bottom left", "bottom right"),
    "ground": ("black", "white", "grey"),
}
"""The values of each attribute, in words; no two attributes share a word."""
COUNTS = tuple(map(len, VALUES.values()))
COMBINATIONS = int(np.prod(COUNTS))
COLOURS = np.array(
    [(225, 30, 30), (20, 150, 40), (40, 60, 225), (235, 200, 20), (20, 190, 210), (220, 40, 210)],
    np.uint8,
)
"""``[6, 3]``: red, green and blue of each colour."""
GROUNDS = np.array([(0, 0, 0), (255, 255, 255), (128, 128, 128)], np.uint8)
"""``[3, 3]``: red, green and blue of each ground."""
SIDE, BOXES = 32, (21, 15)
"""Sides of the images, and of the square around a digit of each size, in pixels."""
FOLDS = 5
"""One combination in so many is held out."""


def index_of(values: np.ndarray) -> np.ndarray:
    """The index of a combination ``[...]``, from its five values ``[..., 5]``: ``(((digit * 6 +
    colour) * 2 + size) * 4 + place) * 3 + ground``.
    """
    return np.ravel_multi_index(tuple(np.moveaxis(np.asarray(values), -1, 0)), COUNTS)


def values_of(index: np.ndarray) -> np.ndarray:
    """The five values of a combination ``[..., 5]``, in the order of `VALUES`, from its index."""
    return np.stack(np.unravel_index(np.asarray(index), COUNTS), axis=-1)


def held_out(index: np.ndarray) -> np.ndarray:
    """Whether a combination is held out of training: if the sum of its five values is a multiple
    of five.

    These are 288 of the 1,440. Any four values occur together in training, so do any two.
    """
    return values_of(index).sum(-1) % FOLDS == 0


def name_of(index: int) -> str:
    """A combination in words: ``large red seven at the top left on black``."""
    digit, colour, size, place, ground = (
        names[i] for names, i in zip(VALUES.values(), values_of(index), strict=True)
    )
    return f"{size} {colour} {digit} at the {place} on {ground}"
