"""Checkpoints: written by orbax in the background, sealed with digests, restored bit by bit. The
only file that imports orbax; it knows nothing of what a state holds.

Orbax commits a checkpoint by renaming a folder, so a killed process leaves whole ones only. It does
not notice bytes that change later; the seal, a list of every file's length and SHA-256, does. The
seal also names the version of the state's shape, ``state_version``; without one it is 1.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import shutil
from collections.abc import Callable
from typing import NamedTuple

import jax
import orbax.checkpoint as ocp

from gan_jax.types import PyTree

SEAL = "seal.json"
_VERSION = "state_version"  # the key in the seal that is not a file
_CHANGED_BY_COMMIT = ("_CHECKPOINT_METADATA", "commit_success.txt")


class Damaged(Exception):
    """A checkpoint that cannot be restored; the message says why."""


class Conversion(NamedTuple):
    """How a state of an earlier shape becomes one of today's.

    ``old(like)``: the abstract tree as it was stored, from that of today's state. ``new(tree)``:
    today's state, from the tree that was restored.
    """

    old: Callable[[PyTree], PyTree]
    new: Callable[[PyTree], PyTree]


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


def version(folder: pathlib.Path, step: int) -> int:
    """The version of the state's shape that a checkpoint was written with.

    Raises:
      Damaged: if its seal cannot be read.
    """
    return _read_seal(folder / str(step))[0]


def digest(folder: pathlib.Path, step: int) -> str:
    """The SHA-256 of a checkpoint's seal, which names the digest of every file.

    Raises:
      Damaged: if its seal cannot be read.
    """
    _read_seal(folder / str(step))
    return _digest(folder / str(step) / SEAL)


class Writer:
    """Saves states in the background; a context manager that waits for the last one.

    Args:
      folder: that holds the checkpoints; it is made.
      keep: checkpoints that stay, the newest ones.
      version: of the state's shape, noted in the seal.
      lost: exceptions after which nothing is waited for, since another process would have to take
        part.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        keep: int,
        version: int = 1,
        lost: tuple[type[BaseException], ...] = (),
    ):
        self._folder, self._version, self._lost, self._step = folder.absolute(), version, lost, 0
        seal = lambda: _seal(self._folder, self._step, self._version)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, async_options=ocp.AsyncOptions(post_finalization_callback=seal)
        )
        self._manager = ocp.CheckpointManager(self._folder, options=options)

    def save(self, step: int, state: PyTree) -> None:
        """Copies the state and returns; the caller may donate it at once."""
        self._manager.wait_until_finished()
        self._step = step
        self._manager.save(step, args=ocp.args.Composite(state=ocp.args.StandardSave(state)))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None or not issubclass(kind, self._lost):
            self._manager.close()


def restore(
    folder: pathlib.Path, step: int, like: PyTree, convert: Conversion | None = None
) -> PyTree:
    """The state saved at a step.

    Args:
      folder: that holds the checkpoints.
      step: one of `steps`.
      like: the state's abstract tree; each leaf's sharding says where the array goes.
      convert: for a checkpoint of an earlier `version`: how its state becomes one like ``like``.

    Raises:
      Damaged: if a file was changed since it was saved, or orbax cannot make a state of this shape
        from the files.
    """
    path = folder.absolute() / str(step)
    _check_seal(path)
    stored = convert.old(like) if convert else like
    try:
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
            args = ocp.args.Composite(state=ocp.args.StandardRestore(stored))
            restored = checkpointer.restore(path, args=args)["state"]
    except Exception as error:
        # Orbax raises what its parts raise: KeyError, JSONDecodeError, ValueError, plain Exception.
        raise Damaged(str(error).strip("\"'").partition("\n")[0].partition(". ")[0]) from error
    return convert.new(restored) if convert else restored


def _digest(file: pathlib.Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _seal(folder: pathlib.Path, step: int, version: int) -> None:
    """Seals a checkpoint that all have written and that is not yet committed. What orbax changes on
    committing is left out. The first process does it.
    """
    if jax.process_index():
        return
    (path,) = folder.glob(f"{step}.orbax-checkpoint-tmp*")
    files = {
        file.relative_to(path).as_posix(): {"bytes": file.stat().st_size, "sha256": _digest(file)}
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name not in _CHANGED_BY_COMMIT
    }
    (path / SEAL).write_text(json.dumps({_VERSION: version, **files}, indent=1))


def _read_seal(path: pathlib.Path) -> tuple[int, dict[str, tuple[int, str]]]:
    """The version of the state's shape; by the name of each file its bytes and its digest."""
    try:
        seal = json.loads((path / SEAL).read_text())
        version = int(seal.pop(_VERSION, 1))
        return version, {name: (own["bytes"], own["sha256"]) for name, own in seal.items()}
    except FileNotFoundError as error:
        raise Damaged(f"{SEAL} is missing") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(f"{SEAL} is unreadable") from error


def _check_seal(path: pathlib.Path) -> None:
    for name, (size, sha256) in _read_seal(path)[1].items():
        file = path / name
        if not file.is_file():
            raise Damaged(f"{name} is missing")
        if file.stat().st_size != size:
            raise Damaged(f"{name} has {file.stat().st_size} bytes, not {size}")
        if _digest(file) != sha256:
            raise Damaged(f"{name} is not what was saved")
