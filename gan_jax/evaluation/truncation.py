"""The truncation curve: quality gained and diversity lost by truncating the latents."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from gan_jax.metrics import Inputs, Sample, measure
from gan_jax.types import Prior, PyTree

PSIS = (0.25, 0.5, 0.75, 1.0, None)
"""Bounds of the latents; None: not truncated."""
SAMPLES_A_BOUND = 1_000
"""Samples per bound: few, because the bounds are only compared with each other."""


def truncation_curve(
    features: Callable[[PyTree, PyTree], np.ndarray],
    reference: Sample,
    prior: Prior,
    y: PyTree,
    *,
    psis: Sequence[float | None] = PSIS,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Fréchet distance, precision and recall of samples for each bound of their latents (Brock et
    al. 2019, section 3.1).

    The latents of all bounds are made from the same random numbers, so that only the bound differs.
    Precision and recall use as many real images as samples. All three scores depend on the number
    of samples and can only be compared for equal numbers.

    Args:
      features: returns the features ``[n, f]`` of samples, given latents and conditions.
      reference: the features of real images.
      prior: the prior of the GAN's latents.
      y: the conditions ``[samples, ...]`` of the samples of a bound, such as labels.
      psis: the bounds.
      seed: determines the latents and the choice of real images.

    Returns:
      For each bound: ``psi``, ``samples``, ``frechet_distance``, ``precision``, ``recall``, and
      ``intervals``, the 95% intervals by name, with two ends each. A score that cannot be computed,
      because there are too few samples for the number of features, is None and has no interval.
      Empty for a GAN without latents.
    """
    samples, curve = len(jax.tree.leaves(y)[0]), []
    if not jax.tree.leaves(prior.draw(jax.random.key(seed), 1)):
        return curve
    for psi in psis:
        seen = Sample(np.asarray(features(prior.draw(jax.random.key(seed), samples, psi), y)))
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
