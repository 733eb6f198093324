"""Rollback after divergence: to the last good checkpoint, continuing with new random numbers.

An event in ``metrics.jsonl`` records each rollback: ``{"step": TO, "event": "rollback", "from":
..., "reason": ..., "seconds": ...}``. The key of a state is determined by its checkpoint and the
later events, so that a run interrupted at any moment resumes bit-exactly.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import jax

from gan_jax import checkpoint
from gan_jax.devices import processes
from gan_jax.runs import folder, logs
from gan_jax.training.divergence import Diverged
from gan_jax.types import GanState

EVENT = "rollback"
LIMITS = {"stop": 0, "rollback": 3}
"""Maximum number of rollbacks for each value of ``on_divergence``. A fourth divergence points to
the configuration rather than chance.
"""


def events(metrics: pathlib.Path) -> list[dict[str, Any]]:
    """The rollbacks of a run so far, oldest first."""
    return [line for line in logs.lines(metrics, 0) if line.get("event") == EVENT]


def go_back(workdir: pathlib.Path, diverged: Diverged, seconds: float) -> int:
    """Sets later checkpoints aside, removes later evaluations, and records the event. All processes
    call this.

    Args:
      workdir: the run folder; its writers must be closed.
      diverged: the divergence.
      seconds: wall time of the run so far.

    Returns:
      The step to continue from.
    """
    metrics, checkpoints = workdir / folder.METRICS, workdir / folder.CHECKPOINTS
    to = processes.together(
        lambda: target(checkpoint.steps(checkpoints), diverged.good, events(metrics))
    )

    def write() -> None:
        # In this order: without the event, a resumed run diverges again and comes here again.
        checkpoint.set_aside(checkpoints, newest=to, name="diverged")
        folder.forget_evaluations(workdir, newest=to)
        line = {
            "step": to,
            "event": EVENT,
            "from": diverged.step,
            "reason": str(diverged),
            "seconds": round(seconds, 3),
        }
        logs.rewrite(metrics, to, line)

    processes.together(lambda: processes.first() and write())
    return to


def target(steps: Sequence[int], good: float, before: Sequence[dict[str, Any]]) -> int:
    """The step to go back to: the newest good checkpoint, or 0 (a fresh start) if there is none.

    The checkpoint of the last rollback does not count as good if the run diverged again before it
    saved another one.

    Args:
      steps: the steps of the checkpoints, ascending.
      good: the last good step.
      before: the `events` so far.
    """
    steps = [step for step in steps if step <= good]
    if steps and before and steps[-1] == before[-1]["step"]:
        steps.pop()
    return steps[-1] if steps else 0


def with_key(state: GanState, before: Sequence[dict[str, Any]]) -> GanState:
    """A restored state with the key to continue with: its own key, with the numbers of all later
    rollbacks folded in.

    The events later than its checkpoint are those at the end of the record that went back to its
    step or a later one, because a rollback to an earlier step sets all later checkpoints aside.
    """
    step, later = int(state.step), []
    for number, event in reversed(list(enumerate(before, start=1))):
        if event["step"] < step:
            break
        later.append(number)
    fold = jax.jit(jax.random.fold_in, out_shardings=state.key.sharding)
    return state.replace(key=functools.reduce(fold, reversed(later), state.key))
