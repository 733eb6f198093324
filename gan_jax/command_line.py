"""What the commands share: errors as one sentence, warnings as one line, compilations that outlive
the process.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
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
# Versions of jaxlib from and to which XLA is known to have this flag; where it is unknown, XLA ends
# the process.
_LIBRARY_KNOWN = (0, 10), (0, 12)


def called(name: str) -> str:
    """How the user calls a command, to judge by how this process was called: ``gan-jax NAME``,
    ``python -m gan_jax NAME``, or in a clone ``uv run NAME.py``.
    """
    program = PurePath(sys.argv[0])
    if program.name in [f"{script}.py" for script in SCRIPTS]:
        return f"uv run {name}.py" if name in SCRIPTS else f"uv run gan-jax {name}"
    if (program.parent.name, program.name) == ("gan_jax", "__main__.py"):
        return f"python -m gan_jax {name}"
    return f"gan-jax {name}"


@contextlib.contextmanager
def running(name: str) -> Iterator[None]:
    """Around a command's ``main``: warnings take one line, a `ConfigError` is one line on stderr
    and exit code 2, and a closed pipe ends the program.

    Args:
      name: of the command, or what an error begins with.
    """
    plain_warnings()
    called_by = called(name).removeprefix("uv run ") if name in SCRIPTS else name
    with closed_pipe_ends(), one_sentence_errors(called_by):
        yield


def loading() -> None:
    """Says on a terminal that JAX is being loaded, which takes seconds."""
    if "jax" not in sys.modules and sys.stderr.isatty():
        print("Loading JAX ...", file=sys.stderr, flush=True)


@contextlib.contextmanager
def one_sentence_errors(program: str) -> Iterator[None]:
    """A `ConfigError` becomes one line on stderr and exit code 2."""
    try:
        yield
    except ConfigError as error:
        print(f"{program}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


@contextlib.contextmanager
def closed_pipe_ends() -> Iterator[None]:
    """Where nobody reads stdout any more, as behind ``| head``, the program ends with the exit code
    that a shell gives for it.
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
    """All is saved; the same Ctrl-C may come once more, passed on by a parent such as uv."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def plain_warnings() -> None:
    """Warnings as one line, without the line of code that gave them."""
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"


def keep_compilations() -> None:
    """Compiled programs are kept in the user's cache folder (``GAN_JAX_CACHE``), so that the next
    start is a fast one.
    """
    import jax

    jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def fast_cpu() -> None:
    """XLA's CPU backend computes convolutions, products and sums by a library, YNNPACK; here the
    library gets sums alone.

    XLA's own convolutions and products are faster for the networks of `benchmark.py`
    (docs/performance.md). Must come before jax first computes; what ``XLA_FLAGS`` says of it
    already is left as it is. Of no effect on other backends.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    version = tuple(int(part) for part in importlib.metadata.version("jaxlib").split(".")[:2])
    if _LIBRARY not in flags and _LIBRARY_KNOWN[0] <= version <= _LIBRARY_KNOWN[1]:
        os.environ["XLA_FLAGS"] = f"{flags} --{_LIBRARY}=LIBRARY_FUSION_TYPE_REDUCE".strip()


def divide_cpu(most: int) -> None:
    """Makes the CPU a device for each core, at most so many, where nothing else says how many there
    are.

    Independent work on each then runs at the same time; a single program leaves cores idle between
    small operations. Must come before jax is first asked for devices.
    """
    import jax

    if (
        "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", "")
        and jax.config.jax_num_cpu_devices < 1
    ):
        cores = (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
        with contextlib.suppress(
            RuntimeError
        ):  # jax was asked before: as they are, they serve as well, if not as fast
            jax.config.update("jax_num_cpu_devices", max(1, min(cores, most)))
