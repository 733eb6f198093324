"""The schedule and the examples of a run's diagnostics: connects `gan_jax.health.diagnostics` to a
config.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from gan_jax.config import Config
from gan_jax.data import Resident, batch_at, load, resident, some
from gan_jax.data.splits import held_out_split
from gan_jax.devices import parallel
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError
from gan_jax.evaluation.classifying import classifies, wrong
from gan_jax.health import monitor
from gan_jax.health.diagnostics import PREFIX, diagnose, recognized_classes
from gan_jax.sampling.conditions import in_turn
from gan_jax.training.divergence import Diverged
from gan_jax.training.stepping import Steps, stepper
from gan_jax.types import Batch, GanState, Metrics

Diagnosis = Callable[[GanState], Metrics]
TESTED = 2_000
"""Held-out examples on which diagnostics test a D that classifies."""


def due(config: Config, step: int) -> bool:
    """Whether the line of metrics of a step has diagnostics: it is the first line at or after a
    multiple of ``diagnose_every``.
    """
    if not config.diagnose_every or (step % config.log_every and step != config.steps):
        return False
    last_line = (step - 1) // config.log_every * config.log_every
    return step // config.diagnose_every > last_line // config.diagnose_every


def diagnosis(gan: Gan, config: Config, mesh: Mesh, steps: Steps) -> Diagnosis | None:
    """The function that computes the diagnostics of a state, on the batch of its next step; None if
    diagnostics are never due.

    Raises:
      ConfigError: if ``diagnose_modes`` needs a classifier but the dataset has no labels.
    """
    if not 0 < config.diagnose_every <= config.steps:
        return None
    split = held_out_split(config, labelled=gan.num_classes > 0)
    held_out = stepper(gan, _held_out(config, split), mesh, 0).batch if split else lambda _: None
    modes = _modes(gan, config, mesh) if config.diagnose_modes else lambda _: {}
    error = _test_error(gan, config, mesh, split)
    return lambda state: (
        diagnose(gan, state, steps.batch(state), held_out(state)) | modes(state) | error(state)
    )


def diagnosis_of_members(gan: Gan, config: Config, mesh: Mesh, steps: Steps) -> Diagnosis | None:
    """Like `diagnosis`, for every member of a population: each value is ``[K]``. All members see
    the same held-out examples.

    Raises:
      ConfigError: if ``diagnose_modes`` is set, which only works for single GANs.
    """
    if config.diagnose_modes:
        raise ConfigError(
            f"diagnose_modes must be 0 for a population, not {config.diagnose_modes}."
        )
    if not 0 < config.diagnose_every <= config.steps:
        return None
    split = held_out_split(config, labelled=gan.num_classes > 0)
    other = _held_out(config, split or config.split)
    held_out = resident(other, parallel.replicated(mesh)) if split else None
    return lambda states: _diagnose_members(gan, states, steps.batch(states), held_out)


@functools.partial(jax.jit, static_argnames="gan")
def _diagnose_members(
    gan: Gan, states: GanState, batches: Batch, held_out: Resident | None
) -> Metrics:
    unseen = held_out and batch_at(held_out, states.step)
    one = lambda inputs: diagnose(gan, inputs[0].replace(step=states.step), inputs[1], unseen)
    return jax.lax.map(one, (states.replace(step=None), batches))


class Watch:
    """Computes the diagnostics that are due, and acts on the findings of `monitor`.

    ``lines``: the lines of metrics so far. ``strict``: every finding counts as divergence; else
    only fatal ones do, and the others are shown as warnings and kept in ``warned``.
    """

    def __init__(
        self, config: Config, diagnosis: Diagnosis | None, lines: list[dict[str, Any]], strict: bool
    ):
        self._config, self._diagnosis, self._lines, self._strict = (
            config,
            diagnosis,
            list(lines),
            strict,
        )
        self.warned: list[str] = []

    def diagnosed(self, state: GanState, step: int) -> dict[str, np.ndarray]:
        """The diagnostics of a step, if they are due."""
        if not self._diagnosis or not due(self._config, step):
            return {}
        return {
            name: np.asarray(value, np.float64)
            for name, value in jax.device_get(self._diagnosis(state)).items()
        }

    def heed(self, step: int, metrics: dict[str, float], warn: Callable[[str], None]) -> None:
        """Checks the line of a step.

        Raises:
          Diverged: if a finding counts as divergence.
        """
        self._lines.append({"step": step, **metrics})
        for finding in monitor.findings(self._lines):
            if finding.fatal or self._strict:
                raise Diverged(finding.text, step, finding.good)
            self.warned.append(finding.text)
            warn(f"Warning: {finding.text}.")


def _held_out(config: Config, split: str) -> Config:
    """The config of held-out minibatches, in the order of the whole split."""
    return dataclasses.replace(
        config, split=split, d_steps=1, fresh_batch=False, labels=0, labelled_batch=0
    )


def _test_error(gan: Gan, config: Config, mesh: Mesh, split: str | None) -> Diagnosis:
    """The test error on held-out examples of a D that classifies: ``diagnostics/test_error``,
    ``()`` float32 in [0, 1].
    """
    if split is None or not classifies(gan):
        return lambda state: {}
    data = load(config.dataset, split, config.framing)
    chosen = some(np.flatnonzero(data.labels >= 0), TESTED)
    if not len(chosen):
        return lambda state: {}
    inputs = parallel.put((data.examples[chosen], data.labels[chosen]), parallel.replicated(mesh))
    return lambda state: {f"{PREFIX}test_error": wrong(gan, state, *inputs)}


def _modes(gan: Gan, config: Config, mesh: Mesh) -> Diagnosis:
    from gan_jax.recognizers import recognizer

    network = recognizer(config.dataset, config.framing)
    n = config.diagnose_modes
    latents = gan.prior.draw(jax.random.key(config.seed), n)
    inputs = parallel.put(
        jax.device_get((network.variables, latents, in_turn(gan, config, n).y)),
        parallel.replicated(mesh),
    )
    return lambda state: recognized_classes(gan, network.network, state, *inputs)
