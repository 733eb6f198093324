"""The states of a run folder."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import warnings
from collections.abc import Callable

import jax

from gan_jax import checkpoint
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, either
from gan_jax.runs import folder, model, saved
from gan_jax.runs.convert import conversion
from gan_jax.runs.run import OwnGan, Run
from gan_jax.types import GanState, PyTree


def load(
    workdir: str | pathlib.Path,
    checkpoint: int | None = None,
    member: int | None = None,
    *,
    gan: Gan | None = None,
    like: GanState | None = None,
) -> tuple[Gan, GanState]:
    """The GAN and a state of a run folder, of a folder that `gan_jax.save` wrote, or of a model
    folder (``eval.py --export-model``), on the default device.

    Args:
      workdir: the folder. For a run, the newest intact checkpoint is restored. A model folder holds
        the weights of both networks; the rest of the state has its initial values.
      checkpoint: the step of another checkpoint of the run.
      member: the number of a member of a population, starting at 0.
      gan: the GAN, if the folder does not describe it: for a saved state, and for the run of a
        `Gan` made of objects.
      like: for a saved state, any state of the same shapes; by default one for labelled examples.

    Raises:
      ConfigError: if the folder is none of these, the checkpoint is missing or damaged, there is no
        such member, or ``gan`` is missing or does not match.
    """
    if model.is_model(workdir):
        return model.load(workdir)
    if saved.is_saved(workdir):
        if gan is None:
            raise ConfigError(
                f"gan: {workdir} holds only a state; pass the gan that it belongs to."
            )
        return gan, saved.restore(workdir, gan, like)
    run = folder.read(workdir)
    if gan is not None:
        run = _of_gan(workdir, run, gan)
    if (member is None) != run.single or not 0 <= (member or 0) < len(run.configs):
        range_of = f"from 0 to {len(run.configs) - 1}"
        needed = "None, because the run has a single GAN" if run.single else range_of
        raise ConfigError(f"member of {workdir} must be {needed}, not {member}.")
    number = member or 0
    return run.gans[number], states(workdir, run, checkpoint)(number)


def _of_gan(workdir: str | pathlib.Path, run: Run, gan: Gan) -> Run:
    """The run with the GAN object that it trained."""
    given = dataclasses.replace(run, own=OwnGan.of(gan))
    if different := run.differences(given):
        raise ConfigError(f"gan differs from the run in {workdir} in {', '.join(different)}.")
    return given


def states(
    workdir: str | pathlib.Path, run: Run, step: int | None = None
) -> Callable[[int], GanState]:
    """A function that returns the state of a member by its number, on the default device; a single
    GAN is number 0. Arguments as for `restore`.

    Raises:
      ConfigError: as `restore`, and if nothing was saved yet.
    """
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    state = restore(pathlib.Path(workdir), run, here, step)
    if state is None:
        raise ConfigError(f"workdir: {workdir} holds no checkpoint yet.")
    return functools.partial(run.member, state)


def restore(
    workdir: pathlib.Path, run: Run, placement: PyTree, step: int | None = None
) -> GanState | None:
    """The newest state that can be restored, with a warning if newer ones cannot; None if nothing
    was saved yet.

    Args:
      workdir, run: the run folder and its run.
      placement: the placement of the arrays: one sharding for all, or one per leaf. The sharding of
        the saved arrays does not matter.
      step: the only step to restore.

    Raises:
      ConfigError: if no checkpoint, or not the requested one, can be restored.
    """
    checkpoints = workdir / folder.CHECKPOINTS
    if step is not None and step not in (steps := checkpoint.entries(checkpoints)):
        there = f"use {either(steps)}" if steps else "none has been saved yet"
        raise ConfigError(f"checkpoint: {checkpoints} has no step {step}; {there}.")
    candidates = _candidates(workdir) if step is None else [step]
    state = run.abstract_state()
    like = jax.tree.map(
        lambda a, sharding: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding),
        state,
        jax.tree.broadcast(placement, state),
    )
    damaged = []
    for candidate in candidates:
        try:
            state = _restored(checkpoints, candidate, run, like)
        except checkpoint.Damaged as error:
            damaged.append(f"{candidate} ({error})")
            continue
        if damaged:
            warnings.warn(
                f"{checkpoints}: cannot restore {', '.join(damaged)}; going back to {candidate}.",
                stacklevel=2,
            )
        return state
    if damaged:
        raise ConfigError(
            f"{checkpoints}: no checkpoint can be restored: {', '.join(damaged)}; "
            "train.py --overwrite starts over."
        )
    return None


def _candidates(workdir: pathlib.Path) -> list[int]:
    """Steps to try, newest first. They include the last step of the last start, even if its
    checkpoint is missing.
    """
    last = (folder.starts(workdir) or [{}])[-1].get("end_step", 0)
    found = set(checkpoint.entries(workdir / folder.CHECKPOINTS))
    return sorted(found | {last} - {0}, reverse=True)


def _restored(checkpoints: pathlib.Path, step: int, run: Run, like: GanState) -> GanState:
    convert = conversion(checkpoint.version(checkpoints, step), run)
    state = checkpoint.restore(checkpoints, step, like, convert)
    if int(state.step) != step:  # seals of earlier versions lack the step
        raise checkpoint.Damaged(f"it belongs to step {int(state.step)}")
    return state
