"""Grids of images, and points over the true ones, as PNG files.

Pillow and Matplotlib are imported where they draw: training steps need neither.
"""

from __future__ import annotations

import io
import math
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

MIN_SIDE = 48
"""Minimum shorter side in pixels; smaller images are enlarged by an integer factor."""
GAP = 2
"""Pixels between two images of a grid."""
GAP_GREY = 64
FONT = 1 / 36
"""Font size of the names above a grid relative to its width, legible on a phone too."""
TEXT_SIZE, TEXT_WIDTH = 16, 1_200
"""Font size of texts, and the width of a picture of several columns of them, in pixels."""
HOP, WIDE = 64, 128
"""The smallest number of samples per column of a spectrogram, and the largest of columns."""
RANGE = 80
"""Decibels from black to white in a spectrogram."""
DRAWN = (1, 3, 4)
"""Numbers of channels that can be drawn: grey, colour, colour and transparency."""


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Images in [-1, 1] as uint8 in [0, 255], rounded and clipped; uint8 is returned unchanged."""
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    return np.clip(np.rint((images.astype(np.float32) + 1) * 127.5), 0, 255).astype(np.uint8)


def rows(*parts: np.ndarray, columns: int) -> np.ndarray:
    """The `grid` of equally many images of each kind: in turn, a row of each.

    Args:
      parts: ``[n, h, w, c]`` uint8 each; grey images beside colour ones are shown in colour.
      columns: images per row; the last rows are filled with black.
    """
    n, channels = len(parts[0]), max(part.shape[-1] for part in parts)
    columns = min(n, columns)
    whole = [np.broadcast_to(part, (*part.shape[:-1], channels)) for part in parts]
    whole = [np.pad(part, [(0, -n % columns), (0, 0), (0, 0), (0, 0)]) for part in whole]
    blocks = [part[i : i + columns] for i in range(0, n, columns) for part in whole]
    return grid(np.concatenate(blocks), columns)


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Tiles images row by row, enlarging small ones by an integer factor.

    Args:
      images: ``[n, h, w, c]``, floats in [-1, 1] or uint8. For numbers of channels other than
        `DRAWN`, the channels are grey panels side by side.
      columns: images per row; the last row may be shorter.

    Returns:
      ``[H, W, c]`` uint8, c one of `DRAWN`.

    Raises:
      ValueError: for another shape.
    """
    images = to_uint8(images)
    if images.ndim != 4 or min(*images.shape, columns) < 1:
        raise ValueError(
            f"images must be non-empty [n, h, w, c] in 1 or more columns, not {images.shape} in "
            f"{columns}."
        )
    n, h, w, c = images.shape
    if c not in DRAWN:
        images = np.moveaxis(images, -1, 2).reshape(n, h, c * w, 1)
        w, c = c * w, 1
    factor = max(1, -(-MIN_SIDE // min(h, w)))
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    h, w = factor * h, factor * w
    rows = -(-n // columns)
    tiles = blank((rows * columns, h + GAP, w + GAP, c))
    tiles[:n, :h, :w] = images
    table = tiles.reshape(rows, columns, h + GAP, w + GAP, c).swapaxes(1, 2)
    return table.reshape(rows * (h + GAP), columns * (w + GAP), c)[:-GAP, :-GAP]


def headed(pixels: np.ndarray, columns: int, names: Mapping[int, str]) -> np.ndarray:
    """A `grid` with names above it.

    Args:
      pixels: ``[H, W, c]`` uint8, of ``columns`` columns.
      names: for each column, from 0, the name that begins at its left side.

    Returns:
      ``[H + h, W, c]`` uint8, where ``h`` is the height of the names.
    """
    from PIL import Image, ImageDraw, ImageFont

    width, step = pixels.shape[1], (pixels.shape[1] + GAP) // columns
    size = max(12, round(FONT * width))
    strip = Image.new("L", (width, round(1.5 * size)), GAP_GREY)
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(size)
    for column, name in names.items():
        draw.text((column * step, strip.height / 2), name, fill=255, font=font, anchor="lm")
    heading = blank((*strip.size[::-1], pixels.shape[2]))
    heading[..., :3] = np.asarray(strip)[:, :, None]
    return np.concatenate([heading, pixels])


def blank(shape: tuple[int, ...]) -> np.ndarray:
    """Opaque grey ``[..., c]`` uint8, as between the images of a grid."""
    grey = np.full(shape, GAP_GREY, np.uint8)
    if shape[-1] == 4:
        grey[..., 3] = 255
    return grey


def spectrograms(waves: np.ndarray) -> np.ndarray:
    """The magnitudes of short-time Fourier transforms in decibels.

    Windows are those of Hann. Columns are `HOP` samples apart, or more, so that there are at most
    `WIDE`.

    Args:
      waves: ``[n, length]`` floats in [-1, 1].

    Returns:
      ``[n, h, w, 1]`` uint8: time from left to right, frequency from 0 at the bottom to half the
      rate at the top; a sine of amplitude 1 is white, and what is `RANGE` decibels below is black.
    """
    waves = np.asarray(waves, np.float32)
    hop = max(HOP, -(-waves.shape[1] // WIDE))
    window, columns = 2 * hop, -(-waves.shape[1] // hop)
    waves = np.pad(waves, ((0, 0), (hop, columns * hop - waves.shape[1])))
    frames = np.lib.stride_tricks.sliding_window_view(waves, window, axis=1)[:, ::hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    magnitudes = np.abs(np.fft.rfft(frames * hann.astype(np.float32))[..., :-1]) / (hann.sum() / 2)
    level = 1 + 20 * np.log10(np.maximum(magnitudes, 1e-9)) / RANGE
    pixels = np.rint(255 * np.clip(level, 0, 1)).astype(np.uint8)
    return pixels.transpose(0, 2, 1)[:, ::-1, :, None]


def texts(lines: Sequence[str]) -> np.ndarray:
    """Texts below and beside each other, light on dark, as pixels ``[H, W, 1]`` uint8: in as many
    columns, of 1, 2, 5 and 10, as `TEXT_WIDTH` holds. What the font lacks is shown as a box.
    """
    from PIL import Image, ImageDraw, ImageFont

    font, step = ImageFont.load_default(TEXT_SIZE), 3 * TEXT_SIZE // 2
    lines = [line.replace("\n", " ") for line in lines]
    width = TEXT_SIZE + max((math.ceil(font.getlength(line)) for line in lines), default=0)
    columns = next((n for n in (10, 5, 2) if n * width <= TEXT_WIDTH), 1)
    rows = -(-len(lines) // columns)
    canvas = Image.new("L", (columns * width, max(rows, 1) * step))
    draw = ImageDraw.Draw(canvas)
    for i, line in enumerate(lines):
        row, column = divmod(i, columns)
        place = column * width + TEXT_SIZE // 2, (row + 0.5) * step
        draw.text(place, line, fill=255, font=font, anchor="lm")
    return np.asarray(canvas)[..., None]


def points(samples: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Samples over real examples: a histogram of numbers, or the first two coordinates of vectors
    in the plane.

    The axes fit the real points, so that pictures of different steps are comparable; the title
    gives the number of samples that are outside or not finite.

    Args:
      samples: ``[n, d]`` floats.
      real: ``[m, d]`` floats.

    Returns:
      ``[480, 480, 3]`` uint8.
    """
    # Without pyplot, which would keep every figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    samples, real = samples[:, :2], real[:, :2]
    low, high = real.min(0), real.max(0)
    margin = 0.15 * (high - low).max() or 1.0
    low, high = low - margin, high + margin
    inside = ((samples >= low) & (samples <= high)).all(1)
    figure = Figure(figsize=(4.8, 4.8), dpi=100, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.add_subplot()
    if real.shape[1] == 1:
        bins = np.linspace(low[0], high[0], 61)
        for values, look in ((real, {"color": "0.75"}), (samples, {"color": "C0", "alpha": 0.6})):
            axes.hist(values[:, 0], bins, weights=np.full(len(values), 1 / len(values)), **look)
    else:
        axes.scatter(*real.T, s=4, color="0.75", linewidths=0)
        axes.scatter(*samples[inside].T, s=4, color="C0", alpha=0.6, linewidths=0)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.set_title(
        f"{len(samples):,} samples"
        + (f", {np.sum(~inside):,} outside" if not inside.all() else ""),
        fontsize=9,
    )
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save(path: str | pathlib.Path, pixels: np.ndarray) -> None:
    """Writes ``[H, W, c]`` uint8 pixels, c one of `DRAWN`, as a PNG file and creates its folder."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(pixels))


def png(pixels: np.ndarray) -> bytes:
    """``[H, W, 1 or 3]`` uint8 pixels as the bytes of a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue()
