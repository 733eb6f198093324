"""The evaluation inside of training: when it is due, and of which state."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable

import jax

from gan_jax.config import Config
from gan_jax.devices import processes
from gan_jax.engine.population import member
from gan_jax.sweeps import Population
from gan_jax.types import GanState

PREFIX = "eval/"
"""Of the scores' names in ``metrics.jsonl`` and TensorBoard."""


def due(config: Config, step: int) -> bool:
    """Whether a step is evaluated: at every multiple of ``eval_every``, and at the last one."""
    return config.eval_every > 0 and (step % config.eval_every == 0 or step == config.steps)


def evaluation(
    config: Config,
    population: Population | None,
    workdir: pathlib.Path,
    everywhere: jax.sharding.NamedSharding,
) -> Callable[[GanState], dict[str, float]] | None:
    """What evaluates a state of the run as ``eval.py`` does its checkpoints, writes the same files,
    and returns the scores by name.

    All processes call it, as it gathers the networks; the first one alone evaluates, on its first
    device, while the others wait. The feature network is made here, for the first process.

    Args:
      everywhere: the placement of what each device holds whole.

    Returns:
      None where no evaluation is ever due.

    Raises:
      ConfigError: where the data cannot be judged.
    """
    if not config.eval_every:
        return None
    from gan_jax.evaluation.checkpoints import Evaluator

    evaluator = Evaluator(workdir, config, population)
    if processes.first():
        evaluator.judge.prepare()

    gather = jax.jit(lambda state: state, out_shardings=everywhere)

    def evaluate(state: GanState) -> dict[str, float]:
        own = jax.tree.map(lambda leaf: leaf.addressable_data(0), gather(_networks(state)))
        if not processes.first():
            return {}
        states = (lambda _: own) if population is None else functools.partial(member, own)
        return {PREFIX + name: value for name, value in evaluator.evaluate(states).scores.items()}

    return evaluate


def _networks(state: GanState) -> GanState:
    """The state without what only training needs."""
    trained = lambda player: player.replace(opt_state=())
    return state.replace(
        generator=trained(state.generator),
        discriminator=trained(state.discriminator),
        terms={},
        scalars=None,
        slow=None,
    )
