"""Texts as tokens: what is counted once for a data set, and the form of its examples."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from gan_jax.data.description import Counted, Description
from gan_jax.errors import ConfigError, at_least, one_of
from gan_jax.framing import Framing
from gan_jax.modality import Text
from gan_jax.vocabulary import UNITS, Vocabulary, divided, vocabulary

LARGEST = 20_000
"""The largest accepted number of tokens in a vocabulary."""
LINE = "line"
"""The name of the only text feature of files and of lists of strings."""


@dataclasses.dataclass(frozen=True)
class TextFrame:
    """The form to which every text of a data set is converted.

    Attributes:
      shape: (length,) of the results, which are the numbers of tokens.
      field: the text feature.
      vocabulary: all tokens.
    """

    shape: tuple[int, ...]
    field: str
    vocabulary: Vocabulary

    @property
    def modality(self) -> Text:
        return Text((*self.shape, len(self.vocabulary)), self.vocabulary)

    @property
    def values(self) -> tuple:
        """What determines the results in addition to the shape."""
        return ("text", self.field, self.vocabulary.key)

    def keeps(self, about: Description) -> bool:
        """Whether the stored examples remain as they are."""
        return False

    def examples(self, x: Iterable[str]) -> np.ndarray:
        """Converts ``m`` texts to ``[m, length]`` int32."""
        return self.vocabulary.numbers([str(text) for text in x], *self.shape)

    def content(self, shape: tuple[int | None, ...]) -> tuple[int, ...]:
        """The shape of the results as networks see them."""
        return self.modality.shape


def text_frame(about: Description, framing: Framing) -> TextFrame:
    """The form to which the texts of a data set are converted.

    Raises:
      ConfigError: for a value that is not accepted, a text that is longer than ``length``, or a
        vocabulary that is too large.
    """
    field = framing.field or about.field
    if not field:
        raise ConfigError(
            f"field is required because {about.name} has the text features "
            f"{', '.join(about.texts)}; name one of them."
        )
    counted = about.texts[one_of("field", field, about.texts)]
    unit, most = _tokens(framing.tokens, counted)
    own = counted[unit]
    if own.different > (most or LARGEST) and most is None:
        raise ConfigError(
            f"tokens {unit} makes a vocabulary of {own.different:,} tokens for {about.name}, but "
            f"at most {LARGEST:,} are accepted; use {unit}:{LARGEST} to keep the commonest ones"
            f"{', or characters' if unit == 'words' else ''}."
        )
    length = own.longest if framing.length is None else framing.length
    at_least("length", length, 1)
    if length < own.longest:
        raise ConfigError(
            f"length {length} is too short for a text of {about.name}, which has {own.longest} "
            f"{unit}; use {own.longest} or more, or leave it out."
        )
    kept = own.tokens[:most]
    unknown = own.unknown or len(kept) < own.different
    return TextFrame((length,), field, vocabulary(unit, kept, unknown))


def _tokens(tokens: str | None, counted: Mapping[str, Counted]) -> tuple[str, int | None]:
    """The unit, and how many of the commonest tokens are kept; None: all."""
    if tokens is None:
        return ("words" if counted["words"].longest > 1 else "characters"), None
    unit, _, most = tokens.partition(":")
    one_of("tokens", unit, UNITS)
    if most and not (most.isdecimal() and 1 <= int(most) <= LARGEST):
        raise ConfigError(
            f"tokens {tokens!r} must have a number from 1 to {LARGEST} after the colon."
        )
    return unit, int(most) if most else None


def counted(splits: Mapping[str, Sequence[str]]) -> dict[str, Counted]:
    """What is known of the texts of each split, for each unit. The vocabulary is that of the split
    train, or of the first one if there is none of this name.
    """
    own = "train" if "train" in splits else next(iter(splits))
    return {unit: _counted(splits, own, unit) for unit in UNITS}


def _counted(splits: Mapping[str, Sequence[str]], own: str, unit: str) -> Counted:
    found, longest, unknown = collections.Counter(), 0, False
    for split in (own, *(name for name in splits if name != own)):
        for text in splits[split]:
            tokens = divided(text, unit)
            longest = max(longest, len(tokens))
            if split == own:
                found.update(tokens)
            else:
                unknown = unknown or any(token not in found for token in tokens)
    commonest = sorted(found, key=lambda token: (-found[token], token))
    return Counted(tuple(commonest[:LARGEST]), len(found), longest, unknown)


def lines(text: str) -> list[str]:
    """The lines of a text that are not blank, without white space at their ends."""
    return [line.strip() for line in text.splitlines() if line.strip()]
