"""All scores of texts: pure functions of tokens ``[n, length]`` int32, 0 after the end."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable

import numpy as np

from gan_jax.metrics.bleu import LARGEST, References, bleu, references, self_bleu
from gan_jax.metrics.estimate import Estimate, count, share
from gan_jax.metrics.metric import Score
from gan_jax.metrics.ngrams import bits, divergence, sampler

SENTENCES = 500
"""Most samples in BLEU and self-BLEU, which grow with their number."""
GRAMS = 4
"""Length of the longest n-grams in the divergences, and in the classifier of labels."""


@dataclasses.dataclass(frozen=True)
class RealTexts:
    """Real texts, with which samples are compared.

    Attributes:
      training, held_out: tokens ``[., length]`` int32.
      words: number of tokens, with that of the end.
      training_labels, held_out_labels: ``[.]`` int32; None without labels.
      language: all texts of the language, as tokens, if it is known (see `as_keys`).
    """

    training: np.ndarray
    held_out: np.ndarray
    words: int
    training_labels: np.ndarray | None = None
    held_out_labels: np.ndarray | None = None
    language: frozenset[bytes] | None = None

    @functools.cached_property
    def copied(self) -> frozenset[bytes]:
        """The training texts."""
        return frozenset(as_keys(self.training))

    @functools.cached_property
    def unseen(self) -> frozenset[bytes]:
        """The held-out texts that are no training texts."""
        return frozenset(as_keys(self.held_out)) - self.copied

    @functools.cached_property
    def references(self) -> References:
        """The held-out texts as references of BLEU."""
        return references(self.held_out)

    @functools.cached_property
    def judge(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """The classifier of labels, if there are labels."""
        if self.training_labels is None:
            return None
        return classifier(self.training, self.training_labels)


def as_keys(tokens: np.ndarray) -> list[bytes]:
    """One key for each text; equal texts have equal keys."""
    return [row.tobytes() for row in np.ascontiguousarray(tokens, np.int32)]


def classifier(tokens: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A logistic regression on the n-grams, of 1 to 4 tokens, that occur in a text with its
    beginning and end: a function from tokens ``[n, length]`` to labels ``[n]``. It is fitted
    without random numbers.

    Args:
      tokens: ``[n, length]`` int32.
      labels: ``[n]`` int32, of at least two classes.
    """
    from sklearn.feature_extraction.text import CountVectorizer  # takes a second
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        CountVectorizer(analyzer=_grams, binary=True), LogisticRegression(max_iter=1_000)
    )
    model.fit(list(tokens), labels)
    return lambda new: model.predict(list(new))


def _grams(row: np.ndarray) -> list[tuple[int, ...]]:
    text = (-1, *row[row > 0].tolist(), 0)
    return [text[i : i + n] for n in range(1, GRAMS + 1) for i in range(len(text) - n + 1)]


def text_scores(
    samples: np.ndarray, real: RealTexts, labels: np.ndarray | None = None
) -> dict[str, Estimate]:
    """The scores of `TEXT_SCORES` that are defined.

    Args:
      samples: tokens ``[n, length]`` int32 of independent samples.
      real: the real texts.
      labels: ``[n]`` int32, the classes that the samples should have; None without classes.
    """
    n, keys = len(samples), as_keys(samples)
    found = set(keys)
    fitted, few = samples[: len(real.training)], samples[:SENTENCES]
    scores = {
        "reverse_bits": Estimate(bits(fitted, real.held_out, real.words)),
        "forward_bits": Estimate(bits(real.training, samples, real.words)),
        **{
            f"divergence_{k}": Estimate(divergence(samples, real.held_out, k))
            for k in range(1, GRAMS + 1)
        },
        "copied": share(sum(key in real.copied for key in keys) / n, n),
        "distinct": Estimate(len(found) / n),
        "held_out_found": count(len(found & real.unseen)),
    }
    for name, own in (("bleu", bleu(few, real.references)), ("self_bleu", self_bleu(few))):
        scores |= {f"{name}_{k}": Estimate(float(own[k - 2])) for k in range(2, LARGEST + 1)}
    if real.language is not None:
        scores["valid"] = share(sum(key in real.language for key in keys) / n, n)
        scores["distinct_valid"] = Estimate(float(len(found & real.language)))
    if labels is not None and real.judge is not None:
        scores["recognized"] = share(float((real.judge(samples) == labels).mean()), n)
    return scores


def ladder(
    real: RealTexts, texts: np.ndarray, orders: Iterable[int], count: int, seed: int = 0
) -> dict[str, dict[str, Estimate]]:
    """What counting reaches: the scores of samples that are drawn by n-grams of the training texts,
    by the name of the sampler, and those of real texts.

    Args:
      real: the real texts.
      texts: tokens ``[., length]`` int32 of real texts that are not held out.
      orders: of the n-grams.
      count: number of samples.
      seed: of the samples.
    """
    found = {}
    for order in orders:
        draw = sampler(real.training, real.words, order)
        found[f"{order}-gram" if order else "uniform"] = text_scores(draw(count, seed), real)
    found["real"] = text_scores(texts, real)
    # Not of training texts, on which that model is fitted.
    found["real"]["forward_bits"] = Estimate(bits(real.training, real.held_out, real.words))
    if real.judge is not None and real.held_out_labels is not None:
        right = real.judge(real.held_out) == real.held_out_labels
        found["real"]["recognized"] = share(float(right.mean()), len(right))
    return found


TEXT_SCORES = {
    "reverse_bits": Score("held-out bits a token", sized=True),
    "forward_bits": Score("bits a token of samples"),
    **{
        f"divergence_{k}": Score(f"JS divergence of {k}-grams", sized=True)
        for k in range(1, GRAMS + 1)
    },
    "copied": Score("copies of training texts", share=True),
    "distinct": Score("different samples", share=True, sized=True),
    "held_out_found": Score("held-out texts found", sized=True),
    "valid": Score("texts of the language", share=True),
    "distinct_valid": Score("different ones of the language", sized=True),
    "recognized": Score("recognized as their label", share=True),
    **{
        f"{name}_{k}": Score(f"{title}-{k} of {SENTENCES}", sized=True)
        for name, title in (("bleu", "BLEU"), ("self_bleu", "self-BLEU"))
        for k in range(2, LARGEST + 1)
    },
}
"""The display of each score by its name."""
