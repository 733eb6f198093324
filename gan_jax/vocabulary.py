"""The tokens of a text data set: characters or words, as numbers, and as text again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Sequence

import numpy as np

PADDING = 0
"""The token of each position after the end of a text."""
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""How a token that is not in the vocabulary is shown."""
UNITS = {"characters": "", "words": " "}
"""What a token may be, and what stands between two of them."""
_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")


def divided(text: str, unit: str) -> list[str]:
    """The tokens of a text: its words in lower case, with each punctuation mark as a word of its
    own; or its characters, where white space is one blank, and none is at the ends.
    """
    return _WORD.findall(text.lower()) if unit == "words" else list(" ".join(text.split()))


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Texts as numbers and back. Only ``key`` is compared and hashed, so that equal vocabularies
    are equal values at no cost.

    Attributes:
      key: a digest of the unit and the tokens.
      unit: one of `UNITS`.
      tokens: by number; the first, `PADDING`, is the empty string.
    """

    key: str
    unit: str = dataclasses.field(compare=False, repr=False)
    tokens: tuple[str, ...] = dataclasses.field(compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.tokens)

    def numbers(self, texts: Sequence[str], length: int) -> np.ndarray:
        """Texts as ``[n, length]`` int32; tokens that are not known are the one shown as `UNKNOWN`.

        Raises:
          ValueError: for more tokens than ``length``, or an unknown one in a vocabulary that has no
            number for it.
        """
        known = {token: i for i, token in enumerate(self.tokens)}
        found = np.zeros((len(texts), length), np.int32)
        for row, text in zip(found, texts, strict=True):
            own = divided(text, self.unit)
            if len(own) > length:
                raise ValueError(f"{text!r} has {len(own)} {self.unit}, more than {length}")
            try:
                row[: len(own)] = [
                    known[token] if token in known else known[UNKNOWN] for token in own
                ]
            except KeyError:
                raise ValueError(f"{text!r} has unknown {self.unit}") from None
        return found

    def text(self, numbers: Iterable[int]) -> str:
        """A text from the numbers of its tokens; what follows the first `PADDING` is left out."""
        own = []
        for number in numbers:
            if number == PADDING:
                break
            own.append(self.tokens[number])
        return UNITS[self.unit].join(own)

    def texts(self, numbers: np.ndarray) -> list[str]:
        """``n`` texts from their tokens ``[n, length]``."""
        return [self.text(row) for row in np.asarray(numbers).tolist()]

    def unknown(self, numbers: np.ndarray) -> int:
        """How many of these tokens are not in the vocabulary."""
        if UNKNOWN not in self.tokens:
            return 0
        return int((np.asarray(numbers) == self.tokens.index(UNKNOWN)).sum())


def vocabulary(unit: str, tokens: Iterable[str], unknown: bool) -> Vocabulary:
    """The vocabulary of these tokens, numbered from 1, or from 2 after that of the unknown."""
    found = ("", *((UNKNOWN,) if unknown else ()), *(t for t in tokens if t != UNKNOWN))
    key = hashlib.sha256(json.dumps([unit, found]).encode()).hexdigest()[:16]
    return Vocabulary(key, unit, found)


def ended(numbers: np.ndarray) -> np.ndarray:
    """The tokens ``[..., length]`` with `PADDING` at every position after the first one."""
    return numbers * np.logical_and.accumulate(numbers != PADDING, axis=-1)
