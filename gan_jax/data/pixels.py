"""Decodes images and converts them to one mode and size with Pillow.

Only images that have to be converted need this module; training sets from arrays do not.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageColor, ImageOps

LANCZOS = Image.Resampling.LANCZOS
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's mode for each number of channels."""
_DRAFT = 4  # a large JPEG is decoded at a reduced size, but at least this multiple of the final one
_GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N")
_ORIENTATION = 0x0112  # EXIF's tag; values from 5 to 8 exchange width and height


def _cropped(image: Image.Image, side: int, _) -> Image.Image:
    return ImageOps.fit(image, (side, side), LANCZOS)


def _padded(image: Image.Image, side: int, border: tuple[int, ...]) -> Image.Image:
    if max(image.size) > side:
        image = ImageOps.contain(image, (side, side), LANCZOS)
    canvas = Image.new(image.mode, (side, side), border)
    canvas.paste(image, tuple((side - own) // 2 for own in image.size))
    return canvas


def _stretched(image: Image.Image, side: int, _) -> Image.Image:
    return image.resize((side, side), LANCZOS)


FITTED = {"crop": _cropped, "pad": _padded, "stretch": _stretched}
"""``(image, side, border's colour) -> image`` of ``side`` x ``side``."""


def header(content: bytes) -> tuple[int, int, bool]:
    """Height and width of an image file as shown, and whether it is grey.

    Raises:
      Exception: of any kind, if it cannot be decoded.
    """
    with Image.open(io.BytesIO(content)) as image:
        (w, h), turned = image.size, image.getexif().get(_ORIENTATION, 1) > 4
        return (w, h, image.mode in _GREY) if turned else (h, w, image.mode in _GREY)


def decoded(
    content: bytes, shape: tuple[int, ...], fit: str | None, background: str | None
) -> np.ndarray:
    """An image file as ``[h, w, c]`` uint8; arguments are the fields of `framing.Frame`.

    Raises:
      ValueError: if its size differs and no fit is set.
      Exception: of any kind, if it cannot be decoded.
    """
    with Image.open(io.BytesIO(content)) as image:
        if fit:  # decodes a JPEG file at a reduced, still sufficient size
            image.draft(None, (_DRAFT * shape[1], _DRAFT * shape[0]))
        return as_array(image, shape, fit, background)


def converted(
    x: np.ndarray, shape: tuple[int, ...], fit: str | None, background: str | None
) -> np.ndarray:
    """Images ``[m, ...]`` uint8 of one shape as ``[m, h, w, c]`` uint8; otherwise as `decoded`."""
    images = (Image.fromarray(own[..., 0] if own.shape[-1] == 1 else own) for own in x)
    return np.stack([as_array(image, shape, fit, background) for image in images])


def as_array(
    image: Image.Image, shape: tuple[int, ...], fit: str | None, background: str | None
) -> np.ndarray:
    """An image as ``[h, w, c]`` uint8; otherwise as `decoded`."""
    h, w, c = shape
    image = _in_mode(ImageOps.exif_transpose(image), MODES[c], background)
    if fit:
        image = FITTED[fit](image, h, border(background, c))
    elif image.size != (w, h):
        raise ValueError(f"{image.width}x{image.height} pixels instead of {w}x{h}")
    return np.asarray(image).reshape(shape)


def border(background: str | None, channels: int) -> tuple[int, ...]:
    """The colour around an image of this number of channels."""
    if channels not in MODES:  # such as multispectral images
        return (0,)
    color = ImageColor.getcolor(background or "#00000000", MODES[channels])
    return color if isinstance(color, tuple) else (color,)


def opaque(color: str) -> bool:
    """Whether this is a colour without transparency, by name or as #rrggbb."""
    try:
        return len(ImageColor.getrgb(color)) == 3
    except ValueError:
        return False


def _in_mode(image: Image.Image, mode: str, background: str | None) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits per pixel
        values = np.rint(np.asarray(image, np.float32) / 257)
        image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    if mode != "RGBA" and image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, background or "white")
        image = Image.alpha_composite(ground, image)
    return image.convert(mode)
