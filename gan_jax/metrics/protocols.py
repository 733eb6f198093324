"""Protocols: a metric and its number of generated images, in one name such as ``fid50k``.

Scores of different numbers of images are not comparable, so the number is part of the name, unless
the metric has a usual one, as ``cas``.
"""

from __future__ import annotations

import dataclasses
import difflib
import re

from gan_jax.errors import ConfigError
from gan_jax.metrics.estimate import Estimate
from gan_jax.metrics.metric import Inputs, Metric, obstacle
from gan_jax.metrics.registry import METRICS

_NAME = re.compile(r"(?P<metric>.*?)_?(?P<number>\d+)(?P<thousands>k?)")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """``metric``: a key of `METRICS`; ``count``: its number of generated images; ``name``: both, as
    given by the user.
    """

    name: str
    metric: str
    count: int

    @property
    def definition(self) -> Metric:
        return METRICS[self.metric]

    def check(self, features: int, classes: int) -> None:
        """Refuses a count that is too small for ``features`` features and ``classes`` classes (0
        for none).

        Raises:
          ConfigError: for too few images. Call this before images are generated.
        """
        needed = self.definition.fewest(features, classes)
        if self.count < needed:
            whole = f" and {classes} classes" if self.definition.per_class else ""
            raise ConfigError(
                f"metrics: {self.name} has too few images for the {self.definition.title} of "
                f"{features} features{whole}; use {needed} or more."
            )

    def check_inputs(self, inputs: Inputs) -> None:
        """Refuses unsuitable inputs; only their kinds and numbers are used.

        Raises:
          ConfigError: for fewer images than the count, or any other `obstacle`.
        """
        self._own(inputs)

    def measure(self, inputs: Inputs) -> dict[str, Estimate]:
        """The metric's scores of the first ``count`` images.

        Raises:
          ConfigError: as `check_inputs`.
        """
        return self.definition.measure(self._own(inputs))

    def _own(self, inputs: Inputs) -> Inputs:
        made = len(inputs.images.features)
        if made < self.count:
            raise ConfigError(
                f"metrics: {self.name} needs {self.count} images, but there are only {made}."
            )
        inputs = inputs._replace(images=inputs.images.at(slice(self.count)))
        why = obstacle(self.definition, inputs)
        if why is not None:
            raise ConfigError(f"metrics: {self.name} cannot be computed because {why}.")
        return inputs


def parse(text: str) -> tuple[Protocol, ...]:
    """The protocols of a list such as ``fid50k,kid50k,pr10k``, in its order.

    Raises:
      ConfigError: for an unknown metric, with the nearest one and all; for a name without a number,
        an empty one, or one that is given twice.
    """
    protocols = [_protocol(part.strip()) for part in text.split(",")]
    for i, protocol in enumerate(protocols):
        if protocol in protocols[:i]:
            raise ConfigError(f"metrics: {protocol.name} is given twice; give each metric once.")
    return tuple(protocols)


def _protocol(name: str) -> Protocol:
    parts = _NAME.fullmatch(name)
    metric = parts["metric"] if parts else name
    accepted = f"one of {', '.join(sorted(METRICS))}, with a number of images, as in fid50k."
    if metric not in METRICS:
        near = difflib.get_close_matches(metric, METRICS, n=1)
        use = f"did you mean {near[0] + name[len(metric) :]!r}? Use" if near else "use"
        raise ConfigError(f"metrics: {name!r} is unknown; {use} {accepted}")
    usual = METRICS[metric].usual
    if parts is None and usual is not None:
        return Protocol(name, metric, usual)
    if parts is None or int(parts["number"]) == 0:
        raise ConfigError(f"metrics: {name!r} lacks a number of images; use {accepted}")
    return Protocol(name, metric, int(parts["number"]) * (1000 if parts["thousands"] else 1))
