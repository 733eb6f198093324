"""Scores of samples that have one right answer each, as those of image-to-image translation."""

from __future__ import annotations

import numpy as np

from gan_jax.metrics import estimate
from gan_jax.metrics.estimate import Estimate

RANGE = 2.0
"""Difference of the largest and the smallest value of a pixel."""


def l1(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Mean absolute difference of each image ``[n, ...]`` to its target, ``[n]`` float64."""
    return np.abs(_apart(images, targets)).mean(axis=1)


def psnr(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio in dB of each image, ``[n]`` float64; infinite for equal ones.

    Args:
      images, targets: ``[n, ...]`` floats in [-1, 1]; what exceeds it is clipped.
    """
    error = np.square(_apart(np.clip(images, -1, 1), np.clip(targets, -1, 1))).mean(axis=1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(RANGE**2 / error)


def paired_scores(images: np.ndarray, targets: np.ndarray) -> dict[str, Estimate]:
    """``l1`` and ``psnr`` of images and their targets ``[n, ...]`` in [-1, 1]: means over images
    with Student's interval.
    """
    return {
        "l1": estimate.mean(l1(images, targets)),
        "psnr": estimate.mean(psnr(images, targets)),
    }


def _apart(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return (images.astype(np.float64) - targets).reshape(len(images), -1)
