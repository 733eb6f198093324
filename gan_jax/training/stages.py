"""Trainings in order, each from the last one's result: stacked and progressive GANs, pre-training.

Every stage is an ordinary run folder, WORKDIR/NAME, that is evaluated and loaded as any other; the
training loop knows nothing of stages.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from gan_jax import checkpoint
from gan_jax.config import Config
from gan_jax.devices import processes
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError
from gan_jax.runs import folder
from gan_jax.runs.restore import restore
from gan_jax.runs.run import Run
from gan_jax.training.loop import Outcome, train
from gan_jax.training.start import Start
from gan_jax.types import GanState


@dataclasses.dataclass(frozen=True)
class Stage:
    """One training of several.

    Attributes:
      name: of its run folder.
      config: what is trained.
      start: ``start((gan, state), first) -> state``: the state to begin with, from the GAN and the
        last state of the stage before, and the initialized state ``first``, on the same devices. It
        takes over what it wants, for example
        ``first.replace(generator=first.generator.replace(params=state.generator.params))``; step
        and key remain those of ``first``. None: the stage begins with ``first``.
    """

    name: str
    config: Config
    start: Callable[[tuple[Gan, GanState], GanState], GanState] | None = None


def train_stages(
    stages: Sequence[Stage],
    workdir: str | pathlib.Path,
    *,
    fsdp: bool = False,
    on_divergence: str = "stop",
) -> tuple[Stage, Outcome]:
    """Trains stages one after the other, or goes on where a former call was interrupted.

    A finished stage is left alone, an unfinished one is resumed bit by bit. Ctrl-C or SIGTERM saves
    and returns; the same call then goes on.

    Args:
      stages: in order; the first has no ``start``.
      workdir: that holds the run folders.
      fsdp, on_divergence: as for `gan_jax.training.loop.train`, of each stage.

    Returns:
      The stage that was trained last, and its outcome. All are finished if it is the last stage and
      ``outcome.step`` is ``stage.config.steps``.

    Raises:
      ConfigError: for anything wrong in a stage, before any is trained; also where a stage began
        from another last checkpoint of the stage before than lies there now.
      Diverged, PeerLost: as `gan_jax.training.loop.train`.
    """
    workdir = pathlib.Path(workdir)
    processes.together(lambda: _check(stages, workdir))
    former = None
    for stage in stages:
        outcome = train(
            stage.config,
            workdir / stage.name,
            fsdp=fsdp,
            on_divergence=on_divergence,
            start=_start(former, stage, workdir),
        )
        if outcome.step < stage.config.steps:
            break
        former = stage
    return stage, outcome


def _check(stages: Sequence[Stage], workdir: pathlib.Path) -> None:
    """Refuses what is wrong, and stages whose results do not belong to each other."""
    names = [stage.name for stage in stages]
    if not stages or len(set(names)) < len(names):
        raise ConfigError(f"stages: {names}; accepted: one or more, each of another name.")
    for former, stage in zip([None, *stages], stages, strict=False):
        if not re.fullmatch(r"\w[\w.-]*", stage.name):
            raise ConfigError(
                f"stages: {stage.name!r} cannot name a folder; accepted: letters, digits, _, -, ."
            )
        if former is None and stage.start is not None:
            raise ConfigError(
                f"stages: {stage.name} is the first and has a start; accepted: None, as no stage "
                "comes before it."
            )
        run = Run(stage.config)
        run.abstract_state()  # refuses what cannot be built
        folder.check(workdir / stage.name, run, origin=_origin(former, stage, workdir))


def _origin(former: Stage | None, stage: Stage, workdir: pathlib.Path) -> dict[str, Any] | None:
    """What the stage's first state is made from: the last checkpoint of the stage before."""
    if stage.start is None:
        return None
    step, checkpoints = former.config.steps, workdir / former.name / folder.CHECKPOINTS
    origin = {"stage": former.name, "step": step}
    if step not in checkpoint.steps(checkpoints):
        return origin | {"sha256": "(not there)"}  # which no stage began from
    try:
        return origin | {"sha256": checkpoint.digest(checkpoints, step)}
    except checkpoint.Damaged as error:
        raise ConfigError(
            f"stages: checkpoint {step} of {former.name} cannot be restored ({error}); "
            "accepted: a whole one."
        ) from error


def _start(former: Stage | None, stage: Stage, workdir: pathlib.Path) -> Start | None:
    if stage.start is None:
        return None

    def make(first: GanState) -> GanState:
        run = Run(former.config)
        state = restore(workdir / former.name, run, first.key.sharding, former.config.steps)
        return stage.start((run.gan, state), first)

    return Start(make, _origin(former, stage, workdir))
