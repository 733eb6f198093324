"""What the commands of the studies share: reading options, and running a study that can be
resumed.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, overload

from gan_jax import arguments, command_line
from gan_jax.errors import ConfigError, one_of

_T = TypeVar("_T")
_U = TypeVar("_U")


class Study(Protocol):
    """A study that keeps its results in ``folder``; ``run`` adds those that are missing."""

    @property
    def folder(self) -> Path: ...

    def run(self) -> None: ...


@overload
def asked(
    name: str, about: str | None, argv: Sequence[str] | None, options: type[_T], /
) -> contextlib.AbstractContextManager[_T]: ...


@overload
def asked(
    name: str, about: str | None, argv: Sequence[str] | None, first: type[_T], other: type[_U], /
) -> contextlib.AbstractContextManager[tuple[_T, _U]]: ...


@contextlib.contextmanager
def asked(
    name: str, about: str | None, argv: Sequence[str] | None, /, *options: type
) -> Iterator[Any]:
    """Wraps the ``main`` of a study: yields its options, and turns a `ConfigError` into one line
    and exit code 2.

    Args:
      name: the name of the study.
      about: the beginning of its help.
      argv: the command line after the name; None for that of this process.
      options: a dataclass, or several, whose values are then yielded as a tuple.
    """
    with command_line.running(name):
        argv = sys.argv[1:] if argv is None else argv
        program = command_line.called(f"study {name}")
        found = arguments.parse(program, about or "", argv, *options)
        yield found if len(options) > 1 else found[0]


def run(name: str, study: Study, continues: str) -> int:
    """Runs what is missing of a study.

    Args:
      name: the name of the study.
      study: its results so far.
      continues: where the same command continues after Ctrl-C, as "from the last measurement".

    Returns:
      The exit code: 0: all results are complete; 1: a GAN diverged; 130: stopped by Ctrl-C.
    """
    from gan_jax.training.divergence import Diverged

    try:
        study.run()
    except KeyboardInterrupt:
        print(f"\nStopped; the same command continues {continues}.", file=sys.stderr)
        return 130
    except (FloatingPointError, Diverged) as error:
        print(
            f"{name}: a GAN diverged: {error}; earlier results are in {study.folder}.",
            file=sys.stderr,
        )
        return 1
    return 0


def numbers(option: str, text: str) -> list[int | None]:
    """The numbers of an option such as ``10,50,all``, each once; None for all.

    Raises:
      ConfigError: for anything but positive integers and all.
    """
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if part != "all" and not (part.isdecimal() and int(part)):
            raise ConfigError(
                f"{option} {part!r} is not a number of {option}; use positive integers or all, "
                "separated by commas."
            )
    return [None if part == "all" else int(part) for part in dict.fromkeys(parts)]


def names(option: str, text: str, known: Collection[str]) -> tuple[str, ...]:
    """The names of an option such as ``a,b``, each once; ``all`` for all that are known.

    Raises:
      ConfigError: for an unknown name.
    """
    chosen = tuple(known if text == "all" else dict.fromkeys(text.split(",")))
    return tuple(one_of(option, name, known) for name in chosen)


def counts(option: str, text: str) -> list[int]:
    """The numbers of an option such as ``10,50``, each once.

    Raises:
      ConfigError: for anything but positive integers.
    """
    found = [number for number in numbers(option, text) if number is not None]
    if len(found) < len(numbers(option, text)):
        raise ConfigError(f"{option} 'all' is not supported here; use positive integers.")
    return found
