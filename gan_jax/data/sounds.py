"""Converts sounds of any length, rate and number of channels to one length and rate, mono."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gan_jax.config import Framing
from gan_jax.data.description import Description
from gan_jax.errors import ConfigError
from gan_jax.modality import LOUDEST, Sounds

LONGEST = 1 << 24
"""The largest accepted length in samples."""
RATES = 1_000, 384_000
"""The lowest and highest accepted rate in Hz."""
_FULL = 1 << 15  # the magnitude of a 16-bit sample that stands for 1
_STEP = 0.5  # a peak that rounds to nothing, in steps of 16 bits


@dataclasses.dataclass(frozen=True)
class SoundFrame:
    """The form to which every sound of a data set is converted.

    Attributes:
      shape: (length, 1) of the results. Longer sounds are cut, shorter ones padded with silence at
        the end.
      rate: samples per second of the results.
      stored_rate: that of the data set's sounds, None if each file has its own.
      normalize: the mean of each sound is subtracted, and its peak becomes full scale. Silence
        stays silence.
    """

    shape: tuple[int, ...]
    rate: int
    stored_rate: int | None
    normalize: bool = True

    @property
    def modality(self) -> Sounds:
        return Sounds(self.shape, self.rate)

    @property
    def values(self) -> tuple:
        """What determines the results in addition to the shape."""
        return ("sounds", self.rate, self.normalize)

    def keeps(self, about: Description) -> bool:
        """Whether the stored examples remain as they are."""
        return about.shape == self.shape and about.rate == self.rate and not self.normalize

    def file(self, content: bytes) -> np.ndarray:
        """The content of a sound file as `sound`; what libsndfile reads, such as wav and flac.

        Raises:
          ValueError: if it cannot be decoded.
        """
        x, rate = read(content)
        return self.sound(x, rate)

    def sound(self, x: np.ndarray, rate: int) -> np.ndarray:
        """One sound as ``[length, 1]`` int16; channels are averaged.

        Args:
          x: ``[n]`` or ``[n, channels]``: floats in [-1, 1], or integers of 16 bits.
          rate: samples per second.

        Raises:
          ValueError: for a sound without samples, with values that are not finite, or, unless they
            are normalized, integers of more than 16 bits.
        """
        x = np.asarray(x)
        whole = np.issubdtype(x.dtype, np.integer)
        if x.size:
            x = x.reshape(len(x), -1).mean(1, dtype=np.float64) * (1 if whole else _FULL)
            x = _resampled(x, rate, self.rate)[: self.shape[0]]
        if not x.size:  # also of a sound that is too short for a lower rate
            raise ValueError("no samples")
        if not np.isfinite(x).all():
            raise ValueError("NaN or infinite samples")
        if self.normalize:
            x = x - x.mean()
            peak = np.abs(x).max()
            x *= LOUDEST / peak if peak > _STEP else 0
        elif whole and np.abs(x).max() > _FULL:
            raise ValueError("samples of more than 16 bits")
        framed = np.zeros(self.shape, np.int16)
        framed[: len(x), 0] = np.clip(np.rint(x), -_FULL, _FULL - 1)
        return framed

    def examples(self, x: Sequence[np.ndarray]) -> np.ndarray:
        """Converts ``m`` stored sounds, ``[n]`` or ``[n, channels]``, to ``[m, length, 1]``."""
        assert self.stored_rate is not None, "only files state their own rate"
        return np.stack([self.sound(own, self.stored_rate) for own in x])

    def content(self, shape: tuple[int | None, ...]) -> tuple[int, ...]:
        """The shape of the results, which have no border."""
        return self.shape


def _resampled(x: np.ndarray, rate: int, to: int) -> np.ndarray:
    if rate == to:
        return x
    import soxr

    return soxr.resample(x, rate, to)


def read(content: bytes) -> tuple[np.ndarray, int]:
    """The samples ``[n, channels]`` float32 in [-1, 1] of a sound file, and their rate.

    Raises:
      ValueError: for an empty file, or one that libsndfile cannot read.
    """
    with _opened(content) as file:
        return file.read(dtype="float32", always_2d=True), file.samplerate


def header(content: bytes) -> tuple[int, int]:
    """The length in samples of a sound file, and its rate.

    Raises:
      ValueError: as `read`, and for a file without samples.
    """
    with _opened(content) as file:
        if not file.frames:
            raise ValueError("no samples")
        return file.frames, file.samplerate


@contextlib.contextmanager
def _opened(content: bytes) -> Iterator[Any]:
    import soundfile

    if not content:
        raise ValueError("an empty file")
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            yield file
    except soundfile.LibsndfileError as error:
        raise ValueError("not a readable sound") from error


def sound_frame(about: Description, framing: Framing) -> SoundFrame:
    """The form to which the sounds of a data set are converted.

    Raises:
      ConfigError: for a value that is not accepted, or one that is missing because the sounds
        vary.
    """
    length, rate = framing.length, framing.rate
    if length is not None and not 1 <= length <= LONGEST:
        raise ConfigError(f"length must be between 1 and {LONGEST} samples, not {length}.")
    if rate is not None:
        check_rate(rate)
    if rate is None and about.rate is None:
        raise ConfigError(
            f"rate is required because the sounds of {about.name} vary in rate; set the samples "
            "per second to which they are resampled, such as 16000."
        )
    if length is None and about.shape[0] is None:
        raise ConfigError(
            f"length is required because the sounds of {about.name} vary in length; set the number "
            "of samples to which they are cut or padded, such as 4096."
        )
    rate = rate or about.rate
    if length is None:
        length = about.shape[0] if about.rate is None else -(-about.shape[0] * rate // about.rate)
    return SoundFrame((length, 1), rate, about.rate, framing.normalize)


def check_rate(rate: int) -> None:
    """Refuses a rate that no sound has.

    Raises:
      ConfigError: naming the accepted range.
    """
    low, high = RATES
    if not isinstance(rate, int) or not low <= rate <= high:
        raise ConfigError(f"rate must be an integer between {low} and {high} Hz, not {rate!r}.")
