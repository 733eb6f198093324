"""The interface between the training loop and what it trains."""

from __future__ import annotations

import pathlib
from contextlib import AbstractContextManager
from typing import Protocol

import jax
import numpy as np

from gan_jax.config import Config
from gan_jax.engine.gan import Gan
from gan_jax.training.diagnosing import Diagnosis
from gan_jax.training.stepping import Steps
from gan_jax.types import Array, GanState


class Trainee(Protocol):
    """One GAN on all devices, `gan_jax.training.single.Single`, or a population divided over the
    devices, `gan_jax.training.members.Members`.

    Attributes:
      gan: the GAN, or the first one of a population.
      size: the number of GANs.
      failed: numbers of the members that have failed so far.
      shardings: the sharding of each leaf of the state.
      everywhere: the placement of replicated arrays.
    """

    gan: Gan
    size: int
    failed: tuple[int, ...]
    shardings: GanState
    everywhere: jax.sharding.NamedSharding

    def init(self, returns: int = 0) -> GanState:
        """The state before the first step; a different one for each number of rollbacks to it."""

    def steps(self, start: int) -> Steps:
        """Steps on the training set, from step ``start`` on.

        Raises:
          ConfigError: for a dataset that cannot be loaded.
        """

    def diagnosis(self, steps: Steps) -> Diagnosis | None:
        """The function that computes the diagnostics of a state, on the batch of its next step;
        None if diagnostics are never due.

        Raises:
          ConfigError: for diagnostics that are not available.
        """

    def compile(self, state: GanState, latents: Array, labels: Array) -> None:
        """Compiles the other functions that the loop calls, besides steps and diagnostics."""

    def recording(self, workdir: pathlib.Path, step: int) -> AbstractContextManager[None]:
        """Wraps the loop, which begins at a step, to write further files besides the metrics."""

    def check(self, metrics: dict[str, np.ndarray], first: int, last: int) -> None:
        """Checks the means over the steps from ``first`` to ``last``.

        Raises:
          NotFinite: if a mean that is not finite ends the training.
        """

    def check_state(self, state: GanState, step: int) -> None:
        """Checks a state before it is saved or evaluated. Raises as `check`."""

    def summary(self, step: int, metrics: dict[str, np.ndarray]) -> dict[str, float]:
        """The values of a line of metrics, from means over steps, which are scalars or have
        ``size`` values each.
        """

    def images(self, state: GanState, latents: Array, labels: Array) -> dict[str, np.ndarray]:
        """Samples ``[n, *shape]`` float32 for each picture of a step, by its name."""


def first_key(config: Config, returns: int) -> Array:
    """The random key of a GAN's first state, different for each number of rollbacks."""
    key = jax.random.key(config.seed)
    return jax.random.fold_in(key, returns) if returns else key
