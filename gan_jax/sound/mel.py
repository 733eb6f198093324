"""Log-mel spectrograms with all their settings as one value, and the way back to magnitudes."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np

from gan_jax.errors import ConfigError, whole, within
from gan_jax.sound import spectra
from gan_jax.types import Array


@dataclasses.dataclass(frozen=True)
class Mel:
    """Natural logarithms of the magnitudes in mel bands, plus ``floor``; see
    `gan_jax.sound.spectra.log_mel` for the fields.
    """

    rate: int
    window: int
    hop: int
    mels: int
    low: float
    high: float
    floor: float

    @property
    def bins(self) -> int:
        """Frequencies of a spectrum."""
        return self.window // 2 + 1

    @property
    def filters(self) -> np.ndarray:
        """The bands ``[bins, mels]`` float32."""
        return spectra.mel_filters(self.rate, self.bins, self.mels, self.low, self.high)

    def of(self, waves: Array) -> Array:
        """``[..., length] -> [..., frames, mels]`` float32."""
        given = (self.rate, self.window, self.hop, self.mels, self.low, self.high, self.floor)
        return spectra.log_mel(waves, *given)

    def magnitudes(self, logs: Array) -> Array:
        """Magnitudes ``[..., frames, bins]`` that have nearly these logarithms ``[..., frames,
        mels]``: the pseudo-inverse of the bands, with negative results replaced by 0.
        """
        bands = jnp.maximum(jnp.exp(logs) - self.floor, 0)
        return jnp.maximum(bands @ np.linalg.pinv(self.filters), 0)

    def check(self, field: str) -> None:
        """Refuses settings from which no wave can be computed.

        Raises:
          ConfigError: naming the setting of ``field``.
        """
        spectra.check_frames(field, self.window, self.hop)
        whole(f"{field}.mels", self.mels, 1)
        within(f"{field}.floor", self.floor, "(0, 1]")
        within(f"{field}.high", self.high, f"(0, {self.rate / 2:g}]")
        within(f"{field}.low", self.low, f"[0, {self.high:g})")
        empty = int(np.sum(~self.filters.any(axis=0)))
        if empty:
            raise ConfigError(
                f"{field}.mels {self.mels} is too large: {empty} of the bands contain none of the "
                f"{self.bins} frequencies of a window of {self.window}; use fewer, or a larger "
                "window."
            )
