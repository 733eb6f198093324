"""Parts of a data set in TFDS's slicing language, extended by the keyword ``stratified``.

``train[:90%]`` is the first nine tenths in file order; in a set sorted by class, it lacks some
classes. ``train[:90% stratified]`` is a fixed random nine tenths of each class (without labels, of
all examples), and ``train[90%: stratified]`` is the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data.description import Description
from gan_jax.data.order import shuffled
from gan_jax.errors import ConfigError

_STRATIFIED = re.compile(r"(\w+)\[(?:(\d+)%)?:(?:(\d+)%)? stratified\]")


class Part(NamedTuple):
    """The examples of a split between two positions."""

    split: str
    start: int
    end: int


class Stratum(NamedTuple):
    """The examples between two percentages of each class of a split."""

    split: str
    low: int
    high: int

    def places(self, labels: np.ndarray) -> np.ndarray:
        """The indices of these examples among all, given labels ``[n]``: ascending integers."""
        rank = np.empty(len(labels))
        for label in np.unique(labels):
            found = np.flatnonzero(labels == label)
            order = shuffled(np.arange(len(found)), len(found), 0, int(label) + 1)
            rank[found] = (order + 0.5) / len(found)
        return np.flatnonzero((rank >= self.low / 100) & (rank < self.high / 100))


def stratum(split: str) -> Stratum | None:
    """The stratified part that a split names; None for an ordinary split."""
    match = _STRATIFIED.fullmatch(split)
    return match and Stratum(match[1], int(match[2] or 0), int(match[3] or 100))


def resolve(about: Description, split: str, infos: Mapping[str, Any] | None = None) -> list[Part]:
    """An ordinary split of a data set as non-empty parts.

    Args:
      about: the data set, prepared.
      split: in TFDS's slicing language.
      infos: TFDS's information about the splits, if the set is one of TFDS.

    Raises:
      ConfigError: for an unknown split, a malformed slice, or one without examples.
    """
    if split in about.splits:
        return [Part(split, 0, about.splits[split])]
    from tensorflow_datasets.core.splits import ReadInstruction, SplitInfo  # takes a second

    own = {
        name: SplitInfo(name, shard_lengths=[n], num_bytes=0) for name, n in about.splits.items()
    }
    try:
        found = ReadInstruction.from_spec(split).to_absolute(infos or own)
    except (ValueError, KeyError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"split {split!r} is unknown; {accepted(about)}.") from error
    ends = [about.splits[p.splitname] if p.to is None else p.to for p in found]
    parts = [Part(p.splitname, p.from_ or 0, end) for p, end in zip(found, ends, strict=True)]
    if any(part.start >= part.end for part in parts):
        raise ConfigError(f"split {split!r} is empty; {accepted(about)}.")
    return parts


def overlap(about: Description, one: str, other: str) -> bool:
    """Whether two splits of a data set may have examples in common. Only ordinary parts, and
    stratified ones with each other, are told apart within a split.

    Raises:
      ConfigError: as `resolve`.
    """
    return any(
        a[0] == b[0] and (type(a) is not type(b) or (a[1] < b[2] and b[1] < a[2]))
        for a in _parts(about, one)
        for b in _parts(about, other)
    )


def _parts(about: Description, split: str) -> list[Part] | list[Stratum]:
    own = stratum(split)
    return [own] if own else resolve(about, split)


def accepted(about: Description) -> str:
    """The accepted splits, for error messages."""
    first = next(iter(about.splits))
    return f"use {', '.join(about.splits)} or a slice such as {first}[:90%]"
