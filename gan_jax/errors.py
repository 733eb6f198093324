"""Wrong input is refused in one sentence: the field, its value, and what would be accepted."""

from __future__ import annotations

import difflib
import math
import numbers
import os
from collections.abc import Iterable


class ConfigError(ValueError):
    """A wrong input; the message names the field, the value, and what would be accepted."""


def one_of(field: str, value: str, accepted: Iterable[str]) -> str:
    """Returns ``value`` if it is accepted.

    Raises:
      ConfigError: with the nearest accepted name.
    """
    accepted = list(accepted)
    if value in accepted:
        return value
    hint = did_you_mean(value, accepted)
    use = "Use" if hint else "use"
    raise ConfigError(f"{field} {value!r} is unknown; {hint}{use} {either(sorted(accepted))}.")


def either(names: Iterable[object]) -> str:
    """``"a, b or c"``."""
    *others, last = map(str, names)
    return f"{', '.join(others)} or {last}" if others else last


def did_you_mean(value: str, accepted: Iterable[str]) -> str:
    """``"did you mean 'NAME'? "`` for the nearest accepted name, or an empty string."""
    near = difflib.get_close_matches(value, list(accepted), n=1)
    return f"did you mean {near[0]!r}? " if near else ""


def at_least(field: str, value: int, least: int) -> None:
    """Refuses a number below ``least``.

    Raises:
      ConfigError: naming the field, the value and the smallest number accepted.
    """
    if value < least:
        raise ConfigError(f"{field} must be at least {least}, not {value}.")


def whole(field: str, value: int, least: int) -> None:
    """Refuses what is not an integer, or is below ``least``.

    Raises:
      ConfigError: naming the field, the value and the smallest number accepted.
    """
    if type(value) is not int:
        raise ConfigError(f"{field} must be an integer, at least {least}, not {value!r}.")
    at_least(field, value, least)


def true_or_false(field: str, value: object) -> None:
    """Refuses what is not a `bool`.

    Raises:
      ConfigError: naming the field and the value.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{field} must be True or False, not {value!r}.")


def within(field: str, value: float, interval: str) -> None:
    """Refuses what is not a number, is not finite, or lies outside an interval.

    Args:
      field: the path of the number in the config.
      value: the number.
      interval: in mathematical notation, for instance ``[0, 1)`` or ``(0, inf)``.

    Raises:
      ConfigError: naming the field, the value and the interval.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ConfigError(f"{field} must be a number in {interval}, not {value!r}.")
    low, high = (float(bound) for bound in interval[1:-1].split(","))
    above = value >= low if interval[0] == "[" else value > low
    below = value <= high if interval[-1] == "]" else value < high
    if not (above and below and math.isfinite(value)):
        raise ConfigError(f"{field} must be in {interval}, not {value}.")


def is_seed(field: str, value: int) -> None:
    """Refuses what is not a 32-bit seed.

    Raises:
      ConfigError: naming the field and the value.
    """
    if not 0 <= value < 2**32:
        raise ConfigError(f"{field} must be an integer from 0 to {2**32 - 1}, not {value}.")


def has_option(field: str, owner: str, name: str, accepted: Iterable[str]) -> None:
    """Refuses an option that ``owner`` does not have.

    Raises:
      ConfigError: naming the owner, the option, the nearest valid option and all valid ones.
    """
    accepted = sorted(accepted)
    if name not in accepted:
        hint = did_you_mean(name, accepted)
        instead = f"{'Use' if hint else 'use'} {either(accepted)}" if accepted else "it has none"
        raise ConfigError(f"{field}.{name} is not an option of {owner}; {hint}{instead}.")


def fits_memory(field: str, what: str, needed: float) -> None:
    """Refuses what needs more memory than this machine has.

    Args:
      field: the option to blame.
      what: the subject of the message, such as ``1,000,000 samples``.
      needed: a lower bound of the memory that it needs, in bytes.

    Raises:
      ConfigError: naming the field, the memory needed and the memory of the machine.
    """
    if not hasattr(os, "sysconf"):  # Windows
        return
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise ConfigError(
            f"{field}: {what} would need {needed / 2**30:,.0f} GiB of memory; this machine has "
            f"{there / 2**30:,.0f} GiB."
        )
