"""Captions as conditions: the small language in which the images of a data set are described, and
its words as tokens.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re

import numpy as np

from gan_jax.data.combinations import VALUES
from gan_jax.data.description import Description
from gan_jax.errors import ConfigError, did_you_mean

PADDING = 0
"""The token of a position after the last word."""

ATTRIBUTES = (
    "a {size} {colour} {digit} at the {place} on {ground}",
    "{size} {colour} {digit}, {place}, {ground}",
    "on {ground} ground, a {size} {colour} {digit} in the {place} corner",
    "the {place} corner shows a {size} {colour} {digit} on {ground}",
    "the {digit} at the {place} on {ground} is {size} and {colour}",
    "a {ground} background with a {size} {colour} {digit} at the {place}",
)
"""The phrasings of the combinations of `coloured_mnist`; they contain none of its `VALUES`."""
CLASSES = ("a {name}", "the {name}", "a picture of a {name}", "this is a {name}")
"""The phrasings of class names."""


@dataclasses.dataclass(frozen=True)
class Language:
    """All captions of a data set: its classes, each in several phrasings.

    A class is a combination of values of attributes, one each, and its index counts the
    combinations in row-major order, the first attribute slowest. Where classes are only named, the
    name is the single attribute. Capitals and punctuation do not count.

    Attributes:
      attributes: names of the attributes, and the values of each.
      templates: the phrasings, with ``{attribute}`` where a value is inserted.
    """

    attributes: tuple[tuple[str, tuple[str, ...]], ...]
    templates: tuple[str, ...]

    @functools.cached_property
    def words(self) -> tuple[str, ...]:
        """The vocabulary, by token; the first is the empty string, for `PADDING`."""
        return ("", *sorted({word for text in itertools.chain(*self.captions) for word in text}))

    @functools.cached_property
    def captions(self) -> list[list[tuple[str, ...]]]:
        """The words of every class in every phrasing."""
        names, values = zip(*self.attributes, strict=True)
        texts = (
            [t.format(**dict(zip(names, own, strict=True))) for t in self.templates]
            for own in itertools.product(*values)
        )
        return [[words_of(_with_articles(text)) for text in phrasings] for phrasings in texts]

    @functools.cached_property
    def length(self) -> int:
        """Number of words of the longest caption."""
        return max(map(len, itertools.chain(*self.captions)))

    @functools.cached_property
    def table(self) -> np.ndarray:
        """The tokens of all captions, ``[classes, phrasings, length]`` int32, read-only."""
        rows = [[self._padded(words) for words in phrasings] for phrasings in self.captions]
        table = np.array(rows, np.int32)
        table.flags.writeable = False
        return table

    @functools.cached_property
    def exchangeable(self) -> np.ndarray:
        """``[words, words]`` bool, read-only: whether a word can take the place of another, so that
        the caption describes something else: both are at the same place in values of the same
        attribute, such as "red" and "green", or "top" and "bottom" in "top left".
        """
        found = np.zeros((len(self.words),) * 2, bool)
        for _, values in self.attributes:
            for place in itertools.zip_longest(*(words_of(value) for value in values)):
                tokens = [self._token[word] for word in place if word is not None]
                found[np.ix_(tokens, tokens)] = True
        np.fill_diagonal(found, False)
        found.flags.writeable = False
        return found

    def tokens(self, text: str) -> np.ndarray:
        """The tokens of a caption, ``[length]`` int32.

        Raises:
          ConfigError: for a word that occurs in no caption of the data set (with the nearest one
            that does), for more words than the longest caption has, or for no word.
        """
        words = words_of(text)
        for word in words:
            if word not in self._token:
                hint = did_you_mean(word, self.words[1:])
                raise ConfigError(
                    f"caption {text!r} has the unknown word {word!r}; {hint}"
                    f"{'A' if hint else 'a'} caption reads {self.text(self.table[0, 0])!r}."
                )
        if not 1 <= len(words) <= self.length:
            raise ConfigError(
                f"caption {text!r} must have 1 to {self.length} words, not {len(words)}."
            )
        return np.array(self._padded(words), np.int32)

    def text(self, tokens: np.ndarray) -> str:
        """A caption in words, from its tokens ``[length]``."""
        return " ".join(self.words[token] for token in np.asarray(tokens) if token != PADDING)

    def label(self, text: str) -> int | None:
        """The class that a caption describes, if it names exactly one value of each attribute, and
        names it once; otherwise None.
        """
        found = [_named(words_of(text), values) for _, values in self.attributes]
        if any(len(own) != 1 for own in found):
            return None
        sizes = [len(values) for _, values in self.attributes]
        return int(np.ravel_multi_index([own[0] for own in found], sizes))

    @functools.cached_property
    def _token(self) -> dict[str, int]:
        return {word: token for token, word in enumerate(self.words)}

    def _padded(self, words: tuple[str, ...]) -> list[int]:
        return [self._token[word] for word in words] + [PADDING] * (self.length - len(words))


def language_of(description: Description) -> Language:
    """The captions of a data set with class names: of `coloured_mnist`, its combinations in words,
    such as "a large red seven at the top left on black"; of another, its names: "a sneaker".

    Raises:
      ConfigError: for a data set without class names, or with a name without a letter or digit.
    """
    if description.name == "coloured_mnist":
        return COLOURED
    if not description.class_names:
        raise ConfigError(
            f"dataset {description.name!r} has no class names, from which captions are made."
        )
    names = tuple(" ".join(words_of(name)) for name in description.class_names)
    if "" in names:
        raise ConfigError(
            f"dataset {description.name!r} has the class name "
            f"{description.class_names[names.index('')]!r}; a caption needs a letter or digit."
        )
    return _of_names(names)


@functools.cache
def _of_names(names: tuple[str, ...]) -> Language:
    return Language((("name", names),), CLASSES)


COLOURED = Language(tuple(VALUES.items()), ATTRIBUTES)
"""The language of `coloured_mnist`."""


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in lower case: letters and digits, without punctuation."""
    return tuple(re.findall(r"[^\W_]+", text.lower()))


def _with_articles(text: str) -> str:
    """``a`` as ``an`` before a vowel."""
    return re.sub(r"\ba (?=[aeiou])", "an ", text, flags=re.IGNORECASE)


def _named(words: tuple[str, ...], values: tuple[str, ...]) -> list[int]:
    """The values that occur as consecutive words, one entry for each time, except for those inside
    a longer one: not "shirt" in "t shirt".
    """
    found = []
    for i, value in enumerate(values):
        own = tuple(value.split())
        starts = range(len(words) - len(own) + 1)
        found += [(s, s + len(own), i) for s in starts if words[s : s + len(own)] == own]
    inside = lambda one, other: other[0] <= one[0] and one[1] <= other[1] and other[:2] != one[:2]
    return [one[2] for one in found if not any(inside(one, other) for other in found)]
