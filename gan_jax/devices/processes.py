"""Runs with several processes: connecting, agreeing on values, and ending when a peer is lost."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from gan_jax.config import Config
from gan_jax.errors import ConfigError

PATIENCE = 100
"""Seconds that a process waits for another before it exits."""
_T = TypeVar("_T")
_patience = PATIENCE


class PeerLost(RuntimeError):
    """Another process of this run ended or cannot be reached, so that this process must end too."""


def connect(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    patience: int = PATIENCE,
) -> None:
    """Connects the processes of a run through jax's distributed runtime. Call this before anything
    else asks jax for devices.

    Args:
      coordinator: ``HOST:PORT`` of process 0; if all three are None, jax uses SLURM, Open MPI or
        the TPU pod.
      num_processes: number of processes of the run.
      process_id: number of this process, from 0.
      patience: seconds to wait for the others to connect, to respond, and to end.

    If they do not connect in time, this process prints one line and exits with code 2.

    Raises:
      ConfigError: for incomplete or invalid options, or if no cluster is found.
    """
    given = coordinator, num_processes, process_id
    if any(value is None for value in given) and given != (None, None, None):
        raise ConfigError("--coordinator, --num-processes and --process-id must be given together.")
    global _patience
    if patience < 1:
        raise ConfigError(f"patience must be at least 1 second, not {patience}.")
    if coordinator is not None:
        host, _, port = coordinator.rpartition(":")
        if not host or not re.fullmatch("[0-9]{1,5}", port):
            raise ConfigError(f"coordinator must have the form HOST:PORT, not {coordinator!r}.")
        if not 0 < int(port) < 2**16:
            raise ConfigError(f"coordinator: the port must be between 1 and 65535, not {port}.")
        if not 0 <= process_id < num_processes:
            raise ConfigError(
                f"process_id must be in [0, {num_processes}), as num_processes is {num_processes}, "
                f"not {process_id}."
            )
    _patience = patience
    alarm = threading.Timer(patience, _give_up, [patience])
    alarm.start()
    try:
        jax.distributed.initialize(
            *given,
            initialization_timeout=patience
            + 30,  # at its end jax would abort the process, with a trace of C++
            heartbeat_timeout_seconds=patience,
            shutdown_timeout_seconds=patience,
        )
    except ValueError as error:
        raise ConfigError(
            "--distributed found no SLURM, Open MPI or TPU pod; use --coordinator HOST:PORT "
            "--num-processes N --process-id I."
        ) from error
    finally:
        alarm.cancel()


def _give_up(patience: int) -> None:
    print(
        f"coordinator: the processes of this run did not meet within {patience} s.",
        file=sys.stderr,
        flush=True,
    )
    os._exit(2)  # the main thread waits inside of jax, where nothing reaches it


def first() -> bool:
    """Whether this is the process that writes shared files."""
    return jax.process_index() == 0


def least(value: int) -> int:
    """The minimum of the values (int32) over all processes, which must all call this."""
    if jax.process_count() == 1:
        return value
    return int(multihost_utils.process_allgather(np.int32(value)).min())


def together(work: Callable[[], _T]) -> _T:
    """The result of ``work()``, once it is complete in every process.

    Raises:
      ConfigError: in every process, if one raised it.
    """
    error = result = None
    try:
        result = work()
    except ConfigError as refused:
        error = refused
    if least(error is None) == 0:
        raise error or ConfigError(
            "another process of this run stopped with an error; see its message."
        )
    return result


def check_same(config: Config) -> None:
    """Refuses processes that were not started with the same config.

    Raises:
      ConfigError: in every process.
    """
    digest = zlib.crc32(repr(config).encode()) >> 1
    if least(digest) != digest or least(-digest) != -digest:
        raise ConfigError(
            "the processes of this run were started with different configs; use the same config "
            "for all."
        )


@contextlib.contextmanager
def peers() -> Iterator[Callable[[], None]]:
    """A context for a loop that needs the other processes; yields a function to call in every
    round.

    A call that fails because of a lost peer raises. If it hangs instead (a stopped peer,
    collectives of an accelerator), a line reports the probable cause before jax ends the process.

    Raises:
      PeerLost: if a call across processes failed.
    """
    if jax.process_count() == 1:
        yield lambda: None
        return
    done, progress = threading.Event(), threading.Event()
    threading.Thread(target=_watch, args=(done, progress), daemon=True).start()
    try:
        yield progress.set
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise PeerLost(
            f"another process of this run ended or cannot be reached ({reason})"
        ) from error
    finally:
        done.set()


def _watch(done: threading.Event, progress: threading.Event) -> None:
    """Tells where a round takes longer than a quarter of what jax waits for a silent process, at
    most half of it later.
    """
    while not done.wait(_patience / 4):
        if not progress.is_set():
            print(
                f"No step was finished for {_patience / 4:.0f} s. If another process of this run "
                f"is lost, jax ends this one {_patience} s after the last sign of it; to go on "
                "from the last checkpoint, start all again.",
                file=sys.stderr,
                flush=True,
            )
        progress.clear()
