"""A first state with the weights of another run or of an exported model, for transfer learning and
fine-tuning.

A weight is copied if the other GAN has one with the same path, shape and dtype; all others are
initialized randomly. The other GAN may therefore have other classes or another head. The optimizers
start from their initial state.
"""

from __future__ import annotations

import hashlib
import pathlib
import re
from collections.abc import Callable
from typing import NamedTuple

import jax

from gan_jax import checkpoint
from gan_jax.devices import processes
from gan_jax.errors import ConfigError, either
from gan_jax.runs import folder, model
from gan_jax.runs.restore import restore
from gan_jax.runs.run import Run
from gan_jax.training.start import Start
from gan_jax.types import SIDES, D, G, GanState, Pair, PlayerState, PyTree

ORIGIN = "init_from"
"""The key of the source's text form in the origin that run.json records."""
_SIDES = {"g": (G,), "d": (D,), None: (G, D)}
_POPULATION = "init_from {!r} needs runs of a single GAN, and one of the two is a population."
_NAMES = 4
"""Maximum number of weights that a line names; the others are counted."""


class Source(NamedTuple):
    """Source of weights: ``RUN[@STEP][:g|:d]``, by default the newest checkpoint and both sides.
    ``workdir`` is a run folder or a model folder.
    """

    workdir: pathlib.Path
    step: int | None
    sides: tuple[int, ...]


def parse(text: str) -> Source:
    """Reads a source from its text form.

    Raises:
      ConfigError: for any other form.
    """
    found = re.fullmatch(r"(?P<run>.+?)(@(?P<step>[0-9]+))?(:(?P<side>[gd]))?", text, re.DOTALL)
    if found is None:
        raise ConfigError("init_from is empty; use RUN[@STEP][:g|:d].")
    step = found["step"]
    return Source(pathlib.Path(found["run"]), step and int(step), _SIDES[found["side"]])


def start(
    text: str | None,
    workdir: pathlib.Path,
    run: Run,
    overwrite: bool = False,
    show: Callable[[str], None] = print,
) -> Start | None:
    """The start of a run from the weights of another one.

    A run with a checkpoint is resumed with or without the option, and no longer needs the other run
    (unless it diverges and goes back to its first step).

    Args:
      text: the weights, see `Source`; None: none, or those that the run started from.
      workdir: the folder of the run to train.
      run: the run to train.
      overwrite: whether it starts over in any case.
      show: called by the first process with a line for each side that reports the copied and the
        new weights.

    Returns:
      The start; None if the run begins with random weights.

    Raises:
      ConfigError: for a source that cannot be read, is a population, or has no weight in common.
    """
    saved = not overwrite and checkpoint.steps(workdir / folder.CHECKPOINTS)
    begun = folder.begun_from(workdir) if saved else {}
    if ORIGIN in begun and text in (None, begun[ORIGIN]):
        return Start(_make(parse(begun[ORIGIN]), begun["step"]), begun)
    if text is None:
        return None
    source = parse(text)
    there, step, sha256 = _model(source) if model.is_model(source.workdir) else _run(source)
    if not run.single:
        raise ConfigError(_POPULATION.format(text))
    here = run.abstract_state().players
    common = {side: _common(here[side], there[side]) for side in source.sides}
    if not any(common.values()):
        raise ConfigError(
            f"init_from: no weight of {source.workdir} has the path and shape of one of this run; "
            "use a run with the same kind and width of networks."
        )
    for side, taken in common.items() if processes.first() else ():
        show(f"{'GD'[side]} from {source.workdir}, step {step:,}: {_text(here[side], taken)}.")
    return Start(_make(source, step), {ORIGIN: text, "step": step, "sha256": sha256})


def _model(source: Source) -> tuple[Pair, int, str]:
    """The players of a model folder, their step, and the digest of their weights.

    Raises:
      ConfigError: if it is of another step, or damaged.
    """
    _, state = model.load(source.workdir)
    step = int(state.step)
    if source.step not in (None, step):
        raise ConfigError(
            f"init_from: the model in {source.workdir} is of step {step}, not {source.step}."
        )
    digest = hashlib.sha256()
    for side in SIDES:
        digest.update((source.workdir / model.weights_file(side)).read_bytes())
    return state.players, step, digest.hexdigest()


def _run(source: Source) -> tuple[Pair, int, str]:
    """The abstract players of a run, the requested step, or the newest one, and its digest.

    Raises:
      ConfigError: if the run is a population, or its checkpoint is missing or damaged.
    """
    run, checkpoints = folder.read(source.workdir), source.workdir / folder.CHECKPOINTS
    if not run.single:
        raise ConfigError(_POPULATION.format(str(source.workdir)))
    steps = checkpoint.steps(checkpoints)
    if not steps:
        raise ConfigError(f"init_from: {source.workdir} has no checkpoint yet.")
    if source.step not in (None, *steps):
        raise ConfigError(
            f"init_from: {source.workdir} has no checkpoint of step {source.step}; "
            f"use {either(steps)}."
        )
    step = steps[-1] if source.step is None else source.step
    try:
        return run.abstract_state().players, step, checkpoint.digest(checkpoints, step)
    except checkpoint.Damaged as error:
        raise ConfigError(
            f"init_from: checkpoint {step} of {source.workdir} is damaged ({error})."
        ) from error


def _make(source: Source, step: int) -> Callable[[GanState], GanState]:
    def make(first: GanState) -> GanState:
        here = first.key.sharding
        if model.is_model(source.workdir):
            _, state = model.load(source.workdir)
            return with_weights(first, jax.device_put(state, here), source.sides)
        state = restore(source.workdir, folder.read(source.workdir), here, step)
        return with_weights(first, state, source.sides)

    return make


def with_weights(first: GanState, other: GanState, sides: tuple[int, ...]) -> GanState:
    """``first`` with the matching weights and statistics of ``other``, on the given sides."""
    players = first.players
    for side in sides:
        players = players.put(side, _player(players[side], other.players[side]))
    return first.replace(**players._asdict())


def _player(own: PlayerState, other: PlayerState) -> PlayerState:
    average = own.average
    if average is not None:
        average = _merged(average, other.variables(averaged=True))
    params = _merged(own.params, other.params)
    return own.replace(
        params=params,
        stats=_merged(own.stats, other.stats),
        average=average,
        slow=None if own.slow is None else params,
    )


def _merged(own: PyTree, other: PyTree) -> PyTree:
    """``own`` with the matching leaves of ``other``."""
    theirs = dict(jax.tree.leaves_with_path(other))
    pick = lambda path, leaf: theirs[path] if _fits(leaf, theirs.get(path)) else leaf
    return jax.tree.map_with_path(pick, own)


def _fits(own: jax.Array, other: jax.Array | None) -> bool:
    return other is not None and (own.shape, own.dtype) == (other.shape, other.dtype)


def _common(own: PlayerState, other: PlayerState) -> set[str]:
    """Paths of the weights that are copied."""
    theirs = dict(jax.tree.leaves_with_path(other.params))
    return {
        _name(path)
        for path, leaf in jax.tree.leaves_with_path(own.params)
        if _fits(leaf, theirs.get(path))
    }


def _text(own: PlayerState, taken: set[str]) -> str:
    new = {
        _name(path): list(leaf.shape)
        for path, leaf in jax.tree.leaves_with_path(own.params)
        if _name(path) not in taken
    }
    if not new:
        return f"all {len(taken)} weights copied"
    shown = [f"{name} {shape}" for name, shape in list(new.items())[:_NAMES]]
    more = [f"{len(new) - _NAMES} more"] if len(new) > _NAMES else []
    return f"{len(taken)} weights copied, {len(new)} new: {', '.join(shown + more)}"


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
