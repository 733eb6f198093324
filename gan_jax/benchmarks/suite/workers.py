"""A process that makes tasks one after another, so that its death ends a task and not the suite."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from gan_jax import command_line
from gan_jax.errors import ConfigError

PATIENCE = 2.0
"""Seconds that a process has to end by itself."""


class TimeUp(Exception):
    """A task did not end in its time; its process was ended."""


class Failed(Exception):
    """A task failed; the message says why, in one line."""


class Worker:
    """A process with a JAX of its own; a context manager.

    Args:
      members: the number of CPU cores that become devices, at most.
      module: the name of a module with ``call(function, options) -> values``, JSON-serializable,
        which makes a task; only the new process imports it.
    """

    def __init__(self, members: int, module: str):
        spawning = multiprocessing.get_context("spawn")  # a forked JAX would hang
        self._connection, theirs = spawning.Pipe()
        # The suite shares the device with the processes of PyTorch.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        self._process = spawning.Process(target=_serve, args=(theirs, members, module), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def run(self, function: str, options: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The values of a task.

        Raises:
          Failed: if the task raised an exception, or ended the process.
          TimeUp: if it took longer than ``seconds``.
        """
        try:
            self._connection.send((function, options))
            if not self._connection.poll(max(seconds, 0)):
                self._process.kill()
                self._process.join()
                raise TimeUp
            answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode or 0
            how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
            raise Failed(f"its process was ended {how}") from None
        if answer.error:
            raise Failed(answer.error)
        return answer.values

    def close(self) -> None:
        """Ends the process, which is not at work unless Ctrl-C came."""
        self._connection.close()
        self._process.join(PATIENCE)
        self._process.kill()
        self._process.join()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Answer(NamedTuple):
    values: dict[str, Any]
    error: str = ""


def _serve(connection: Connection, members: int, module: str) -> None:
    """Answers tasks until the other end is closed, which is the end of the process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this
    command_line.plain_warnings()
    command_line.fast_cpu()
    if members > 1:
        command_line.divide_cpu(members)
    call = importlib.import_module(module).call
    while True:
        try:
            function, options = connection.recv()
        except EOFError:
            return
        try:
            answer = _Answer(call(function, options))
        except BaseException as error:
            answer = _Answer({}, reason(error))
        connection.send(answer)


def reason(error: BaseException) -> str:
    """Why a task failed, in one line: the message, and the line of this library if it is a bug."""
    text = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, ConfigError):
        return text
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is that of `_serve`
    where = [frame for frame in frames if "gan_jax" in frame.filename]
    at = f" ({os.path.basename(where[-1].filename)}:{where[-1].lineno})" if where else ""
    return f"{type(error).__name__}: {text[:200]}{at}"


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
