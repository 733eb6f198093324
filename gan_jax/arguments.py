"""Command-line options from dataclasses: a field is an option, its type says how a value is read,
and its docstring is the help. Built on argparse; loads nothing else.

Wrong input raises a `ConfigError`.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import dataclasses
import functools
import inspect
import itertools
import os
import pathlib
import re
import shutil
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from gan_jax.config import with_value
from gan_jax.errors import ConfigError, did_you_mean, one_of
from gan_jax.grammar import Part, Schedule, scalar_from_text, scalar_to_text, value_from_text

_T = TypeVar("_T")
_POSITIONAL, _HIDDEN = "positional", "hidden"
Positional = Annotated[_T, _POSITIONAL]
"""``Positional[Path]``: a positional argument; a tuple takes one or more."""
Hidden = Annotated[_T, _HIDDEN]
"""``Hidden[X]``: a field that is not an option."""
WIDTH, INDENT, SHORT = 100, 28, 16
"""Columns: the width of a help text, the start of its sentences, and the width up to which a list
of names is short.
"""
LONGEST_NAME = 255
"""Maximum length of the name of a file or folder, in bytes."""


@dataclasses.dataclass(frozen=True)
class Option:
    """A field as an option: its ``path`` in the dataclass (``augmentation.shift``), its type, its
    default, its help in one paragraph.
    """

    path: str
    kind: Any
    default: Any
    help: str
    positional: bool

    @property
    def flag(self) -> str:
        return "--" + self.path.replace("_", "-")

    @property
    def required(self) -> bool:
        return self.default is dataclasses.MISSING

    @property
    def many(self) -> bool:
        """Whether it takes several values."""
        return typing.get_origin(_bare(self.kind)[0]) is tuple

    @property
    def names(self) -> tuple[str, ...]:
        """The values that its type accepts, where these are words."""
        kind = _bare(self.kind)[0]
        return typing.get_args(kind) if typing.get_origin(kind) is Literal else ()


def parse(
    program: str,
    description: str,
    arguments: Sequence[str],
    *kinds: Any,
    groups: Mapping[str, str] | None = None,
    choices: Mapping[str, Sequence[str] | str] | None = None,
    epilog: str = "",
) -> tuple[Any, ...]:
    """Reads a command line; ``--help`` prints the help and exits with code 0.

    Args:
      program: the beginning of the usage line.
      description, epilog: texts before and after the options in the help.
      arguments: the command line.
      kinds: dataclasses to be filled, or instances of them, which hold the defaults. No field name
        may occur twice.
      groups: titles of groups, by the path of the first option of each.
      choices: the names that an option accepts, by its path. The help lists them; if the type is
        `str`, other names are refused. A text instead of names is only added to the help.

    Returns:
      An instance for each of ``kinds``.

    Raises:
      ConfigError: for an unknown option, a missing value, or a value of the wrong type.
    """
    groups, choices = groups or {}, choices or {}
    parser = _Parser(
        prog=program, description=description, epilog=epilog, allow_abbrev=False, add_help=False,
        formatter_class=_Formatter, usage=f"{program} [OPTIONS]",
    )  # fmt: skip
    if any("\0" in argument for argument in arguments):
        raise ConfigError("command line: an argument contains a NUL byte; remove it.")
    options = [list(_options(kind)) for kind in kinds]
    every = [o for own in options for o in own]
    names = {o.path: choices.get(o.path) or o.names for o in every}
    _declare(parser, every, groups, names)
    given, others = parser.parse_known_args(_normal(arguments))
    if others:
        _refuse(others, [o.flag for o in every])
    texts = vars(given)
    return tuple(
        _filled(kind, {o.path: _value(o, texts[o.path], names) for o in own if o.path in texts})
        for kind, own in zip(kinds, options, strict=True)
    )


def split_changes(arguments: Sequence[str], config: Any) -> tuple[list[str], list[tuple]]:
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
            raise ConfigError(f"{field}.{option} needs a value: {flag} VALUE.")
        text = text if equals else rest.pop(0)
        changes.append((f"{field}.{option}", text if option == "name" else value_from_text(text)))
    return others, changes


def change(config: _T, changes: Sequence[tuple[str, Any]]) -> _T:
    """The config with each change of `split_changes`, one after the other."""
    for path, value in changes:
        config = with_value(config, path, value)
    return config


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raises argparse's errors as a `ConfigError`."""
        if missing := re.fullmatch(r"the following arguments are required: ([^,\s]+).*", message):
            raise ConfigError(f"{missing[1]} is missing; see {self.prog} --help.")
        flag, _, problem = message.removeprefix("argument ").partition(": ")
        flag = flag.partition("/")[0]
        if problem.startswith("expected"):
            raise ConfigError(f"{_path(flag)} needs a value: {flag} VALUE.")
        raise ConfigError(f"{_path(flag)}: {problem or message}; see {self.prog} --help.")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str, **others: Any):
        width = min(WIDTH, shutil.get_terminal_size().columns)
        super().__init__(prog, max_help_position=INDENT, width=width)


def _options(kind: Any, prefix: str = "") -> Iterator[Option]:
    """The options of a dataclass or an instance; the fields of a nested dataclass become
    ``FIELD.OPTION``.
    """
    cls = kind if isinstance(kind, type) else type(kind)
    hints, helps = typing.get_type_hints(cls, include_extras=True), _helps(cls)
    inherited = lambda field: field.name not in cls.__annotations__
    for field in sorted(dataclasses.fields(cls), key=inherited):  # stable: its own ones first
        hint, marks = _unwrapped(hints[field.name])
        default = field.default if kind is cls else getattr(kind, field.name)
        if _HIDDEN in marks:
            continue
        if dataclasses.is_dataclass(hint) and not issubclass(hint, Part):
            yield from _options(default, f"{prefix}{field.name}.")
            continue
        path, help = prefix + field.name, helps.get(field.name, "")
        yield Option(path, hint, default, help, _POSITIONAL in marks)


def _unwrapped(hint: Any) -> tuple[Any, tuple]:
    if typing.get_origin(hint) is Annotated:
        return hint.__origin__, hint.__metadata__
    return hint, ()


@functools.cache
def _helps(cls: type) -> dict[str, str]:
    """The docstrings of a dataclass's fields and of inherited ones, each as one paragraph."""
    helps: dict[str, str] = {}
    for base in filter(dataclasses.is_dataclass, cls.__mro__):
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body
        found = {
            field.target.id: " ".join(text.value.value.split())
            for field, text in itertools.pairwise(body)
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
        }
        helps |= {name: text for name, text in found.items() if name not in helps}
    return helps


def _declare(
    parser: _Parser,
    options: Sequence[Option],
    groups: Mapping[str, str],
    choices: Mapping[str, Sequence[str]],
) -> None:
    """Declares the options to argparse, which only separates them: all values stay texts."""
    made: dict[str, Any] = {}
    group = parser
    for option in options:
        if option.path in groups:
            title = groups[option.path]
            made[title] = group = made.get(title) or parser.add_argument_group(title)
        help = _sentence(option, choices[option.path]).replace("%", "%%")
        own = {"dest": option.path, "default": argparse.SUPPRESS}
        if option.positional:
            nargs = ("+" if option.required else "*") if option.many else "?"
            own = {"metavar": option.path.upper(), "default": argparse.SUPPRESS, "help": help}
            own |= {"nargs": nargs} if option.many or not option.required else {}
            parser.add_argument(option.path, **own)
        elif option.kind is bool:
            hide = lambda shown, help=help: help if shown else argparse.SUPPRESS
            no = "--no-" + option.flag[2:]
            group.add_argument(
                option.flag, action="store_true", help=hide(not option.default), **own
            )
            group.add_argument(no, action="store_false", help=hide(option.default), **own)
        else:
            own |= {"nargs": "*"} if option.many else {}
            metavar = _metavar(option.kind, choices[option.path])
            required = option.required
            group.add_argument(option.flag, metavar=metavar, help=help, required=required, **own)
    parser.add_argument("-h", "--help", action="help", help="Show this help and exit.")


def _sentence(option: Option, choices: Sequence[str]) -> str:
    """The help of an option, with its accepted names and its default."""
    names = f" One of: {', '.join(choices)}." if choices and not _braces(choices) else ""
    names = f" {choices}" if isinstance(choices, str) else names
    default = option.default
    if option.required or default is None or isinstance(default, bool) or default in ((), ""):
        return option.help + names
    return f"{option.help}{names} (default: {_text(default)})"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(_text(v) for v in value)
    return scalar_to_text(value) if isinstance(value, (float, Schedule)) else str(value)


def _braces(choices: Sequence[str]) -> str:
    """``{a,b}`` for a few short names, an empty string for longer lists."""
    text = "{" + ",".join(choices) + "}"
    return text if choices and not isinstance(choices, str) and len(text) <= SHORT else ""


def _metavar(kind: Any, choices: Sequence[str]) -> str:
    """The placeholder of the value in the help."""
    kind, _ = _bare(kind)
    if braces := _braces(choices):
        return braces
    if typing.get_origin(kind) is tuple:
        kind = typing.get_args(kind)[0]
    if _is_scalar(kind):
        return "SCALAR"
    if isinstance(kind, type) and issubclass(kind, Part):
        return "PART"
    names = {int: "N", float: "X", pathlib.Path: "PATH"}
    return names.get(kind, "NAME" if choices else "TEXT")


def _bare(kind: Any) -> tuple[Any, bool]:
    """The type without ``| None``, and whether it was optional."""
    args = typing.get_args(kind)
    if typing.get_origin(kind) in (typing.Union, types.UnionType) and types.NoneType in args:
        others = tuple(a for a in args if a is not types.NoneType)
        return (others[0] if len(others) == 1 else typing.Union[others]), True  # noqa: UP007
    return kind, False


def _is_scalar(kind: Any) -> bool:
    return Schedule in typing.get_args(kind)


def _value(option: Option, text: Any, choices: Mapping[str, Sequence[str]]) -> Any:
    """The value of an argument, from its text or list of texts."""
    kind, optional = _bare(option.kind)
    if isinstance(text, bool):
        return text
    if typing.get_origin(kind) is tuple:
        own, names = typing.get_args(kind)[0], choices.get(option.path)
        return tuple(_read(option.path, own, one, names) for one in text)
    if optional and text == "None":
        return None
    return _read(option.path, kind, text, choices.get(option.path))


def _read(path: str, kind: Any, text: str, names: Sequence[str] | None) -> Any:
    if kind is str or typing.get_origin(kind) is Literal:
        return one_of(path, text, names) if names and not isinstance(names, str) else text
    if kind is pathlib.Path:
        return as_path(path, text)
    if isinstance(kind, type) and issubclass(kind, Part):
        try:
            return kind.from_text(text)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
    words = {int: "an integer", float: "a number"}
    read = scalar_from_text if _is_scalar(kind) else kind
    try:
        return read(text)
    except (ValueError, OverflowError) as error:
        if kind in words:
            raise ConfigError(f"{path} must be {words[kind]}, not {_short(text)}.") from None
        raise ConfigError(f"{path}: cannot read {_short(text)} ({error}).") from None


def as_path(field: str, text: str) -> pathlib.Path:
    """A path from the command line.

    Raises:
      ConfigError: for an empty path, or a file name that is too long for file systems.
    """
    if not text:
        raise ConfigError(f"{field}: the path is empty; give a name, or . for this folder.")
    path = pathlib.Path(text)
    longest = max((len(os.fsencode(name)) for name in path.parts), default=0)
    if longest > LONGEST_NAME:
        raise ConfigError(
            f"{field}: {_short(text)} contains a name of {longest} bytes; the limit is "
            f"{LONGEST_NAME}."
        )
    return path


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _filled(kind: Any, values: Mapping[str, Any]) -> Any:
    """An instance with the given values, by path."""
    if isinstance(kind, type):
        own = {path: value for path, value in values.items() if "." not in path}
        kind, values = kind(**own), {p: v for p, v in values.items() if p not in own}
    for path, value in values.items():
        kind = with_value(kind, path, value)
    return kind


def _normal(arguments: Sequence[str]) -> list[str]:
    """The command line with hyphens in option names, ``--batch-size``, and with negative numbers
    joined to them, ``--ema=-1e-3``, because argparse would mistake these for options.
    """
    found: list[str] = []
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        if flag.startswith("--"):
            found.append(flag.replace("_", "-") + equals + value)
        elif _negative(argument) and found and found[-1].startswith("--") and "=" not in found[-1]:
            found[-1] += f"={argument}"
        else:
            found.append(argument)
    return found


def _negative(text: str) -> bool:
    with contextlib.suppress(ValueError):
        float(text)
        return text.startswith("-")
    return False


def _path(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_").lower()


def _refuse(others: Sequence[str], flags: Sequence[str]) -> NoReturn:
    first = others[0]
    if first.startswith("-"):
        flag = first.partition("=")[0]
        hint = did_you_mean(flag, flags)
        raise ConfigError(f"unknown option {flag}; {hint}{'See' if hint else 'see'} --help.")
    raise ConfigError(f"unexpected argument {_short(first)}; see --help.")
