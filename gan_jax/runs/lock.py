"""Ensures that only one process trains in a run folder.

The file ``lock`` names the host, the process and its start time. The lock itself is the kernel's
(``flock``): it ends with the process that holds it, even if that is killed, so that a leftover name
locks nothing. It works between hosts if the network file system supports it: NFS does (since Linux
2.6.12), and Lustre if mounted with ``flock``. A warning is shown if the file system has no locks.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import pathlib
import socket
import time
import warnings
from typing import IO, Any

from gan_jax.errors import ConfigError

LOCK = "lock"
_TRIES = 5
"""Number of attempts; a reader of the lock holds it for a moment, see `holder`."""


class Lock:
    """The lock of a run folder; a context manager that releases it at its end.

    A folder without a run has no lock file, and nothing is written before everything is checked:
    `take` then does nothing, and `begin` creates the file.
    """

    def __init__(self, workdir: pathlib.Path):
        self._workdir, self._file, self._begun = workdir, None, False

    def take(self) -> None:
        """Takes the lock if the folder has a lock file.

        Raises:
          ConfigError: if another process holds it.
        """
        try:
            file = (self._workdir / LOCK).open("r+")
        except OSError:  # there is no lock file; `begin` reports any other problem
            return
        self._hold(file)

    def begin(self) -> None:
        """Takes the lock unless `take` already has, and writes the holder to the file.

        Raises:
          ConfigError: if another process holds it or was faster, or the folder cannot be written.
        """
        try:
            if self._file is None:
                self._workdir.mkdir(parents=True, exist_ok=True)
                self._hold((self._workdir / LOCK).open("x+"))
            self._begun = True
            who = {"host": socket.gethostname(), "process": os.getpid(), "since": _now()}
            self._write(json.dumps(who) + "\n")
        except FileExistsError as error:
            raise ConfigError(
                f"workdir: another training has just started in {self._workdir}; {_INSTEAD}"
            ) from error
        except OSError as error:
            raise ConfigError(
                f"workdir: {self._workdir} cannot be written ({error.strerror})."
            ) from error

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_) -> None:
        if self._file is None:
            return
        with self._file, contextlib.suppress(OSError):  # a full disk: the name stays, unlocked
            if self._begun:
                self._write("")
        self._file = None

    def _hold(self, file: IO[str]) -> None:
        for rest in reversed(range(_TRIES)):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if not rest:
                    who = _read(file)
                    file.close()
                    raise ConfigError(
                        f"workdir: {self._workdir} is being trained by {_text(who)}; {_INSTEAD}"
                    ) from error
                time.sleep(0.1)
            except OSError as error:
                warnings.warn(
                    f"{self._workdir}: its file system has no locks ({error.strerror}); a second "
                    "training in this folder would not be noticed.",
                    stacklevel=2,
                )
                break
        self._file = file

    def _write(self, text: str) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(text)
        self._file.flush()


_INSTEAD = "use another --workdir, or wait until it has ended."


def holder(workdir: pathlib.Path) -> dict[str, Any] | None:
    """The ``host``, ``process`` and start time (``since``) of the training in a run folder; None if
    there is none.
    """
    try:
        with (workdir / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with (workdir / LOCK).open() as file:
            return _read(file)
    except OSError:
        pass
    return None


def left_behind(workdir: pathlib.Path) -> bool:
    """Whether the last training in a run folder without a running training was killed."""
    try:
        return bool((workdir / LOCK).read_text())
    except OSError:
        return False


def _read(file: IO[str]) -> dict[str, Any]:
    try:
        found = json.loads(file.read())
        return found if isinstance(found, dict) else {}
    except ValueError:  # it is being written
        return {}


def _text(who: dict[str, Any]) -> str:
    host, process, since = (who.get(name, "?") for name in ("host", "process", "since"))
    return f"process {process} on {host} since {since}" if who else "another process"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(sep=" ", timespec="seconds")
