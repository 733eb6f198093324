"""Checkpoints: written by orbax in the background, sealed with digests, restored bit by bit. The
only file that imports orbax; it knows nothing of what a state holds.

Orbax commits a checkpoint by renaming a folder, so a killed process leaves whole ones only. It does
not notice bytes that change later; the seal does, ``seal.json``, with these fields:

files          of every file its length and SHA-256
step           that the state belongs to, so that a renamed or copied checkpoint is noticed
state_version  of the state's shape
notes          what the caller wants to know besides the state
sha256         of all of this

Earlier seals hold the files alone, and ``state_version`` unless it is 1.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp

from gan_jax.types import PyTree

SEAL = "seal.json"
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


class _Seal(NamedTuple):
    version: int
    files: dict[str, tuple[int, str]]
    """By the name of each file its bytes and its SHA-256."""
    notes: dict[str, Any]


def steps(folder: pathlib.Path) -> list[int]:
    """Steps of the checkpoints in a folder, oldest first; empty where there is no such folder."""
    return [step for step in entries(folder) if (folder / str(step)).is_dir()]


def entries(folder: pathlib.Path) -> list[int]:
    """As `steps`, with those that are no folders and hence cannot be restored."""
    if not os.path.isdir(folder):  # unlike Path.is_dir, it knows no path that raises
        return []
    names = [path.name for path in folder.iterdir()]
    return sorted(int(name) for name in names if re.fullmatch("0|[1-9][0-9]*", name))


def set_aside(folder: pathlib.Path, newest: int, name: str = "damaged") -> None:
    """Renames checkpoints of later steps than ``newest``, which shall not be restored, to
    ``NAME_STEP``, and removes unfinished ones.
    """
    for step in entries(folder):
        if step > newest:
            aside = folder / f"{name}_{step}"
            shutil.rmtree(aside, ignore_errors=True)
            aside.unlink(missing_ok=True)
            (folder / str(step)).rename(aside)
    for unfinished in folder.glob("*.orbax-checkpoint-tmp*"):
        shutil.rmtree(unfinished, ignore_errors=True)


def version(folder: pathlib.Path, step: int) -> int:
    """The version of the state's shape that a checkpoint was written with.

    Raises:
      Damaged: if its seal cannot be read.
    """
    return _read_seal(folder, step).version


def notes(folder: pathlib.Path, step: int) -> dict[str, Any]:
    """What was noted beside the state of a step; empty if nothing was.

    Raises:
      Damaged: if its seal cannot be read.
    """
    return _read_seal(folder, step).notes


def digest(folder: pathlib.Path, step: int) -> str:
    """The SHA-256 of a checkpoint's seal, which names the digest of every file.

    Raises:
      Damaged: if its seal cannot be read.
    """
    _read_seal(folder, step)
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
        self._folder, self._lost = folder.absolute(), lost
        self._quiet = _Quiet()
        self._seal = {"state_version": version, "step": 0, "notes": {}}
        seal = lambda: _seal(self._folder, self._seal)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, async_options=ocp.AsyncOptions(post_finalization_callback=seal)
        )
        self._manager = ocp.CheckpointManager(self._folder, options=options)

    def save(self, step: int, state: PyTree, notes: dict[str, Any] | None = None) -> None:
        """Copies the state and returns; the caller may donate it at once.

        Args:
          step: of the state.
          state: any pytree of arrays.
          notes: what JSON can hold and `notes` shall return.
        """
        self._manager.wait_until_finished()
        self._seal |= {"step": step, "notes": notes or {}}
        self._manager.save(step, args=ocp.args.Composite(state=ocp.args.StandardSave(state)))

    def __enter__(self) -> Writer:
        self._quiet.__enter__()
        return self

    def __exit__(self, kind, *_) -> None:
        try:
            if kind is None or not issubclass(kind, self._lost):
                self._manager.close()
        finally:
            self._quiet.__exit__()


class _Quiet:
    """Meanwhile each thread of orbax that fails does not write a traceback of its own: what is
    wrong is raised where the `Writer` is used.
    """

    def __enter__(self) -> None:
        self._former = sys.unraisablehook
        sys.unraisablehook = self._unraisable
        _LOGGER.addFilter(_no_error_of_orbax)

    def __exit__(self, *_) -> None:
        sys.unraisablehook = self._former
        _LOGGER.removeFilter(_no_error_of_orbax)

    def _unraisable(self, raised) -> None:
        if str(raised.exc_value) != "Event loop is closed":  # for which writes had been under way
            self._former(raised)


_LOGGER = logging.getLogger("absl")


def _no_error_of_orbax(record: logging.LogRecord) -> bool:
    return record.levelno < logging.ERROR or "orbax" not in record.pathname


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
    _check_files(path, _read_seal(folder, step).files)
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


def _seal(folder: pathlib.Path, fields: dict[str, Any]) -> None:
    """Seals a checkpoint that all have written and that is not yet committed. What orbax changes on
    committing is left out. The first process does it.
    """
    if jax.process_index():
        return
    (path,) = folder.glob(f"{fields['step']}.orbax-checkpoint-tmp*")
    files = {
        file.relative_to(path).as_posix(): {"bytes": file.stat().st_size, "sha256": _digest(file)}
        for file in _sealed(path)
    }
    seal = fields | {"files": files}
    (path / SEAL).write_text(_text(seal | {"sha256": _digest_of(seal)}))


def _sealed(path: pathlib.Path) -> list[pathlib.Path]:
    """The files of a checkpoint that a seal lists."""
    left_out = (*_CHANGED_BY_COMMIT, SEAL)
    return [p for p in sorted(path.rglob("*")) if p.is_file() and p.name not in left_out]


def _text(seal: dict[str, Any]) -> str:
    return json.dumps(seal, indent=1)


def _digest_of(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _read_seal(folder: pathlib.Path, step: int) -> _Seal:
    path = folder / str(step)
    if not path.is_dir():
        raise Damaged("it is no folder" if path.exists() else "it is gone")
    try:
        text = (path / SEAL).read_text()
        seal = json.loads(text)
        whole = "files" in seal
        if whole and (text != _text(seal) or seal.pop("sha256") != _digest_of(seal)):
            raise Damaged(f"{SEAL} is not what was saved")
        if whole and seal["step"] != step:
            raise Damaged(f"it is that of step {seal['step']}")
        version, notes = int(seal.pop("state_version", 1)), seal.get("notes", {}) if whole else {}
        listed = seal["files"] if whole else seal
        files = {name: (own["bytes"], own["sha256"]) for name, own in listed.items()}
    except FileNotFoundError as error:
        raise Damaged(f"{SEAL} is missing") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Damaged(f"{SEAL} is unreadable") from error
    there = {file.relative_to(path).as_posix() for file in _sealed(path)}
    if not whole and not (files and there <= files.keys()):
        raise Damaged(f"{SEAL} does not list all files")
    return _Seal(version, files, notes)


def _check_files(path: pathlib.Path, files: dict[str, tuple[int, str]]) -> None:
    for name, (size, sha256) in files.items():
        file = path / name
        if not file.is_file():
            raise Damaged(f"{name} is missing")
        if file.stat().st_size != size:
            raise Damaged(f"{name} has {file.stat().st_size} bytes, not {size}")
        if _digest(file) != sha256:
            raise Damaged(f"{name} is not what was saved")
