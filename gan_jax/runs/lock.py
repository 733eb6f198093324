"""One training at a time in a run folder.

The file ``lock`` names who trains: host, process, since when. The lock itself is the kernel's
(``flock``): it ends with the process that holds it, also when that is killed, so that a name left
behind locks nothing. Between hosts it holds where the network file system passes it on: NFS does
(since Linux 2.6.12), Lustre if mounted with ``flock``. Where there are no such locks, a warning
says so.
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
"""A reader of the lock holds it for a moment, see `holder`."""


class Lock:
    """The lock of a run folder; a context manager that releases it at its end.

    A folder that was never trained in has no such file, and nothing is written to it before all is
    checked: `take` then does nothing, and `begin` makes the file.
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
        except OSError:  # there is none; what else may be wrong, `begin` meets
            return
        self._hold(file)

    def begin(self) -> None:
        """Takes the lock, if `take` has not, and writes who holds it.

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
                f"workdir: another training has just begun in {self._workdir}; {_ACCEPTED}"
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
                        f"workdir: {self._workdir} is being trained by {_text(who)}; {_ACCEPTED}"
                    ) from error
                time.sleep(0.1)
            except OSError as error:
                warnings.warn(
                    f"{self._workdir}: its file system has no locks ({error.strerror}), so that a "
                    "second training in this folder would not be noticed.",
                    stacklevel=2,
                )
                break
        self._file = file

    def _write(self, text: str) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(text)
        self._file.flush()


_ACCEPTED = "accepted: another --workdir, or the same when that has ended."


def holder(workdir: pathlib.Path) -> dict[str, Any] | None:
    """Who trains in a run folder now, by ``host``, ``process`` and ``since``; None where nobody
    does.
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
    """Whether the last training in a run folder, in which nobody trains now, was killed."""
    try:
        return bool((workdir / LOCK).read_text())
    except OSError:
        return False


def _read(file: IO[str]) -> dict[str, Any]:
    try:
        found = json.loads(file.read())
        return found if isinstance(found, dict) else {}
    except ValueError:  # it is just being written
        return {}


def _text(who: dict[str, Any]) -> str:
    host, process, since = (who.get(name, "?") for name in ("host", "process", "since"))
    return f"process {process} on {host} since {since}" if who else "another process"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(sep=" ", timespec="seconds")
