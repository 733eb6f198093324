"""Going back from divergence: to the last good checkpoint, from there with other random numbers.

An event in ``metrics.jsonl`` records each return: ``{"step": TO, "event": "rollback", "from": ...,
"reason": ..., "seconds": ...}``. The key of a state follows from its checkpoint and from the events
after it, so that a run that is interrupted and resumed, at any moment, goes the way of one that was
not.
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
"""How often a run may go back, by what is to be done on divergence. Who diverges a fourth time has
another problem than bad luck.
"""


def events(metrics: pathlib.Path) -> list[dict[str, Any]]:
    """The rollbacks of a run so far, oldest first."""
    return [line for line in logs.lines(metrics, 0) if line.get("event") == EVENT]


def go_back(workdir: pathlib.Path, diverged: Diverged, seconds: float) -> int:
    """Sets later checkpoints aside, removes later evaluations, and records the event. All processes
    call this.

    Args:
      workdir: the run folder, whose writers are closed.
      diverged: why.
      seconds: that the run has taken so far.

    Returns:
      The step to go on from.
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
    """The step to go back to: that of the newest good checkpoint, 0 (a new beginning) where there
    is none.

    A checkpoint from which the last return started is not good, if the run diverged again before it
    saved another one.

    Args:
      steps: of the checkpoints, ascending.
      good: the last good step.
      before: the `events` so far.
    """
    steps = [step for step in steps if step <= good]
    if steps and before and steps[-1] == before[-1]["step"]:
        steps.pop()
    return steps[-1] if steps else 0


def with_key(state: GanState, before: Sequence[dict[str, Any]]) -> GanState:
    """A restored state with the key that it goes on with: its own, with the numbers of all later
    returns folded into it.

    Later than its checkpoint are the events at the end of the record that returned to its step or
    to one after it: after a return to an earlier step, what was saved beyond that was set aside.
    """
    step, later = int(state.step), []
    for number, event in reversed(list(enumerate(before, start=1))):
        if event["step"] < step:
            break
        later.append(number)
    fold = jax.jit(jax.random.fold_in, out_shardings=state.key.sharding)
    return state.replace(key=functools.reduce(fold, reversed(later), state.key))
