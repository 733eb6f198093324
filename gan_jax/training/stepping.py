"""Many training steps in one call, on a training set that resides on the devices or streams from
the host.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from gan_jax.build import abstract_batch
from gan_jax.config import Config
from gan_jax.data import Dataset, Resident, batch_at, batches, load, resident
from gan_jax.devices import parallel
from gan_jax.engine.gan import Gan
from gan_jax.engine.population import compile_population, train_population, with_seeds
from gan_jax.engine.train_step import train_step, train_steps
from gan_jax.errors import ConfigError
from gan_jax.types import Array, Batch, GanState, Metrics

RESIDENT_SHARE = 0.25
"""Maximum fraction of a device's memory for the training set; a larger one streams."""
READ_AHEAD = 16
"""Number of batches that are read ahead on the host while a training set streams."""


class Steps(NamedTuple):
    """``make(state, n)`` returns the state after ``n`` more steps and the means of their metrics,
    on the device.

    ``compile(state)`` compiles ahead of the first call. ``batch(state)`` returns the batch of the
    next step; for a population, the batches of all members along a first axis.
    """

    make: Callable[[GanState, int], tuple[GanState, Metrics]]
    compile: Callable[[GanState], object]
    batch: Callable[[GanState], Batch]


def stepper(
    gan: Gan,
    config: Config,
    mesh: Mesh,
    start: int,
    placement: parallel.Placement | None = None,
    stream: bool | None = None,
) -> Steps:
    """Steps on the config's training set from step ``start`` on; the batches are the same whether
    it is resident or streamed.

    When streaming, a process reads only its own examples of each batch.

    Args:
      gan, config, mesh: the GAN, its config and its devices.
      start: the number of the first step.
      placement: the placement of the state, as for `train_step`.
      stream: whether the training set stays on the host; by default, if it needs more than
        `RESIDENT_SHARE`.

    Raises:
      ConfigError: for a dataset that cannot be loaded, or a training with too many examples.
    """
    if stream is None:
        stream = not _fits(load(config.dataset, config.split, config.framing))
    if not stream:
        data = resident(config, parallel.replicated(mesh), parallel.split(mesh))
        return Steps(
            make=lambda state, n: train_steps(gan, state, data, n, placement),
            compile=lambda state: train_steps.lower(gan, state, data, 1, placement).compile(),
            batch=lambda state: _batch_at(data, state.step),
        )
    rows = parallel.own_rows(mesh, config.batch_size)
    arriving = parallel.prefetch(batches(config, start, rows, ahead=READ_AHEAD), mesh)
    batch = abstract_batch(config, gan.source, parallel.split(mesh))
    return Steps(
        make=lambda state, n: _streamed(gan, state, arriving, n, placement),
        compile=lambda state: train_step.lower(gan, state, batch, None, placement).compile(),
        batch=lambda state: parallel.put(
            next(batches(config, int(state.step), rows)), parallel.split(mesh)
        ),
    )


def population_stepper(gan: Gan, configs: Sequence[Config], mesh: Mesh) -> Steps:
    """Steps of a population. The members are divided over the mesh, and each goes through the
    training set in its own order.

    Raises:
      ConfigError: as `stepper`, and for a training set that is too large for a device.
    """
    config = configs[0]
    if not _fits(load(config.dataset, config.split, config.framing)):
        raise ConfigError(
            f"seeds: {config.dataset!r} needs more than {RESIDENT_SHARE:.0%} of a device's memory, "
            "and a population cannot stream it; use a smaller dataset or split, or a single GAN."
        )
    data = with_seeds(
        resident(config, parallel.replicated(mesh)), [config.seed for config in configs]
    )
    return Steps(
        make=lambda states, n: train_population(gan, states, data, n, mesh),
        compile=lambda states: compile_population(gan, states, data, mesh),
        batch=lambda states: _batch_of_each(data, states.step),
    )


def _streamed(
    gan: Gan,
    state: GanState,
    arriving: Iterator[Batch],
    n: int,
    placement: parallel.Placement | None,
) -> tuple[GanState, Metrics]:
    state, sums = train_step(gan, state, next(arriving), None, placement)
    for _ in range(n - 1):
        state, metrics = train_step(gan, state, next(arriving), None, placement)
        sums = _add(sums, metrics)
    return state, jax.tree.map(lambda total: total / n, sums)


def _fits(dataset: Dataset) -> bool:
    """Whether the images fit into their fraction of the memory; always true if the device does not
    report its memory, as CPUs do not.
    """
    limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    return limit is None or dataset.examples.nbytes <= RESIDENT_SHARE * limit


_batch_at = jax.jit(batch_at)


@jax.jit
def _batch_of_each(data: Resident, step: Array) -> Batch:
    return jax.lax.map(lambda seed: batch_at(dataclasses.replace(data, seed=seed), step), data.seed)


@jax.jit
def _add(a: Metrics, b: Metrics) -> Metrics:
    return jax.tree.map(jnp.add, a, b)
