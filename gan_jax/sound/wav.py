"""Sounds as WAV files to listen to."""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Sequence

import numpy as np

LONGEST = 40
"""Characters of a class in the name of a file."""
GAP = 0.15
"""Seconds of silence between two sounds of a file."""
BESIDE_REAL = "beside_real"
"""In place of a class: the file of the samples of an evaluation, each before a real sound."""


def encoded(sound: np.ndarray, rate: int) -> bytes:
    """A sound ``[n]`` int16 as the bytes of a WAV file."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, rate, len(sound), "NONE", ""))  # one channel, two bytes
        file.writeframes(sound.astype("<i2").tobytes())
    return content.getvalue()


def gap(rate: int) -> int:
    """Samples of silence after each sound of a file."""
    return round(GAP * rate)


def one_after_another(waves: np.ndarray, rate: int) -> bytes:
    """Sounds ``[m, n]`` int16 as one WAV file, with silence between them."""
    apart = np.pad(waves, ((0, 0), (0, gap(rate))))
    return encoded(apart.ravel(), rate)


def by_class(
    waves: np.ndarray, labels: np.ndarray, names: Sequence[str], rate: int
) -> dict[str, bytes]:
    """A WAV file for each class that occurs, or a single one with the name "all" without classes.

    Args:
      waves: ``[m, n]`` int16.
      labels: ``[m]`` integers, the classes of the sounds; ignored without names.
      names: of the classes.
      rate: samples per second.

    Returns:
      Files by the name of the class, see `file_names`.
    """
    if not names:
        return {"all": one_after_another(waves, rate)}
    known = file_names(names)
    return {
        known[label]: one_after_another(waves[labels == label], rate) for label in np.unique(labels)
    }


def file_names(names: Sequence[str]) -> list[str]:
    """Class names as different parts of file names: at most `LONGEST` characters, in which
    everything but letters, digits and hyphens is an underscore; numbered, if some would be equal.
    """
    found = [re.sub(r"[^\w-]", "_", name)[:LONGEST] for name in names]
    if len(set(found)) < len(found):
        found = [f"{i}_{name}" for i, name in enumerate(found)]
    return found
