"""The truncation curve: what quality is gained and what variety is lost where the latents are kept
from the tails of N(0, 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from gan_jax.metrics import Inputs, Sample, measure
from gan_jax.modality import labels_in_turn
from gan_jax.types import Prior, PyTree

PSIS = (0.25, 0.5, 0.75, 1.0, None)
"""Bounds of the latents; None: not truncated."""
SAMPLES_A_BOUND = 1_000
"""Samples for each bound: few, as the bounds are to be compared with each other."""


def truncation_curve(
    features: Callable[[PyTree, np.ndarray], np.ndarray],
    reference: Sample,
    prior: Prior,
    *,
    num_classes: int = 0,
    samples: int = SAMPLES_A_BOUND,
    psis: Sequence[float | None] = PSIS,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Frechet distance, precision and recall of samples by the bound of their latents (Brock et al.
    2019, section 3.1).

    The latents of all bounds are made from the same random numbers, so that what differs is the
    bound. Precision and recall compare as many real images as samples. All three depend on the
    number of samples: only scores of the same number can be compared.

    Args:
      features: what a feature network sees, ``[n, f]``, in samples of latents and labels
        ``[n]`` int32.
      reference: real images, as the network saw them.
      prior: the GAN's, of the latents.
      num_classes: of the labels, drawn in equal shares; 0 for none.
      samples, psis: how many for each bound, and the bounds.
      seed: determines the latents and the choice of real images.

    Returns:
      For each bound ``psi``, ``samples``, ``frechet_distance``, ``precision``, ``recall``, and by
      their names ``intervals``, 95 %, with two ends each. A score that cannot be computed, as the
      samples are too few for so many features, is None and has no interval.
    """
    labels = labels_in_turn(samples, num_classes)
    curve = []
    for psi in psis:
        seen = Sample(np.asarray(features(prior.draw(jax.random.key(seed), samples, psi), labels)))
        found = measure(Inputs(seen, reference, seed=seed), ("fid", "pr"))
        number = lambda name: (
            float(found[name].value) if name in found and math.isfinite(found[name].value) else None
        )
        names = ("frechet_distance", "precision", "recall")
        scores = {name: number(name) for name in names}
        intervals = {
            name: [float(found[name].low), float(found[name].high)]
            for name in names
            if scores[name] is not None
            and math.isfinite(found[name].low)
            and math.isfinite(found[name].high)
        }
        curve.append({"psi": psi, "samples": samples, **scores, "intervals": intervals})
    return curve
