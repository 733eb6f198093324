"""Checkpoints: written by orbax in the background, sealed with digests, restored bit by bit. The
only file that imports orbax.

Orbax commits a checkpoint by renaming a folder, so a killed process leaves whole ones only. It does
not notice bytes that change later; the seal, a list of every file's length and SHA-256, does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import shutil

import orbax.checkpoint as ocp

from gan_jax.devices import processes
from gan_jax.types import GanState, PyTree

SEAL = "seal.json"
_LATER = ("d_ema",)  # fields of a state that files from before them do not have
_CHANGED_BY_COMMIT = ("_CHECKPOINT_METADATA", "commit_success.txt")


class Damaged(Exception):
    """A checkpoint that cannot be restored; the message says why."""


def steps(folder: pathlib.Path) -> list[int]:
    """Steps of the checkpoints in a folder, oldest first; empty where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(
        int(path.name) for path in folder.iterdir() if path.name.isdigit() and path.is_dir()
    )


def set_aside(folder: pathlib.Path, newest: int, name: str = "damaged") -> None:
    """Renames checkpoints of later steps than ``newest``, which shall not be restored, to
    ``NAME_STEP``, and removes unfinished ones.
    """
    for step in steps(folder):
        if step > newest:
            shutil.rmtree(folder / f"{name}_{step}", ignore_errors=True)
            (folder / str(step)).rename(folder / f"{name}_{step}")
    for unfinished in folder.glob("*.orbax-checkpoint-tmp*"):
        shutil.rmtree(unfinished, ignore_errors=True)


class Writer:
    """Saves states in the background and keeps the newest ``keep``; a context manager that waits
    for the last one.
    """

    def __init__(self, folder: pathlib.Path, keep: int):
        self._folder, self._step = folder.absolute(), 0
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            async_options=ocp.AsyncOptions(
                post_finalization_callback=lambda: _seal(self._folder, self._step)
            ),
        )
        self._manager = ocp.CheckpointManager(self._folder, options=options)

    def save(self, step: int, state: PyTree) -> None:
        """Copies the state and returns; the caller may donate it at once."""
        self._manager.wait_until_finished()
        self._step = step
        self._manager.save(
            step, args=ocp.args.Composite(state=ocp.args.StandardSave(_stored(state)))
        )

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is not processes.PeerLost:  # which this would wait for
            self._manager.close()


def restore(folder: pathlib.Path, step: int, like: PyTree) -> PyTree:
    """The state saved at a step.

    Args:
      folder: that holds the checkpoints.
      step: one of `steps`.
      like: the state's abstract tree; each leaf's sharding says where the array goes.

    Raises:
      Damaged: if a file was changed since it was saved, or orbax cannot make a state of this shape
        from the files.
    """
    path = folder.absolute() / str(step)
    _check_seal(path)
    try:
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
            args = ocp.args.Composite(state=ocp.args.StandardRestore(_stored(like)))
            restored = checkpointer.restore(path, args=args)["state"]
            return type(like)(**restored) if isinstance(like, GanState) else restored
    except Exception as error:  # orbax raises what its parts raise: KeyError, JSONDecodeError, ValueError, plain Exception
        raise Damaged(str(error).strip("\"'").partition("\n")[0].partition(". ")[0]) from error


def _stored(state: PyTree) -> PyTree:
    """A state as it lies in files: what came later is left out where it is None, as in files from
    before.
    """
    if not isinstance(state, GanState):
        return state
    fields = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    return {
        name: value for name, value in fields.items() if value is not None or name not in _LATER
    }


def _digest(file: pathlib.Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _seal(folder: pathlib.Path, step: int) -> None:
    """Seals a checkpoint that all have written and that is not yet committed. What orbax changes on
    committing is left out.
    """
    if not processes.first():
        return
    (path,) = folder.glob(f"{step}.orbax-checkpoint-tmp*")
    files = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name not in _CHANGED_BY_COMMIT
    ]
    seal = {
        file.relative_to(path).as_posix(): {"bytes": file.stat().st_size, "sha256": _digest(file)}
        for file in files
    }
    (path / SEAL).write_text(json.dumps(seal, indent=1))


def _check_seal(path: pathlib.Path) -> None:
    try:
        seal = json.loads((path / SEAL).read_text())
        for name, expected in seal.items():
            file = path / name
            if not file.is_file():
                raise Damaged(f"{name} is missing")
            if file.stat().st_size != expected["bytes"]:
                raise Damaged(f"{name} has {file.stat().st_size} bytes, not {expected['bytes']}")
            if _digest(file) != expected["sha256"]:
                raise Damaged(f"{name} is not what was saved")
    except FileNotFoundError as error:
        raise Damaged(f"{SEAL} is missing") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(f"{SEAL} is unreadable") from error
