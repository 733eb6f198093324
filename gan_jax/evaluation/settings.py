"""The settings of an evaluation: metrics, samples and features."""

from __future__ import annotations

import dataclasses
from typing import Any

from gan_jax.errors import ConfigError, is_seed
from gan_jax.metrics import BASIC, METRICS, Protocol, parse
from gan_jax.recognizers.feature_networks import DEFAULT
from gan_jax.sampling.filters import Filters

NUM_SAMPLES = 2_000
"""Default number of samples."""
_IN_FILE_NAMES = str.maketrans({"[": "-", ":": "to", "]": "", "%": "pct", " ": "-"})
"""What replaces the marks of a split in file names."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The metrics, samples and features of an evaluation. Scores with equal settings are
    comparable.

    Attributes:
      num_samples: the number of samples; None for the largest number in ``metrics``, or
        `NUM_SAMPLES` without ``metrics``.
      seed: determines the latents and the random choices of metrics.
      metrics: metrics with their numbers of samples, such as ``fid10k,kid10k``.
      features: one of `gan_jax.recognizers.feature_networks.FEATURES`, or a data set with such
        examples, whose classifier extracts them.
      truncation: latents are drawn within [-truncation, truncation].
      standing_statistics: G normalizes by standing statistics, see
        `gan_jax.engine.trained.with_standing_statistics`.
      temperature: of the generator, for texts; None: as in training.
      held_out: the split of the real examples with which samples are compared, and on which a D
        that classifies is tested; None: the test split of the dataset. With it, choices can be made
        without test examples.
    """

    num_samples: int | None = None
    seed: int = 0
    metrics: str | None = None
    features: str = DEFAULT
    truncation: float | None = None
    standing_statistics: bool = False
    temperature: float | None = None
    held_out: str | None = None

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """Raises `ConfigError` as `gan_jax.metrics.parse`."""
        return () if self.metrics is None else parse(self.metrics)

    @property
    def count(self) -> int:
        """The number of samples to draw."""
        asked = max((protocol.count for protocol in self.protocols), default=NUM_SAMPLES)
        return asked if self.num_samples is None else self.num_samples

    @property
    def suffix(self) -> str:
        """The suffix of file names that lists all non-default settings."""
        parts = [
            "-".join(protocol.name for protocol in self.protocols),
            f"n{self.count}" if not self.protocols and self.count != NUM_SAMPLES else "",
            self.features.replace("/", "-") if self.features != DEFAULT else "",
            f"psi{self.truncation}" if self.truncation is not None else "",
            "standing" if self.standing_statistics else "",
            f"temperature{self.temperature}" if self.temperature is not None else "",
            f"seed{self.seed}" if self.seed else "",
            self.held_out.translate(_IN_FILE_NAMES) if self.held_out else "",
        ]
        return "".join(f"_{part}" for part in parts if part)

    def as_json(self) -> dict[str, Any]:
        """All settings; without ``held_out`` if it is None, as earlier evaluations do not have
        it.
        """
        own = dataclasses.asdict(self)
        return own if self.held_out is not None else {k: own[k] for k in own if k != "held_out"}

    def check(self, features: int, num_classes: int) -> None:
        """Refuses settings that cannot be met with ``features`` features and a GAN with
        ``num_classes`` classes (0 for none).

        Raises:
          ConfigError: for a number out of range, or too few samples for a score.
        """
        is_seed("seed", self.seed)
        Filters(self.truncation).check(num_classes)
        if self.protocols and self.num_samples is not None:
            raise ConfigError(
                f"num_samples {self.num_samples} conflicts with metrics, whose names already set "
                "the number; pass one of them."
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
                f"num_samples must be at least {needed} for the {title} of {features} features, "
                f"not {self.count}."
            )


DEFAULT_SETTINGS = Settings()
