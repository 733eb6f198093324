"""Converts images of any size and mode to arrays of one size, number of channels and background;
and chooses the form of all kinds of examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from gan_jax.config import Framing
from gan_jax.data.description import Description
from gan_jax.data.sounds import SoundFrame, sound_frame
from gan_jax.data.texts import TextFrame, text_frame
from gan_jax.errors import ConfigError, one_of
from gan_jax.modality import Images, Modality, Sounds, Text, of_shape
from gan_jax.pictures import DRAWN

if TYPE_CHECKING:
    from PIL import Image

LARGEST = 1 << 14
"""The largest accepted side in pixels."""
FIELDS: dict[type[Modality], tuple[str, ...]] = {
    Images: ("size", "fit", "channels", "background"),
    Sounds: ("length", "rate", "normalize"),
    Text: ("length", "tokens", "field"),
}
"""The fields of `Framing` that apply to each kind of example."""


FITS = ("crop", "pad", "stretch")
"""How an image is brought to another size; `gan_jax.data.pixels` has a function for each."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """The format to which every image of a data set is converted.

    Attributes:
      shape: (h, w, c) of the results, or (d,) of vectors, which are not changed.
      fit: one of `FITS`; None if no image is resized.
      background: colour under transparent pixels and of borders; None: white under transparent
        pixels, black borders.
    """

    shape: tuple[int, ...]
    fit: str | None = None
    background: str | None = None

    @property
    def modality(self) -> Modality:
        """The kind of the results."""
        return of_shape(self.shape)

    @property
    def values(self) -> tuple:
        """What determines the results in addition to the shape."""
        plain = self.fit in (None, "pad") and self.background is None
        return () if plain else (self.fit, self.background)

    def keeps(self, about: Description) -> bool:
        """Whether the stored examples remain as they are."""
        return about.shape == self.shape

    def file(self, content: bytes) -> np.ndarray:
        """The content of an image file as `image`.

        Raises:
          Exception: of any kind, if it cannot be decoded.
        """
        from gan_jax.data import pixels

        return pixels.decoded(content, self.shape, self.fit, self.background)

    def image(self, image: Image.Image) -> np.ndarray:
        """An image of Pillow as ``[h, w, c]`` uint8.

        Raises:
          ValueError: if its size differs and no fit is set.
        """
        from gan_jax.data import pixels

        return pixels.as_array(image, self.shape, self.fit, self.background)

    def examples(self, x: np.ndarray) -> np.ndarray:
        """Converts stored examples ``[m, ...]`` of one shape to ``[m, *shape]``."""
        if x.shape[1:] == self.shape:
            return x
        from gan_jax.data import pixels

        larger = any(own > to for own, to in zip(x.shape[1:3], self.shape, strict=False))
        if self.fit != "pad" or larger or x.shape[-1] != self.shape[-1]:
            return pixels.converted(x, self.shape, self.fit, self.background)
        framed = np.empty((len(x), *self.shape), x.dtype)
        framed[:] = pixels.border(self.background, self.shape[-1])
        top, left = ((to - own) // 2 for own, to in zip(x.shape[1:3], self.shape, strict=False))
        framed[:, top : top + x.shape[1], left : left + x.shape[2]] = x
        return framed

    def content(self, shape: tuple[int | None, ...]) -> tuple[int, ...]:
        """The shape of the area inside the border, for images stored with a shape (h, w, c)."""
        fills = None in shape or max(shape[:2]) > max(self.shape[:2])
        return self.shape if self.fit != "pad" or fills else (*shape[:2], self.shape[2])


Form = Frame | SoundFrame | TextFrame
"""The form to which the examples of a data set are converted."""


def as_framing(framing: Framing | int | None) -> Framing:
    """A framing; an integer stands for a size only."""
    return framing if isinstance(framing, Framing) else Framing(framing)


def frame_of(about: Description, framing: Framing | int | None) -> Form:
    """The format to which the examples of a data set are converted.

    Raises:
      ConfigError: for a value that is not accepted, or that has no effect on such examples.
    """
    framing = as_framing(framing)
    _check_fields(about, framing)
    if isinstance(about.modality, Sounds):
        return sound_frame(about, framing)
    if isinstance(about.modality, Text):
        return text_frame(about, framing)
    if not isinstance(about.modality, Images):
        return Frame(about.shape)
    h, w, stored = about.shape
    size, channels = framing.size, framing.channels or stored
    fit = one_of("fit", framing.fit, FITS) if framing.fit is not None else about.fit
    _check_size(about, framing)
    if framing.channels not in (None, *DRAWN):
        raise ConfigError(f"channels must be 1, 3 or 4, not {framing.channels}.")
    shape = (size or h, size or w, channels)
    frame = Frame(shape, fit if size else None, framing.background)
    if stored not in DRAWN:  # Pillow has no name for such images
        _check_untouched(about, frame)
    _check_background(about, frame)
    return frame


def decode(
    frame: Form, names: Sequence[str], read: Callable[[str], bytes]
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Files, decoded by several threads.

    Args:
      frame: the format of the results.
      names: the names of ``n`` files.
      read: returns the content of a file by its name; called by several threads at once.

    Returns:
      The decoded examples ``[m, *frame.shape]``; a mask ``[n]`` bool of the files that could be
      decoded; and the names of the others, each with the reason.
    """

    def one(name: str) -> np.ndarray | str:
        try:
            return frame.file(read(name))
        except Exception as error:  # decoders raise all kinds of exceptions
            return f"{name} ({first_line(error)})"

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(one, names))
    kept = np.array([not isinstance(result, str) for result in results], bool)
    examples = np.empty((kept.sum(), *frame.shape), frame.modality.stored)
    for i, place in enumerate(np.flatnonzero(kept)):
        examples[i] = results[place]
    return examples, kept, tuple(result for result in results if isinstance(result, str))


def first_line(error: BaseException) -> str:
    """Why a file could not be decoded, in a few words."""
    text = (str(error).strip().splitlines() or [""])[0]
    if type(error).__name__ == "UnidentifiedImageError":  # Pillow's
        return "not a readable image"
    return text.rstrip(".") or type(error).__name__


def _check_fields(about: Description, framing: Framing) -> None:
    """Refuses the fields of other kinds of examples."""
    own = FIELDS.get(type(about.modality), ())
    for field in (name for names in FIELDS.values() for name in names if name not in own):
        value = getattr(framing, field)
        if value != getattr(Framing, field):
            raise ConfigError(f"{field} {value} does not apply to {about.modality}; leave it out.")


def _check_size(about: Description, framing: Framing) -> None:
    h, w, _ = about.shape
    size = framing.size
    if size is None:
        if framing.fit is not None:
            raise ConfigError(f"fit {framing.fit} has no effect without a size; set size too.")
        if h is None:
            raise ConfigError(
                f"size is required because the images of {about.name} vary in size; set the side "
                "of the square to which they are resized, such as 64."
            )
        return
    if not 1 <= size <= LARGEST:
        raise ConfigError(f"size must be between 1 and {LARGEST}, not {size}.")
    if framing.fit is None and about.fit == "pad" and size < max(h, w):
        raise ConfigError(
            f"size {size} is smaller than the images, which are {h}x{w}; use {max(h, w)} or more, "
            "or set fit to crop, pad or stretch."
        )


def _check_untouched(about: Description, frame: Frame) -> None:
    """Refuses anything but padding."""
    h, w, stored = about.shape
    padded = frame.fit in (None, "pad") and frame.shape[0] >= h and frame.shape[1] >= w
    if not padded or frame.shape[2] != stored:
        raise ConfigError(
            f"size and channels: images with {stored} channels can only be padded; use a size of "
            f"{max(h, w)} or more, and leave out channels."
        )


def _check_background(about: Description, frame: Frame) -> None:
    if frame.background is None:
        return
    from gan_jax.data import pixels

    if not pixels.opaque(frame.background):
        raise ConfigError(
            f"background {frame.background!r} is not a colour; use a name such as white, or "
            "#rrggbb."
        )
    if frame.shape[2] == 4 or (about.fit == "pad" and frame.fit != "pad"):
        why = "transparency is kept" if frame.shape[2] == 4 else "nothing is transparent or padded"
        raise ConfigError(
            f"background {frame.background!r} has no effect because {why}; leave it out."
        )
