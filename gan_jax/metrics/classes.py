"""The classes in samples and their frequencies, with intervals; `mixtures` counts modes in compiled
programs.

Counted as for Stacked MNIST (Metz et al. 2017, "Unrolled generative adversarial networks", section
3.3.1; Lin et al. 2018, PacGAN): modes found by a classifier, and the divergence of their
frequencies from the true ones.
"""

from __future__ import annotations

import numpy as np

from gan_jax.metrics.estimate import Estimate, normal


def class_count(classes: np.ndarray, k: int) -> Estimate:
    """How many of ``k`` classes occur in ``classes`` ``[n]`` int, 0 to k - 1.

    More images can only raise the count. There is no interval, as images contain no information
    about classes that do not occur.
    """
    return Estimate(float((_frequencies(classes, k) > 0).sum()))


def class_divergence(classes: np.ndarray, weights: np.ndarray) -> Estimate:
    """KL(frequencies of ``classes`` ``[n]`` || ``weights`` ``[k]``), in nats, 0 or more.

    Args:
      weights: true class frequencies on any positive scale; ``np.ones(k)`` for the divergence from
        uniform.

    Returns:
      The divergence with a normal 95% interval over other draws of images (delta method with the
      second-order term (k - 1) / 2n^2, which is the whole variance if frequencies equal the
      weights). About (k - 1) / 2n of the value is bias. Infinite, without an interval, if images of
      a class with weight 0 occur.

    Raises:
      ValueError: for classes outside 0..k-1, weights that are negative or all zero.
    """
    weights = np.asarray(weights, np.float64)
    if weights.min() < 0 or weights.sum() <= 0:
        raise ValueError(f"weights must be non-negative and not all 0, not {weights.tolist()}.")
    n, k = len(classes), len(weights)
    p, q = _frequencies(classes, k), weights / weights.sum()
    seen = p > 0
    if (q[seen] == 0).any():
        return Estimate(np.inf)
    logs = np.log(p[seen] / q[seen])
    value = (p[seen] * logs).sum()
    variance = ((p[seen] * logs**2).sum() - value**2) / n + (k - 1) / (2 * n**2)
    return normal(value, np.sqrt(variance), least=0.0)


def effective_classes(classes: np.ndarray, k: int) -> Estimate:
    """exp(entropy) of the frequencies of ``classes`` ``[n]`` int, 0 to k - 1: the number of equally
    frequent classes with the same entropy, in [1, k].

    Returns:
      The number with the exponentials of a normal 95% interval of the entropy over other draws of
      images, computed as that of `class_divergence`.
    """
    divergence = class_divergence(classes, np.ones(k))
    low, high = (k * np.exp(-bound) for bound in (divergence.high, divergence.low))
    return Estimate(float(k * np.exp(-divergence.value)), float(max(low, 1.0)), float(high))


def _frequencies(classes: np.ndarray, k: int) -> np.ndarray:
    if not len(classes) or classes.min() < 0 or classes.max() >= k:
        raise ValueError(
            f"classes must all be between 0 and {k - 1}; some of {len(classes)} are not."
        )
    return np.bincount(classes, minlength=k) / len(classes)
