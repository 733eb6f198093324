"""BLEU of samples against real texts, and self-BLEU of samples against each other.

Texts are tokens ``[n, length]`` int32, 0 after the end, which is no token here.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

LARGEST = 5
"""Length of the longest n-grams."""
EPSILON = 0.1
"""What stands for no n-gram in common (Chen and Cherry 2014, method 1)."""

Gram = tuple[int, ...]


class _Most(NamedTuple):
    """The largest count of an n-gram in one text, that text, and the largest count in another."""

    count: int
    text: int
    other: int


class References(NamedTuple):
    """Texts as references: the largest count of every n-gram in one of them, and how many texts
    have each length. They are counted once, and each sample looks up its own n-grams.
    """

    most: dict[Gram, _Most]
    lengths: dict[int, int]


def references(tokens: np.ndarray, largest: int = LARGEST) -> References:
    """The references for `bleu`: tokens ``[n, length]`` int32."""
    texts = _texts(tokens)
    return References(_most(texts, largest), collections.Counter(map(len, texts)))


def bleu(samples: np.ndarray, real: References, largest: int = LARGEST) -> np.ndarray:
    """The mean over samples of sentence BLEU-2 to BLEU-``largest`` with all references
    (Papineni et al. 2002), ``[largest - 1]`` float64. As in Texygen (Zhu et al. 2018), an n-gram
    length without a match counts as 0.1 matches; a sample without any known token scores 0. The
    length of the reference is the nearest one.
    """
    nearest = lambda text: _nearest(len(text), real.lengths)
    limit = lambda gram, _: found.count if (found := real.most.get(gram)) else 0
    return _mean(_texts(samples), limit, nearest, largest)


def self_bleu(samples: np.ndarray, largest: int = LARGEST) -> np.ndarray:
    """The mean over samples of their BLEU-2 to BLEU-``largest`` with all other samples as the
    references, ``[largest - 1]`` float64. It rises with the number of samples: compare equal
    numbers only.
    """
    most, lengths = references(samples, largest)

    def limit(gram: Gram, text: int) -> int:
        found = most[gram]
        return found.other if found.text == text else found.count

    def nearest(text: Gram) -> int:
        own = len(text)
        others = lengths if lengths[own] > 1 else {n: c for n, c in lengths.items() if n != own}
        return _nearest(own, others)

    return _mean(_texts(samples), limit, nearest, largest)


def _texts(tokens: np.ndarray) -> list[Gram]:
    """The tokens of each text up to its end."""
    lengths = np.logical_and.accumulate(tokens != 0, axis=1).sum(1)
    return [tuple(row[:n].tolist()) for row, n in zip(tokens, lengths, strict=True)]


def _counts(text: Gram, n: int) -> collections.Counter[Gram]:
    return collections.Counter(text[i : i + n] for i in range(len(text) - n + 1))


def _most(texts: list[Gram], largest: int) -> dict[Gram, _Most]:
    found: dict[Gram, _Most] = {}
    for i, text in enumerate(texts):
        for n in range(1, largest + 1):
            for gram, count in _counts(text, n).items():
                old = found.get(gram)
                if old is None or count > old.count:
                    found[gram] = _Most(count, i, old.count if old else 0)
                elif count > old.other:
                    found[gram] = old._replace(other=count)
    return found


def _nearest(length: int, lengths: Iterable[int]) -> int:
    """The nearest length, of two equally near ones the shorter; the same one if there is none."""
    return min(lengths, key=lambda n: (abs(n - length), n), default=length)


def _mean(
    texts: list[Gram],
    limit: Callable[[Gram, int], int],
    nearest: Callable[[Gram], int],
    largest: int,
) -> np.ndarray:
    """The mean scores, given the largest accepted count of an n-gram for a text, and the length of
    the reference of a text.
    """
    scores = np.zeros((len(texts), largest - 1))
    for i, text in enumerate(texts):
        precisions = []
        for n in range(1, largest + 1):
            counts = _counts(text, n)
            right = sum(min(count, limit(gram, i)) for gram, count in counts.items())
            precisions.append((right or EPSILON) / max(counts.total(), 1))
            if n == 1 and not right:
                break
        else:
            logs = np.cumsum(np.log(precisions)) / np.arange(1, largest + 1)
            shorter = min(0.0, 1 - nearest(text) / max(len(text), 1))
            scores[i] = np.exp(logs[1:]) * math.exp(shorter)
    return scores.mean(0)
