"""What the scripts share: errors as one sentence, warnings as one line, compilations that outlive
the process.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import signal
import sys
import textwrap
import typing
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tyro

from gan_jax.config import Config, with_value
from gan_jax.errors import ConfigError
from gan_jax.files import cache_folder
from gan_jax.grammar import (
    Part,
    Scalar,
    Schedule,
    scalar_from_text,
    scalar_to_text,
    value_from_text,
)

_LIBRARY = "xla_cpu_experimental_ynn_fusion_type"
# Versions of jaxlib from and to which XLA is known to have this flag; where it is unknown, XLA ends
# the process.
_LIBRARY_KNOWN = (0, 10), (0, 12)


@contextlib.contextmanager
def one_sentence_errors(program: str) -> Iterator[None]:
    """A `ConfigError` becomes one line on stderr and exit code 2."""
    try:
        yield
    except ConfigError as error:
        print(f"{program}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


CONSTRUCTORS = tyro.constructors.ConstructorRegistry()
"""How tyro reads and shows the numbers of the step and the parts of a `Config`."""


@CONSTRUCTORS.primitive_rule
def _scalar(info: tyro.constructors.PrimitiveTypeInfo) -> Any:
    if Schedule not in typing.get_args(info.type):
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="NUMBER|SCHEDULE|FEEDBACK",
        instance_from_str=lambda texts: None if texts[0] == "None" else scalar_from_text(texts[0]),
        is_instance=lambda value: value is None or isinstance(value, Scalar),
        str_from_instance=lambda value: ["None" if value is None else scalar_to_text(value)],
    )


@CONSTRUCTORS.primitive_rule
def _part(info: tyro.constructors.PrimitiveTypeInfo) -> Any:
    if not (isinstance(info.type, type) and issubclass(info.type, Part)):
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME[:NUMBER][:KEY=VALUE...]",
        instance_from_str=lambda texts: info.type.from_text(texts[0]),
        is_instance=lambda value: isinstance(value, info.type),
        str_from_instance=lambda value: [str(value)],
    )


def split_changes(arguments: Sequence[str], config: Config) -> tuple[list[str], list[tuple]]:
    """Separates ``--FIELD.OPTION VALUE``, a change of the part that a field holds, from the other
    arguments.

    Returns:
      The other arguments, and pairs of path and value as `change` takes them.

    Raises:
      ConfigError: for an option without a value.
    """
    others, changes, rest = [], [], list(arguments)
    while rest:
        argument = rest.pop(0)
        flag, equals, text = argument.partition("=")
        field, dot, option = flag.removeprefix("--").replace("-", "_").partition(".")
        if not (flag.startswith("--") and dot and isinstance(getattr(config, field, None), Part)):
            others.append(argument)
            continue
        if not equals and (not rest or rest[0].startswith("--")):
            raise ConfigError(f"{field}.{option}: no value is given; accepted: {flag} VALUE.")
        text = text if equals else rest.pop(0)
        changes.append((f"{field}.{option}", text if option == "name" else value_from_text(text)))
    return others, changes


def change(config: Config, changes: Sequence[tuple[str, Any]]) -> Config:
    """The config with each change of `split_changes`, one after the other."""
    for path, value in changes:
        config = with_value(config, path, value)
    return config


def list_choices(choices: Mapping[str, Mapping[str, Mapping[str, tuple[str, str]]]]) -> str:
    """What `gan_jax.build.choices` returns, as a help text."""
    lines = []
    for names in {id(names): names for names in choices.values()}.values():
        fields = [f"--{f.replace('_', '-')}" for f, other in choices.items() if other is names]
        bare = ", ".join(name for name, options in names.items() if not options)
        lines += textwrap.wrap(f"{', '.join(fields)}: {bare}", 96, subsequent_indent="  ")
        for name, options in names.items():
            set_by = [key + f"={default}" * bool(default) for key, (default, _) in options.items()]
            if any(help for _, help in options.values()):
                lines.append(f"  {name}")
                for text, (_, help) in zip(set_by, options.values(), strict=True):
                    lines += textwrap.wrap(f"    {text}: {help}", 96, subsequent_indent=" " * 6)
            elif options:
                lines.append(f"  {name} ({', '.join(set_by)})")
    return "\n".join(lines)


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
