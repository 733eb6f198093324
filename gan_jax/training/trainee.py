"""What the training loop trains, whatever it is."""

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
    """One GAN on all devices, `gan_jax.training.single.Single`, or a population that the devices
    divide, `gan_jax.training.members.Members`.

    Attributes:
      gan: the GAN, or a population's first one.
      size: the number of GANs.
      failed: numbers of the members that have failed so far.
      shardings: where each leaf of the state lies.
      everywhere: the placement of what each device holds whole.
    """

    gan: Gan
    size: int
    failed: tuple[int, ...]
    shardings: GanState
    everywhere: jax.sharding.NamedSharding

    def init(self, returns: int = 0) -> GanState:
        """The state before the first step; another one after each of some returns to it."""

    def steps(self, start: int) -> Steps:
        """Steps on the training set, from step ``start`` on.

        Raises:
          ConfigError: for a data set that cannot be had.
        """

    def diagnosis(self, steps: Steps) -> Diagnosis | None:
        """What diagnoses a state, on the batch of its next step; None where that is never due.

        Raises:
          ConfigError: for a diagnosis that cannot be made.
        """

    def compile(self, state: GanState, latents: Array, labels: Array) -> None:
        """Compiles what else the loop calls, besides the steps and the diagnosis."""

    def recording(self, workdir: pathlib.Path, step: int) -> AbstractContextManager[None]:
        """Around the loop, which begins at a step: what is written besides the run's metrics."""

    def check(self, metrics: dict[str, np.ndarray], first: int, last: int) -> None:
        """Looks at the means over the steps from ``first`` to ``last``.

        Raises:
          NotFinite: where one that is not finite ends the training.
        """

    def check_state(self, state: GanState, step: int) -> None:
        """Looks at a state that shall be saved or evaluated. Raises as `check`."""

    def summary(self, step: int, metrics: dict[str, np.ndarray]) -> dict[str, float]:
        """The numbers of a line of metrics, from means over steps, which have ``size`` values each
        or are scalars.
        """

    def images(self, state: GanState, latents: Array, labels: Array) -> dict[str, np.ndarray]:
        """Samples ``[n, *shape]`` float32 for each picture of a step, by the picture's name."""


def first_key(config: Config, returns: int) -> Array:
    """The random key that a GAN's first state is made from; another one after so many returns."""
    key = jax.random.key(config.seed)
    return jax.random.fold_in(key, returns) if returns else key
