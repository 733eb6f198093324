"""Evaluation during training: its schedule and its states."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable

import jax

from gan_jax.config import Config
from gan_jax.devices import processes
from gan_jax.runs.run import Run
from gan_jax.types import GanState

PREFIX = "eval/"
"""Prefix of the scores in ``metrics.jsonl`` and TensorBoard."""


Evaluate = Callable[[GanState], dict[str, float]]


def due(config: Config, step: int) -> bool:
    """Whether a step is evaluated: at every multiple of ``eval_every``, and at the last one."""
    return config.eval_every > 0 and (step % config.eval_every == 0 or step == config.steps)


def evaluation(
    run: Run,
    workdir: pathlib.Path,
    everywhere: jax.sharding.NamedSharding,
) -> Evaluate | None:
    """The function that evaluates a state of the run as ``eval.py`` does, writes the same files,
    and returns the scores by name.

    All processes call it, because it gathers the networks; only the first one evaluates, on its
    first device, while the others wait. The feature extractor of the first process is made here.

    Args:
      run, workdir: the run and its folder.
      everywhere: the placement of replicated arrays.

    Returns:
      The function; None if evaluations are never due.

    Raises:
      ConfigError: if the data cannot be evaluated.
    """
    if not run.config.eval_every:
        return None
    from gan_jax.evaluation.checkpoints import RunEvaluator

    evaluator = RunEvaluator(workdir, run)
    if processes.first():
        evaluator.prepare()

    gather = jax.jit(lambda state: state, out_shardings=everywhere)

    def evaluate(state: GanState) -> dict[str, float]:
        own = jax.tree.map(lambda leaf: leaf.addressable_data(0), gather(_networks(state)))
        if not processes.first():
            return {}
        scores = evaluator.evaluate(functools.partial(run.member, own)).scores
        return {PREFIX + name: value for name, value in scores.items()}

    return evaluate


def _networks(state: GanState) -> GanState:
    """The state without the parts that only training needs."""
    seen = lambda player: player.replace(opt_state=(), terms={}, slow=None, memory=None)
    return state.replace(generator=seen(state.generator), discriminator=seen(state.discriminator))
