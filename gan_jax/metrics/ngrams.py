"""Counts of n-grams of texts: how far two distributions are apart, how well texts predict other
texts, and what a sampler that only counts reaches.

Texts are tokens ``[n, length]`` int32, 0 after the end. The end counts as a token, once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gan_jax.vocabulary import ended

ORDER = 5
"""Order of the language model of `reverse_bits`."""


def events(tokens: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Every token with those before it.

    Args:
      tokens: ``[n, length]`` int32.
      order: length of an n-gram.

    Returns:
      ``[m, order]`` int64, one row for each token and each end, which is the last column; tokens
      before the beginning are -1. And ``[m]`` int64, the text that each row comes from.
    """
    n, length = tokens.shape
    wide = np.full((n, order - 1 + length + 1), -1, np.int64)
    wide[:, order - 1 : -1], wide[:, -1] = tokens, 0
    lengths = (np.logical_and.accumulate(tokens != 0, axis=1)).sum(1)
    text, place = np.nonzero(np.arange(length + 1) <= lengths[:, None])
    return wide[text[:, None], place[:, None] + np.arange(order)], text


def _names(rows: np.ndarray) -> list[np.ndarray]:
    """For k = 0 to order, a number for the last k tokens of each row of `events`, ``[m]``; equal
    numbers mean equal tokens.
    """
    found = [np.zeros(len(rows), np.int64)]
    base = rows.max(initial=0) + 2
    for column in rows.T[::-1]:
        _, name = np.unique(found[-1] * base + column + 1, return_inverse=True)
        found.append(name.astype(np.int64))
    return found


def divergence(a: np.ndarray, b: np.ndarray, n: int) -> float:
    """The Jensen-Shannon divergence of the distributions of n-grams in two sets of texts, in bits,
    in [0, 1] (Gulrajani et al. 2017, section 5.2). N-grams that begin before the text are left out.

    Args:
      a, b: tokens ``[., length]`` int32.
      n: the length of the n-grams.
    """
    rows = [events(x, n)[0] for x in (a, b)]
    rows = [own[own[:, 0] >= 0] for own in rows]
    if not all(map(len, rows)):
        return 1.0
    names = _names(np.concatenate(rows))[-1]
    parts = names[: len(rows[0])], names[len(rows[0]) :]
    p, q = (np.bincount(own, minlength=names.max() + 1) / len(own) for own in parts)
    m = (p + q) / 2
    kl = lambda x: float((x[x > 0] * np.log2(x[x > 0] / m[x > 0])).sum())
    return (kl(p) + kl(q)) / 2


def log_probabilities(
    fitted: np.ndarray, scored: np.ndarray, words: int, order: int = ORDER
) -> tuple[np.ndarray, np.ndarray]:
    """The base-2 logarithm of each token's probability under a language model of counts,
    interpolated by Witten and Bell's weights: with c occurrences of a context, followed by t
    different tokens, the model of one order less has the weight t / (t + c) (Chen and Goodman 1998,
    section 2.6). The model of order 0 is uniform over all tokens and the end.

    Args:
      fitted: texts whose n-grams are counted, ``[., length]`` int32.
      scored: texts, ``[., length]`` int32.
      words: number of tokens, with that of the end.
      order: of the largest n-grams.

    Returns:
      ``[m]`` float64 for each token and end of ``scored``, and ``[m]``, the text of each.
    """
    (old, _), (new, text) = events(fitted, order), events(scored, order)
    rows = np.concatenate([old, new])
    grams, k = _names(rows), len(old)
    contexts = _names(rows[:, :-1])
    p = np.full(len(new), 1 / words)
    for order_of_context, context in enumerate(contexts):
        # The names of n-grams have suffixes in common, as the names of contexts do.
        gram = grams[order_of_context + 1]
        of_gram = np.bincount(gram[:k], minlength=gram.max() + 1)
        of_context = np.bincount(context[:k], minlength=context.max() + 1)
        _, first = np.unique(gram[:k], return_index=True)
        kinds = np.bincount(context[:k][first], minlength=context.max() + 1)
        count, different = of_context[context[k:]], kinds[context[k:]]
        mixed = (of_gram[gram[k:]] + different * p) / np.maximum(count + different, 1)
        p = np.where(count > 0, mixed, p)
    return np.log2(p), text


def bits(fitted: np.ndarray, scored: np.ndarray, words: int) -> float:
    """Bits per token, the end included, of texts under the model of `log_probabilities` that is
    fitted on others. Fitted on samples and scored on held-out texts, it rises with bad samples and
    with missing ones; fitted on real texts and scored on samples, with bad ones alone. It falls
    with the number of fitted texts: compare equal numbers only.

    Args:
      fitted, scored: tokens ``[., length]`` int32.
      words: number of tokens, with that of the end.
    """
    return float(-log_probabilities(fitted, scored, words)[0].mean())


def sampler(training: np.ndarray, words: int, order: int) -> Callable[[int, int], np.ndarray]:
    """Draws texts by counts of n-grams: the next token has the frequencies with which tokens follow
    the last ``order - 1`` ones in the training texts; with order 0 it is uniform over all tokens
    and the end. Texts end at the length of the training texts at the latest.

    Args:
      training: tokens ``[., length]`` int32.
      words: number of tokens, with that of the end.
      order: of the n-grams.

    Returns:
      A function ``(n, seed)`` that draws ``n`` texts ``[n, length]`` int32.
    """
    length = training.shape[1]
    followers: dict[tuple[int, ...], list[int]] = {}
    if order:
        for *context, token in events(training, order)[0].tolist():
            followers.setdefault(tuple(context), []).append(token)

    def draw(n: int, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        if not order:
            return ended(rng.integers(words, size=(n, length), dtype=np.int32))
        chance = rng.random((n, length))
        found = np.zeros((n, length), np.int32)
        for row, own in zip(found, chance.tolist(), strict=True):
            context = (-1,) * (order - 1)
            for place, u in enumerate(own):
                known = followers[context]
                token = known[int(u * len(known))]
                if not token:
                    break
                row[place] = token
                context = (*context, token)[1:] if order > 1 else ()
        return found

    return draw
