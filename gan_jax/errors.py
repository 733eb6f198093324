"""Wrong input, refused in one sentence: the field, its value, and what would be accepted."""

from __future__ import annotations

import difflib
import math
import numbers
import os
from collections.abc import Iterable


class ConfigError(ValueError):
    """A wrong input, said in one sentence: the field, the value, and what would be accepted."""


def one_of(field: str, value: str, accepted: Iterable[str]) -> str:
    """Returns ``value`` if it is accepted.

    Raises:
      ConfigError: with the nearest accepted name.
    """
    accepted = list(accepted)
    if value in accepted:
        return value
    hint = did_you_mean(value, accepted)
    raise ConfigError(f"{field}: unknown {value!r}; {hint}accepted: {', '.join(sorted(accepted))}.")


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
        raise ConfigError(f"{field}: {value} is too small; accepted: {least} or more.")


def whole(field: str, value: int, least: int) -> None:
    """Refuses what is not a whole number, or is below ``least``.

    Raises:
      ConfigError: naming the field, the value and the smallest number accepted.
    """
    if type(value) is not int:
        raise ConfigError(f"{field}: {value!r} is not a whole number; accepted: {least} or more.")
    at_least(field, value, least)


def within(field: str, value: float, interval: str) -> None:
    """Refuses what is not a number, is not finite, or lies outside an interval.

    Args:
      field: its path in the config.
      value: the number.
      interval: as mathematics writes it, for instance ``[0, 1)`` or ``(0, inf)``.

    Raises:
      ConfigError: naming the field, the value and the interval.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ConfigError(f"{field}: {value!r} is not a number; accepted: {interval}.")
    low, high = (float(bound) for bound in interval[1:-1].split(","))
    above = value >= low if interval[0] == "[" else value > low
    below = value <= high if interval[-1] == "]" else value < high
    if not (above and below and math.isfinite(value)):
        raise ConfigError(f"{field}: {value} is not in {interval}.")


def is_seed(field: str, value: int) -> None:
    """Refuses what is not a seed of 32 bits.

    Raises:
      ConfigError: naming the field and the value.
    """
    if not 0 <= value < 2**32:
        raise ConfigError(f"{field}: {value} is not a seed of 32 bits; accepted: 0 to {2**32 - 1}.")


def has_option(field: str, owner: str, name: str, accepted: Iterable[str]) -> None:
    """Refuses an option that ``owner`` does not have.

    Raises:
      ConfigError: naming the owner, the option, the nearest one and those that it has.
    """
    accepted = sorted(accepted)
    if name not in accepted:
        raise ConfigError(
            f"{field}.{name}: {owner} has no such option; {did_you_mean(name, accepted)}"
            f"accepted: {', '.join(accepted) or 'none'}."
        )


def fits_memory(field: str, what: str, needed: float) -> None:
    """Refuses what needs more bytes than this machine has memory.

    Args:
      field: the option to blame.
      what: that needs them, as in ``1,000,000 samples``.
      needed: bytes, a lower bound.

    Raises:
      ConfigError: naming the field, what would be needed and what there is.
    """
    if not hasattr(os, "sysconf"):  # Windows
        return
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise ConfigError(
            f"{field}: {what} would need {needed / 2**30:,.0f} GiB of memory; accepted: what fits "
            f"into the {there / 2**30:,.0f} GiB of this machine."
        )
