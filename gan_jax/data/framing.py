"""How images of any size and mode become equal arrays: one size, one number of channels, one
background.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageColor, ImageOps

from gan_jax.config import Framing
from gan_jax.data.description import Description
from gan_jax.errors import ConfigError, one_of
from gan_jax.modality import Images

LANCZOS = Image.Resampling.LANCZOS
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's mode by number of channels."""
_DRAFT = 4  # times the final size, where a large file is decoded at a fraction of its own
LARGEST = 1 << 14
"""Pixels of the longest side that is accepted."""


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


FITS = {"crop": _cropped, "pad": _padded, "stretch": _stretched}
"""``(image, side, border's colour) -> image`` of ``side`` x ``side``."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """What every image of a data set is brought to.

    Attributes:
      shape: (h, w, c) of the results, or (d,) of vectors, which stay as they are.
      fit: one of `FITS`; None where no image changes its size.
      background: colour under transparent pixels and of borders; None: white under transparent
        pixels, black borders.
    """

    shape: tuple[int, ...]
    fit: str | None = None
    background: str | None = None

    def image(self, image: Image.Image) -> np.ndarray:
        """One image as ``[h, w, c]`` uint8.

        Raises:
          ValueError: where it has another size and no fit is set.
        """
        h, w, c = self.shape
        image = self._converted(ImageOps.exif_transpose(image), MODES[c])
        if self.fit:
            image = FITS[self.fit](image, h, self._border(image.mode))
        elif image.size != (w, h):
            raise ValueError(f"{image.width}x{image.height} pixels instead of {w}x{h}")
        return np.asarray(image).reshape(self.shape)

    def examples(self, x: np.ndarray) -> np.ndarray:
        """Examples ``[m, ...]`` of one shape, as a data set stores them, as ``[m, *shape]``."""
        if x.shape[1:] == self.shape:
            return x
        larger = any(own > to for own, to in zip(x.shape[1:3], self.shape, strict=False))
        if self.fit != "pad" or larger or x.shape[-1] != self.shape[-1]:
            return np.stack([self.image(_pillow(own)) for own in x])
        framed = np.empty((len(x), *self.shape), x.dtype)
        framed[:] = self._border(MODES.get(self.shape[-1], ""))
        top, left = ((to - own) // 2 for own, to in zip(x.shape[1:3], self.shape, strict=False))
        framed[:, top : top + x.shape[1], left : left + x.shape[2]] = x
        return framed

    def content(self, shape: tuple[int | None, ...]) -> tuple[int, ...]:
        """What lies within the border of images that are stored with a shape (h, w, c): the shape
        of the middle that they fill.
        """
        fills = None in shape or max(shape[:2]) > max(self.shape[:2])
        return self.shape if self.fit != "pad" or fills else (*shape[:2], self.shape[2])

    def _border(self, mode: str) -> tuple[int, ...]:
        if mode not in MODES.values():  # channels without names, such as those of a satellite
            return (0,)
        color = ImageColor.getcolor(self.background or "#00000000", mode)
        return color if isinstance(color, tuple) else (color,)

    def _converted(self, image: Image.Image, mode: str) -> Image.Image:
        if image.mode.startswith("I"):  # 16 bits a pixel
            values = np.rint(np.asarray(image, np.float32) / 257)
            image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
        if mode != "RGBA" and image.has_transparency_data:
            image = image.convert("RGBA")
            ground = Image.new("RGBA", image.size, self.background or "white")
            image = Image.alpha_composite(ground, image)
        return image.convert(mode)


def as_framing(framing: Framing | int | None) -> Framing:
    """All of how images are made equal, where perhaps only a size is said."""
    return framing if isinstance(framing, Framing) else Framing(framing)


def frame_of(about: Description, framing: Framing | int | None) -> Frame:
    """What the examples of a data set are brought to.

    Raises:
      ConfigError: for a value that is not accepted, or that has no effect on such examples.
    """
    framing = as_framing(framing)
    if not isinstance(about.modality, Images):
        for field in ("size", "fit", "channels", "background"):
            if (value := getattr(framing, field)) is not None:
                raise ConfigError(
                    f"{field}: {value} cannot be had of {about.modality}; accepted: None."
                )
        return Frame(about.shape)
    h, w, stored = about.shape
    size, channels = framing.size, framing.channels or stored
    fit = one_of("fit", framing.fit, FITS) if framing.fit is not None else about.fit
    _check_size(about, framing)
    if framing.channels not in (None, *MODES):
        raise ConfigError(f"channels: {framing.channels}; accepted: {', '.join(map(str, MODES))}.")
    shape = (size or h, size or w, channels)
    frame = Frame(shape, fit if size else None, framing.background)
    if stored not in MODES:  # Pillow has no name for such images
        _check_untouched(about, frame)
    _check_background(about, frame)
    return frame


def decode(
    frame: Frame, names: Sequence[str], read: Callable[[str], bytes]
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Image files, decoded by several threads.

    Args:
      frame: what they are brought to.
      names: of ``n`` files.
      read: gives the content of the file of a name; called by several threads at once.

    Returns:
      The images ``[m, h, w, c]`` uint8 that can be decoded; which ones these are, ``[n]`` bool; and
      the names of the others, each with the reason.
    """

    def one(name: str) -> np.ndarray | str:
        try:
            with Image.open(io.BytesIO(read(name))) as image:
                if frame.fit:  # a JPEG file is decoded at a fraction of its size, still large
                    image.draft(None, (_DRAFT * frame.shape[1], _DRAFT * frame.shape[0]))
                return frame.image(image)
        except Exception as error:  # decoders raise of every kind
            return f"{name} ({first_line(error)})"

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(one, names))
    kept = np.array([not isinstance(result, str) for result in results], bool)
    images = np.empty((kept.sum(), *frame.shape), np.uint8)
    for i, place in enumerate(np.flatnonzero(kept)):
        images[i] = results[place]
    return images, kept, tuple(result for result in results if isinstance(result, str))


def first_line(error: BaseException) -> str:
    """What went wrong with an image, in a few words."""
    text = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, Image.UnidentifiedImageError):
        return "no image that can be read"
    return text.rstrip(".") or type(error).__name__


def _check_size(about: Description, framing: Framing) -> None:
    h, w, _ = about.shape
    size, fits = framing.size, "accepted: crop, pad or stretch beside a size"
    if size is None:
        if framing.fit is not None:
            raise ConfigError(f"fit: {framing.fit} changes nothing without a size; {fits}.")
        if h is None:
            raise ConfigError(
                f"size: the images of {about.name} vary in size; accepted: the side of the square "
                "that they are brought to, such as 64."
            )
        return
    if not 1 <= size <= LARGEST:
        raise ConfigError(f"size: {size}; accepted: 1 to {LARGEST}.")
    if framing.fit is None and about.fit == "pad" and size < max(h, w):
        raise ConfigError(
            f"size: {size} is smaller than the images, which are {h}x{w}; accepted: {max(h, w)} "
            "or more, or a fit, which is crop, pad or stretch."
        )


def _check_untouched(about: Description, frame: Frame) -> None:
    """Refuses what would change more of images than to pad them."""
    h, w, stored = about.shape
    padded = frame.fit in (None, "pad") and frame.shape[0] >= h and frame.shape[1] >= w
    if not padded or frame.shape[2] != stored:
        raise ConfigError(
            f"size: images of {stored} channels can be padded only; accepted: {max(h, w)} or more."
        )


def _check_background(about: Description, frame: Frame) -> None:
    if frame.background is None:
        return
    try:
        opaque = len(ImageColor.getrgb(frame.background)) == 3
    except ValueError:
        opaque = False
    if not opaque:
        raise ConfigError(
            f"background: {frame.background!r} is not a colour; accepted: a name such as white, or "
            "#rrggbb."
        )
    if frame.shape[2] == 4 or (about.fit == "pad" and frame.fit != "pad"):
        why = "transparency is kept" if frame.shape[2] == 4 else "nothing is transparent or padded"
        raise ConfigError(f"background: {frame.background!r}, but {why}; accepted: None.")


def _pillow(x: np.ndarray) -> Image.Image:
    """``[h, w, c]`` uint8, c in `MODES`."""
    return Image.fromarray(x[..., 0] if x.shape[-1] == 1 else x)
