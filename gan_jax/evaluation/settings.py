"""What an evaluation measures: which metrics, of which samples, in which features."""

from __future__ import annotations

import dataclasses

from gan_jax.errors import ConfigError, is_seed
from gan_jax.metrics import BASIC, METRICS, Protocol, parse
from gan_jax.recognizers.feature_networks import DEFAULT
from gan_jax.sampling.filters import Filters

NUM_SAMPLES = 2_000
"""Samples drawn where nothing else says how many."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is measured, of which samples, in which features. Scores of equal settings compare.

    ``num_samples``: None for the largest number of the protocols, or `NUM_SAMPLES` without any.
    ``seed``: determines the latents, and chance where a metric needs it. ``metrics``: protocols
    such as ``fid10k,kid10k``. ``features``: one of
    `gan_jax.recognizers.feature_networks.FEATURES`. ``truncation``: latents are drawn within
    [-truncation, truncation].
    """

    num_samples: int | None = None
    seed: int = 0
    metrics: str | None = None
    features: str = DEFAULT
    truncation: float | None = None

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """Raises `ConfigError` as `gan_jax.metrics.parse`."""
        return () if self.metrics is None else parse(self.metrics)

    @property
    def count(self) -> int:
        """How many samples are drawn."""
        asked = max((protocol.count for protocol in self.protocols), default=NUM_SAMPLES)
        return asked if self.num_samples is None else self.num_samples

    @property
    def suffix(self) -> str:
        """What the names of the files have in addition where the settings are not the default: each
        such setting, in this order.
        """
        parts = [
            "-".join(protocol.name for protocol in self.protocols),
            f"n{self.count}" if not self.protocols and self.count != NUM_SAMPLES else "",
            self.features if self.features != DEFAULT else "",
            f"psi{self.truncation}" if self.truncation is not None else "",
            f"seed{self.seed}" if self.seed else "",
        ]
        return "".join(f"_{part}" for part in parts if part)

    def check(self, features: int, num_classes: int) -> None:
        """Refuses settings that cannot be met in ``features`` features, of a GAN with so many
        classes (0 for none).

        Raises:
          ConfigError: for a number out of range, or too few samples for a score.
        """
        is_seed("seed", self.seed)
        Filters(self.truncation).check(num_classes)
        if self.protocols and self.num_samples is not None:
            raise ConfigError(
                f"num_samples: {self.num_samples} beside metrics, whose names say it; "
                "accepted: one of both."
            )
        for protocol in self.protocols:
            protocol.check(features, num_classes)
        if self.protocols:
            return
        needed, title = max(
            (METRICS[name].min_images(features), METRICS[name].title) for name in BASIC
        )
        if self.count < needed:
            raise ConfigError(
                f"num_samples: {self.count} samples are too few for the {title} of {features} "
                f"features; accepted: {needed} or more."
            )


DEFAULT_SETTINGS = Settings()
