"""Checkpoints, written by orbax in the background, sealed with digests and restored bit-exactly.
This is the only file that imports orbax; it does not depend on the contents of a state.

Orbax commits a checkpoint by renaming a folder, so a killed process leaves only complete ones. It
does not notice bytes that change later. The seal does, ``seal.json``, with these fields:

files          length and SHA-256 of every file
step           the step of the state, so that a renamed or copied checkpoint is noticed
state_version  version of the structure of the state
notes          additional values of the caller
sha256         digest of all other fields

Earlier seals hold only the files, and ``state_version`` unless it is 1.
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

FOLDER = "checkpoints"
"""The folder of the checkpoints in a run folder."""
SEAL = "seal.json"
_CHANGED_BY_COMMIT = ("_CHECKPOINT_METADATA", "commit_success.txt")


class Damaged(Exception):
    """A checkpoint that cannot be restored; the message says why."""


class Conversion(NamedTuple):
    """Converts a state of an earlier structure to the current one.

    ``old(like)`` maps the abstract tree of the current state to the stored one; ``new(tree)`` maps
    the restored tree to the current state.
    """

    old: Callable[[PyTree], PyTree]
    new: Callable[[PyTree], PyTree]


class _Seal(NamedTuple):
    version: int
    files: dict[str, tuple[int, str]]
    """Maps the name of each file to its number of bytes and its SHA-256."""
    notes: dict[str, Any]


def steps(folder: pathlib.Path) -> list[int]:
    """Steps of the checkpoints in a folder, oldest first; empty if the folder does not exist."""
    return [step for step in entries(folder) if (folder / str(step)).is_dir()]


def entries(folder: pathlib.Path) -> list[int]:
    """Like `steps`, including entries that are not folders and hence cannot be restored."""
    if not os.path.isdir(folder):  # unlike Path.is_dir, it never raises
        return []
    names = [path.name for path in folder.iterdir()]
    return sorted(int(name) for name in names if re.fullmatch("0|[1-9][0-9]*", name))


def set_aside(folder: pathlib.Path, newest: int, name: str = "damaged") -> None:
    """Renames checkpoints later than step ``newest`` to ``NAME_STEP``, so that they are not
    restored, and removes unfinished ones.
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
    """The version of the state's structure in a checkpoint.

    Raises:
      Damaged: if its seal cannot be read.
    """
    return _read_seal(folder, step).version


def notes(folder: pathlib.Path, step: int) -> dict[str, Any]:
    """The notes that were saved with the state of a step; empty if there are none.

    Raises:
      Damaged: if its seal cannot be read.
    """
    return _read_seal(folder, step).notes


def digest(folder: pathlib.Path, step: int) -> str:
    """The SHA-256 of a checkpoint's seal, which contains the digest of every file.

    Raises:
      Damaged: if its seal cannot be read.
    """
    _read_seal(folder, step)
    return _digest(folder / str(step) / SEAL)


class Writer:
    """Saves states in the background; a context manager that waits for the last one.

    Args:
      folder: the folder of the checkpoints; it is created.
      keep: the number of newest checkpoints to keep.
      version: version of the state's structure, recorded in the seal.
      lost: exceptions after which it does not wait, because a lost process would have to take
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
          step: the step of the state.
          state: any pytree of arrays.
          notes: JSON values for `notes` to return.
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
    """Keeps failing threads of orbax from printing tracebacks: the error is raised where the
    `Writer` is used.
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
      folder: the folder of the checkpoints.
      step: one of `steps`.
      like: the abstract tree of the state; the sharding of each leaf places the array.
      convert: the conversion of a checkpoint of an earlier `version` to the structure of ``like``.

    Raises:
      Damaged: if a file has changed since it was saved, or orbax cannot restore a state of this
        structure from the files.
    """
    path = folder.absolute() / str(step)
    _check_files(path, _read_seal(folder, step).files)
    stored = convert.old(like) if convert else like
    try:
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
            args = ocp.args.Composite(state=ocp.args.StandardRestore(stored))
            restored = checkpointer.restore(path, args=args)["state"]
    except Exception as error:
        # Orbax passes on the errors of its parts: KeyError, JSONDecodeError, ValueError, Exception.
        raise Damaged(str(error).strip("\"'").partition("\n")[0].partition(". ")[0]) from error
    return convert.new(restored) if convert else restored


def _digest(file: pathlib.Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _seal(folder: pathlib.Path, fields: dict[str, Any]) -> None:
    """Seals a checkpoint that all processes have written and that is not yet committed. Files that
    orbax changes on committing are left out. Only the first process does it.
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
        raise Damaged("it is not a folder" if path.exists() else "it is missing")
    try:
        text = (path / SEAL).read_text()
        seal = json.loads(text)
        whole = "files" in seal
        if whole and (text != _text(seal) or seal.pop("sha256") != _digest_of(seal)):
            raise Damaged(f"{SEAL} has changed since it was saved")
        if whole and seal["step"] != step:
            raise Damaged(f"it belongs to step {seal['step']}")
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
            raise Damaged(f"{name} has changed since it was saved")
