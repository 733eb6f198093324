"""Dataclasses as command lines."""

import dataclasses
import pathlib
from typing import Literal

import pytest

from gan_jax import arguments
from gan_jax.arguments import Positional
from gan_jax.config import Penalty
from gan_jax.errors import ConfigError
from gan_jax.grammar import Scalar, Schedule


@dataclasses.dataclass(frozen=True)
class Inner:
    """Options behind a dot."""

    shift: int = 1
    """Most pixels."""


@dataclasses.dataclass(frozen=True)
class Options:
    """All kinds of fields."""

    runs: Positional[tuple[pathlib.Path, ...]]
    """Run
    folders, 100 % of them.
    """
    rate: Scalar = 0.5
    """Rate."""
    count: int | None = None
    """Count."""
    parts: tuple[Penalty, ...] = ()
    """Parts."""
    words: tuple[str, ...] = ("a",)
    """Words."""
    fast: bool = False
    """Fast."""
    slow: bool = True
    """Slow."""
    mode: Literal["stop", "go"] = "go"
    """Mode."""
    name: str = "x"
    """Name."""
    inner: Inner = Inner()


def parse(*given):
    names = {"name": ("x", "long_name", "another_name")}
    return arguments.parse("program", "About.", given, Options, choices=names)[0]


def test_every_kind_of_value():
    found = parse(
        "one", "two", "--rate", "-1e-3", "--count", "3", "--parts", "r1:1", "gp:2", "--words",
        "--fast", "--no-slow", "--mode", "stop", "--name", "long_name", "--inner.shift=2",
    )  # fmt: skip
    assert found == Options(
        (pathlib.Path("one"), pathlib.Path("two")), -1e-3, 3,
        (Penalty("r1", 1), Penalty("gp", 2)), (), True, False, "stop", "long_name", Inner(2),
    )  # fmt: skip
    assert parse("one") == Options((pathlib.Path("one"),))
    assert parse("one", "--count", "None").count is None
    assert parse("one", "--rate", "linear/1/0/9").rate == Schedule(1.0, 0.0, 9)


def test_help_is_short_and_names_the_choices(capsys):
    with pytest.raises(SystemExit) as end:
        parse("--help")
    assert end.value.code == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    text = " ".join(" ".join(lines).split())
    for part in (
        "usage: program [OPTIONS] About.", "RUNS Run folders, 100 % of them.", "--rate SCALAR",
        "(default: 0.5)", "--no-slow", "--mode {stop,go} Mode. (default: go)",
        "Name. One of: x, long_name, another_name. (default: x)", "--inner.shift N Most pixels.",
    ):  # fmt: skip
        assert part in text, part
    assert "--no-fast" not in text and "--slow" not in text.replace("--no-slow", "")


@pytest.mark.parametrize(
    "given, words",
    [
        ([], "RUNS is missing"),
        (["a", "--cuont", "3"], "unknown option --cuont; did you mean '--count'?"),
        (["a", "--count"], "count needs a value: --count VALUE."),
        (["a", "--count", "1.5"], "count must be an integer, not '1.5'."),
        (["a", "--rate", "x/y"], "rate: cannot read 'x/y'"),
        (["a", "--parts", "r1"], "parts: r1 needs a weight"),
        (["a", "--mode", "stp"], "mode 'stp' is unknown; did you mean 'stop'?"),
        (["a", "--name", "y"], "name 'y' is unknown"),
        (["a", "--fast", "b"], "unexpected argument 'b'"),
        ([""], "runs: the path is empty"),
        (["x" * 300], "contains a name of 300 bytes; the limit is 255"),
        (["a\0"], "contains a NUL byte"),
    ],
)
def test_wrong_input_is_a_sentence(given, words):
    with pytest.raises(ConfigError) as refusal:
        parse(*given)
    assert words in str(refusal.value) and str(refusal.value).endswith(".")
