"""Shared by the commands: one-line errors and warnings, and the persistent compilation cache."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import os
import re
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import PurePath

from gan_jax.errors import ConfigError
from gan_jax.files import cache_folder

SCRIPTS = ("train", "eval", "benchmark")
"""Commands that are also scripts at the top level of a clone."""
_LIBRARY = "xla_cpu_experimental_ynn_fusion_type"
# First and last version of jaxlib whose XLA has this flag; XLA ends the process for unknown flags.
_LIBRARY_KNOWN = (0, 10), (0, 12)
# M_MMAP_MAX, M_TRIM_THRESHOLD and M_ARENA_MAX of malloc.h: no block is mapped on its own, the top
# of the heap is never returned, and all threads share this heap.
_KEEP_MEMORY = (-4, 0), (-1, -1), (-8, 1)
_FAKE_DEVICES = re.compile(r"xla_force_host_platform_device_count=(\d+)")
_THREADS_OF_A_DEVICE = 4


def called(name: str) -> str:
    """The command line of a command, in the same form in which this process was called:
    ``gan-jax NAME``, ``python -m gan_jax NAME``, or in a clone ``uv run NAME.py``.
    """
    program = PurePath(sys.argv[0])
    if program.name in [f"{script}.py" for script in SCRIPTS]:
        return f"uv run {name}.py" if name in SCRIPTS else f"uv run gan-jax {name}"
    if (program.parent.name, program.name) == ("gan_jax", "__main__.py"):
        return f"python -m gan_jax {name}"
    return f"gan-jax {name}"


@contextlib.contextmanager
def running(name: str) -> Iterator[None]:
    """Wraps a command's ``main``: warnings take one line, a `ConfigError` becomes one line on
    stderr and exit code 2, and a closed pipe ends the program.

    Args:
      name: the name of the command, or the beginning of its error lines.
    """
    plain_warnings()
    called_by = called(name).removeprefix("uv run ") if name in SCRIPTS else name
    with closed_pipe_ends(), one_sentence_errors(called_by):
        yield


def loading() -> None:
    """On a terminal, reports that JAX is being loaded, which takes seconds."""
    if "jax" not in sys.modules and sys.stderr.isatty():
        print("Loading JAX ...", file=sys.stderr, flush=True)


@contextlib.contextmanager
def one_sentence_errors(program: str) -> Iterator[None]:
    """Turns a `ConfigError` into one line on stderr and exit code 2."""
    try:
        yield
    except ConfigError as error:
        print(f"{program}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


@contextlib.contextmanager
def closed_pipe_ends() -> Iterator[None]:
    """Ends the program with the shell's exit code for a closed pipe if nobody reads stdout any
    more, as with ``| head``.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # or the flush at exit would complain
        raise SystemExit(128 + signal.SIGPIPE) from None


def ignore_signals() -> None:
    """Ignores further signals once everything is saved: a parent such as uv may pass on the same
    Ctrl-C again.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def plain_warnings() -> None:
    """Shortens warnings to one line, without the source line."""
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"


def keep_compilations() -> None:
    """Keeps compiled programs in the user's cache folder (``GAN_JAX_CACHE``), which makes the next
    start fast.
    """
    import jax

    jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def fast_cpu() -> None:
    """Makes programs fast on a CPU (docs/performance.md). Call it before jax is imported.

    It restricts YNNPACK, the library that XLA's CPU backend uses for convolutions, matmuls and
    reductions, to reductions: XLA's own convolutions and matmuls are faster for the networks of
    `benchmark.py`. And it has the C library keep freed memory, which XLA requests anew at each
    call: the pages of memory that was returned to the system must be mapped and zeroed again.
    Existing settings in ``XLA_FLAGS`` and in ``MALLOC_TRIM_THRESHOLD_`` are respected. Programs on
    other backends are the same; their hosts keep memory, too.

    With several devices that ``XLA_FLAGS`` makes of one CPU, XLA gets four threads for each, unless
    ``PJRT_NPROC`` sets their number. By default it has one for each. Devices that wait for each
    other in two collectives at once then take all threads, and the program ends after 40 seconds.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    version = tuple(int(part) for part in importlib.metadata.version("jaxlib").split(".")[:2])
    if _LIBRARY not in flags and _LIBRARY_KNOWN[0] <= version <= _LIBRARY_KNOWN[1]:
        os.environ["XLA_FLAGS"] = f"{flags} --{_LIBRARY}=LIBRARY_FUSION_TYPE_REDUCE".strip()
    devices = _FAKE_DEVICES.findall(flags)
    if devices and int(devices[-1]) > 1:
        os.environ.setdefault("PJRT_NPROC", str(_THREADS_OF_A_DEVICE * int(devices[-1])))
    # Only the C library of GNU has these settings.
    if sys.platform == "linux" and "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)
        if set_option is not None:
            for option, value in _KEEP_MEMORY:
                set_option(option, value)


def cores() -> int:
    """The number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def divide_cpu(most: int) -> None:
    """Makes each CPU core a device, up to ``most`` devices, unless their number is already set.

    Independent work then runs on all cores at the same time; a single program leaves cores idle
    between small operations. Call it before jax is first asked for devices.
    """
    import jax

    if (
        "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", "")
        and jax.config.jax_num_cpu_devices < 1
    ):
        # The devices of a jax that is already initialized also work, only more slowly.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", max(1, min(cores(), most)))
