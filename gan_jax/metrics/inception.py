"""Inception score: are images recognizable, and of many classes?

Salimans et al. 2016, "Improved techniques for training GANs", section 4: exp(E KL(p(y|x) || p(y))),
with any classifier's logits.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from gan_jax.metrics.estimate import Estimate, Z, mean


def inception_score(logits: np.ndarray, splits: int = 1) -> Estimate:
    """The inception score, in [1, k], of logits ``[n, k]``.

    With one split, the 95% interval is that of the mean divergence over other draws of images
    (delta method; the effect of each image on p(y) is of second order), mapped through exp. With
    more splits, the score is the mean over consecutive parts, as in the paper with 10, with
    Student's t interval of that mean; small parts score lower.

    Raises:
      ValueError: for fewer than 2 images per split.
    """
    n = len(logits)
    if logits.ndim != 2 or not 1 <= splits <= n // 2:
        raise ValueError(
            f"splits {splits} must leave at least 2 images of logits [n, k] in each split, not "
            f"divide logits of shape {logits.shape}."
        )
    log_p = special.log_softmax(logits.astype(np.float64), axis=1)
    if splits > 1:
        parts = [log_p[i * n // splits : (i + 1) * n // splits] for i in range(splits)]
        return mean(np.exp([_divergences(part).mean() for part in parts]))
    divergences = _divergences(log_p)
    centre, half = divergences.mean(), Z * divergences.std(ddof=1) / np.sqrt(n)
    return Estimate(
        float(np.exp(centre)), float(np.exp(max(centre - half, 0))), float(np.exp(centre + half))
    )


def _divergences(log_p: np.ndarray) -> np.ndarray:
    """KL(p(y|x) || p(y)) of each image, ``[n]``, in nats; p(y) is the mean over the images."""
    log_mean = special.logsumexp(log_p, axis=0) - np.log(len(log_p))
    return (np.exp(log_p) * (log_p - log_mean)).sum(axis=1)
