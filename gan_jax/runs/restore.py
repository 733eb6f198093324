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
from gan_jax.errors import ConfigError
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
      workdir: the folder. Of a run the newest whole state is restored; a model folder holds the
        weights of both networks, and the rest of the state is that before the first step.
      checkpoint: the step of another checkpoint of the run.
      member: the number of one of a population's GANs, from 0.
      gan: the GAN, where the folder cannot say it: for a saved state, and for the run of a `Gan`
        made of objects.
      like: of a saved state, any state of the same shapes; by default one of labelled examples.

    Raises:
      ConfigError: if this is none of these folders, the checkpoint is not there or damaged, there
        is no such member, or ``gan`` is missing or another one.
    """
    if model.is_model(workdir):
        return model.load(workdir)
    if saved.is_saved(workdir):
        if gan is None:
            raise ConfigError(f"gan: {workdir} holds a state alone; pass the gan that it is of.")
        return gan, saved.restore(workdir, gan, like)
    run = folder.read(workdir)
    if gan is not None:
        run = _of_gan(workdir, run, gan)
    if (member is None) != run.single or not 0 <= (member or 0) < len(run.configs):
        numbers = f"0 to {len(run.configs) - 1}"
        accepted = "None, as it is a single GAN" if run.single else numbers
        raise ConfigError(f"member: {workdir} has no {member}; accepted: {accepted}.")
    number = member or 0
    return run.gans[number], states(workdir, run, checkpoint)(number)


def _of_gan(workdir: str | pathlib.Path, run: Run, gan: Gan) -> Run:
    """The run with the GAN that it trained, given as an object."""
    given = dataclasses.replace(run, own=OwnGan.of(gan))
    if different := run.differences(given):
        raise ConfigError(f"gan: the run in {workdir} differs in {', '.join(different)}.")
    return given


def states(
    workdir: str | pathlib.Path, run: Run, step: int | None = None
) -> Callable[[int], GanState]:
    """A function that gives the state of each member by its number, on the default device; a single
    GAN is number 0. Arguments as `restore`.

    Raises:
      ConfigError: as `restore`, and where nothing was saved yet.
    """
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    state = restore(pathlib.Path(workdir), run, here, step)
    if state is None:
        raise ConfigError(f"workdir: {workdir} holds no checkpoint yet.")
    return functools.partial(run.member, state)


def restore(
    workdir: pathlib.Path, run: Run, placement: PyTree, step: int | None = None
) -> GanState | None:
    """The newest state that can be restored, with a warning where newer ones cannot; None where
    nothing was saved yet.

    Args:
      workdir, run: the run folder and what it is a run of.
      placement: where the arrays go: a sharding for all, or one for each leaf; that of the saved
        arrays does not matter.
      step: restore this one alone.

    Raises:
      ConfigError: if no checkpoint can be restored, or not the one asked for.
    """
    checkpoints = workdir / folder.CHECKPOINTS
    if step is not None and step not in (steps := checkpoint.entries(checkpoints)):
        accepted = ", ".join(map(str, steps)) or "none is there yet"
        raise ConfigError(
            f"checkpoint: {checkpoints} has none of step {step}; accepted: {accepted}."
        )
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
                f"{checkpoints}: cannot be restored: {', '.join(damaged)}; "
                f"going back to {candidate}.",
                stacklevel=2,
            )
        return state
    if damaged:
        raise ConfigError(
            f"{checkpoints}: no checkpoint can be restored: {', '.join(damaged)}; "
            "train.py --overwrite starts anew."
        )
    return None


def _candidates(workdir: pathlib.Path) -> list[int]:
    """Steps that may be restored, newest first. The one with which the last start ended is among
    them, even where its checkpoint is gone.
    """
    last = (folder.starts(workdir) or [{}])[-1].get("end_step", 0)
    found = set(checkpoint.entries(workdir / folder.CHECKPOINTS))
    return sorted(found | {last} - {0}, reverse=True)


def _restored(checkpoints: pathlib.Path, step: int, run: Run, like: GanState) -> GanState:
    convert = conversion(checkpoint.version(checkpoints, step), run)
    state = checkpoint.restore(checkpoints, step, like, convert)
    if int(state.step) != step:  # an earlier version's seal does not say it
        raise checkpoint.Damaged(f"it is that of step {int(state.step)}")
    return state
