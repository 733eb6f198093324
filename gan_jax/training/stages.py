"""Successive trainings, each from the result of the last one: stacked and progressive GANs,
pre-training.

Every stage is an ordinary run folder, WORKDIR/NAME, and is evaluated and loaded like any other; the
training loop does not depend on stages.
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
    """One of several successive trainings.

    Attributes:
      name: the name of its run folder.
      config: the config to train.
      start: ``start((gan, state), first) -> state``: returns the first state, given the GAN and the
        last state of the previous stage, and the initialized state ``first`` on the same devices,
        for example
        ``first.replace(generator=first.generator.replace(params=state.generator.params))``. Step
        and key are always taken from ``first``. None: the stage begins with ``first``.
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
    """Trains stages one after the other, or continues an interrupted call.

    Finished stages are skipped, and an unfinished one is resumed bit-exactly. Ctrl-C or SIGTERM
    saves and returns; the same call then resumes.

    Args:
      stages: the stages in order; the first has no ``start``.
      workdir: the folder of the run folders.
      fsdp, on_divergence: as for `gan_jax.training.loop.train`, for each stage.

    Returns:
      The stage that was trained last, and its outcome. All are finished if it is the last stage and
      ``outcome.step`` is ``stage.config.steps``.

    Raises:
      ConfigError: for an invalid stage, before any is trained; also if a stage began from a
        checkpoint of the previous stage that has changed since.
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
    """Refuses invalid stages, and stages whose results do not belong together."""
    names = [stage.name for stage in stages]
    if not stages or len(set(names)) < len(names):
        raise ConfigError(f"stages must be one or more with different names, not {names}.")
    for former, stage in zip([None, *stages], stages, strict=False):
        if not re.fullmatch(r"\w[\w.-]*", stage.name):
            raise ConfigError(
                f"stages: {stage.name!r} is not a valid name; use letters, digits, _, - and '.'."
            )
        if former is None and stage.start is not None:
            raise ConfigError(
                f"stages: the start of {stage.name} must be None, because no stage comes before it."
            )
        run = Run(stage.config)
        run.abstract_state()  # refuses what cannot be built
        folder.check(workdir / stage.name, run, origin=_origin(former, stage, workdir))


def _origin(former: Stage | None, stage: Stage, workdir: pathlib.Path) -> dict[str, Any] | None:
    """The origin of the stage's first state: the last checkpoint of the previous stage."""
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
            f"stages: checkpoint {step} of {former.name} cannot be restored ({error})."
        ) from error


def _start(former: Stage | None, stage: Stage, workdir: pathlib.Path) -> Start | None:
    if stage.start is None:
        return None

    def make(first: GanState) -> GanState:
        run = Run(former.config)
        state = restore(workdir / former.name, run, first.key.sharding, former.config.steps)
        return stage.start((run.gan, state), first)

    return Start(make, _origin(former, stage, workdir))
