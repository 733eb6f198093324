"""What an enlargement has shown: the choice on validation examples, the comparison on test
examples, and a sentence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gan_jax.enlarging.candidates import Candidate
from gan_jax.metrics.estimate import Estimate, crossed, mean


class Chosen(NamedTuple):
    """The best candidate without and with added examples, and whether validation prefers the
    second.
    """

    without: Candidate
    added: Candidate
    prefers: bool


class Verdict(NamedTuple):
    """The comparison on test examples.

    ``without``, ``added``: accuracies, with Student's interval over the classifiers, in a regime of
    imbalance balanced ones; ``difference``: their paired difference, with an interval over
    classifiers and test examples.
    """

    without: Estimate
    added: Estimate
    difference: Estimate
    examples: int
    classifiers: int

    @property
    def helped(self) -> bool:
        """Whether the interval of the difference is above 0."""
        return bool(self.difference.low > 0)


def choose(scores: dict[Candidate, list[float]]) -> Chosen:
    """The choice from the validation accuracies of each candidate; the first of equals."""
    means = {candidate: float(np.mean(own)) for candidate, own in scores.items()}
    without = max((c for c in means if not c.mixed), key=means.__getitem__)
    added = max((c for c in means if c.mixed), key=means.__getitem__)
    return Chosen(without, added, means[added] > means[without])


def verdict(without: np.ndarray, added: np.ndarray, weights: np.ndarray) -> Verdict:
    """Compares the classifiers of two candidates on the same examples.

    Args:
      without, added: whether each classifier recognizes each test example, ``[s, n]`` bool; equal
        rows have equal seeds.
      weights: of the test examples, ``[n]``, with mean 1.
    """
    differences = (added.astype(np.float64) - without) * weights
    of = lambda right: mean((right * weights).mean(axis=1))
    return Verdict(of(without), of(added), crossed(differences), *differences.shape[::-1])


def sentence(chosen: Chosen, found: Verdict, validation: int, measure: str) -> str:
    """One sentence on whether it helped, by how much, and how sure that is.

    Args:
      validation: the number of validation examples.
      measure: the name of the accuracy.
    """
    low, value, high = (
        100 * end for end in (found.difference.low, found.difference.value, found.difference.high)
    )
    answer = "Adding them helped" if found.helped else "Adding them made no proven difference"
    answer = "Adding them did harm" if high < 0 else answer
    preferred = f"{validation:,} validation images prefer "
    preferred += "them" if chosen.prefers else "the real images alone, so do not add them"
    return (
        f"{answer}: with {chosen.added}, {measure} on {found.examples:,} test images is "
        f"{found.added.value:.2%} instead of {found.without.value:.2%}, a difference of "
        f"{value:+.2f} points (95% interval {low:+.2f} to {high:+.2f}, over {found.classifiers} "
        f"classifiers and the test images); {preferred}."
    )


def table(scores: dict[Candidate, list[float]], chosen: Chosen, measure: str) -> str:
    """The validation accuracies as a Markdown table, the chosen candidates in bold."""
    lines = [f"| added | validation {measure} | classifiers |", "| --- | ---: | ---: |"]
    for candidate, own in scores.items():
        mark = "**" if candidate in chosen[:2] else ""
        lines.append(f"| {mark}{candidate}{mark} | {np.mean(own):.2%} | {len(own)} |")
    return "\n".join(lines)
