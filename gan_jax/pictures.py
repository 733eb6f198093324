"""Grids of images as PNG files."""

from __future__ import annotations

import pathlib

import numpy as np
from PIL import Image

MIN_SIDE = 48
"""Smaller images are enlarged, pixel by pixel, until their shorter side has so many pixels."""
GAP = 2
"""Pixels between two images of a grid."""
GAP_GREY = 64


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Images in [-1, 1] as uint8 in [0, 255], rounded and clipped; uint8 is returned as it is."""
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    return np.clip(np.rint((images.astype(np.float32) + 1) * 127.5), 0, 255).astype(np.uint8)


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Tiles images row by row, enlarging small ones by a whole factor.

    Args:
      images: ``[n, h, w, c]`` with 1 or 3 channels, floats in [-1, 1] or uint8.
      columns: images a row; the last row may be shorter.

    Returns:
      ``[H, W, c]`` uint8.

    Raises:
      ValueError: for another shape.
    """
    images = to_uint8(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape or columns < 1:
        raise ValueError(f"images of shape {images.shape} in {columns} columns are no grid of [n, h, w, 1 or 3].")
    factor = max(1, -(-MIN_SIDE // min(images.shape[1:3])))
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    n, h, w, c = images.shape
    rows = -(-n // columns)
    tiles = np.full((rows * columns, h + GAP, w + GAP, c), GAP_GREY, np.uint8)
    tiles[:n, :h, :w] = images
    table = tiles.reshape(rows, columns, h + GAP, w + GAP, c).swapaxes(1, 2)
    return table.reshape(rows * (h + GAP), columns * (w + GAP), c)[:-GAP, :-GAP]


def save(path: str | pathlib.Path, pixels: np.ndarray) -> None:
    """Writes ``[H, W, 1 or 3]`` uint8 pixels as a PNG file, making its folder."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(path)


def save_grid(path: str | pathlib.Path, images: np.ndarray, columns: int) -> None:
    """`grid` and `save` in one."""
    save(path, grid(images, columns))
