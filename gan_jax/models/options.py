"""Options of an architecture: the fields of its modules that a user may set.

An option is declared with the field, so that a new architecture is one file and its dict line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from gan_jax.errors import ConfigError, one_of, true_or_false, whole, within

Accepted = int | str | Mapping[str, Any] | type[bool] | type[str] | type[tuple] | type[list]
"""The smallest integer; the interval of a number; names with their values; `bool`; `str`: any text;
`tuple`: a tuple of positive integers, written with commas; or `list`: a tuple of such tuples,
written with slashes between them.
"""

# Help texts of options that several architectures share.
SPECTRAL = "Spectral normalization of all weights (Miyato et al. 2018)."
ATTENTION = (
    "Self-attention at the maps whose sides are those of the image divided by this number; 0: "
    "without."
)
MINIBATCH_STD = (
    "Group size of the minibatch standard deviation layer, appended to the last features; 0 "
    "disables it (Karras et al. 2018, section 3; their code uses 4)."
)
DROPOUT = "Dropout rate of each hidden layer in training (Srivastava et al. 2014)."
NOISE = (
    "Standard deviation of Gaussian noise added to each hidden layer in training (Salimans et al. "
    "2016 use 0.5)."
)


class Option(NamedTuple):
    """An option for help texts."""

    default: Any
    accepted: Accepted
    help: str

    @property
    def default_text(self) -> str:
        """The default as a user would write it."""
        if self.accepted in (tuple, list):
            rows = self.default if self.accepted is list else (self.default,)
            return "/".join(",".join(map(str, row)) for row in rows)
        names = self.accepted if isinstance(self.accepted, Mapping) else {}
        return next((n for n, meant in names.items() if meant is self.default), str(self.default))


def option(default: Any, accepted: Accepted, help: str) -> Any:
    """A field of a module with its default, accepted values and help text."""
    return dataclasses.field(default=default, metadata={"option": (accepted, help)})


def options_of(module: type) -> dict[str, Option]:
    """The options of a module by name, in the order of its fields."""
    return {
        f.name: Option(f.default, *f.metadata["option"])
        for f in dataclasses.fields(module)
        if "option" in f.metadata
    }


def numbers_of(module: type | None) -> Mapping[str, Option]:
    """The numbers of a module's call, which are scalars of the training step, by name: its class
    attribute ``NUMBERS``.
    """
    return getattr(module, "NUMBERS", {})


def checked(field: str, value: Any, accepted: Accepted) -> Any:
    """The value of an option for its module; a name is replaced by its meaning, and a list of
    numbers by a tuple.

    Raises:
      ConfigError: for a value that is not accepted.
    """
    if isinstance(accepted, Mapping):
        return accepted[one_of(field, str(value), accepted)]
    if accepted is tuple:
        return positive_integers(field, value)
    if accepted is list:
        return tuple(positive_integers(field, part) for part in str(value).split("/"))
    if accepted is bool:
        true_or_false(field, value)
    elif accepted is str:
        if not isinstance(value, str):
            raise ConfigError(f"{field} must be a name, not {value!r}.")
    elif isinstance(accepted, str):
        within(field, value, accepted)
    else:
        whole(field, value, accepted)
    return value


def positive_integers(field: str, value: int | str) -> tuple[int, ...]:
    """The numbers of ``8,4,2``, or of a single number.

    Raises:
      ConfigError: for anything else.
    """
    parts = str(value).split(",")
    if isinstance(value, bool) or not all(part.isdecimal() and int(part) for part in parts):
        raise ConfigError(
            f"{field} must be positive integers separated by commas, such as 8,4,2, not {value!r}."
        )
    return tuple(map(int, parts))
