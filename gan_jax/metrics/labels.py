"""Scores from the classes that a classifier assigns to the images."""

from __future__ import annotations

import numpy as np


def label_agreement(logits: np.ndarray, labels: np.ndarray) -> float:
    """Classification accuracy in [0, 1] of conditional samples: logits ``[n, k]``, labels ``[n]``
    int.
    """
    return float(_right(logits, labels).mean())


def label_agreement_by_class(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`label_agreement` of the images of each class, ``[k]`` float64; NaN for a class without
    images.
    """
    k = logits.shape[1]
    images = np.bincount(labels, minlength=k)
    right = np.bincount(labels, weights=_right(logits, labels), minlength=k)
    return np.where(images > 0, right / np.maximum(images, 1), np.nan)


def class_shares(logits: np.ndarray) -> np.ndarray:
    """Class frequencies ``[k]`` float64 of images with logits ``[n, k]``; they sum to 1."""
    return np.bincount(logits.argmax(axis=1), minlength=logits.shape[1]) / len(logits)


def confidence(logits: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """The softmax probability ``[n]`` float64 of each image's label ``[n]`` int, from logits
    ``[n, k]``; without labels, of the most likely class.

    In float64, which still resolves confidences near one.
    """
    logits = np.asarray(logits, np.float64)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    chosen = logits.argmax(axis=1) if labels is None else labels
    return shares[np.arange(len(logits)), chosen] / shares.sum(axis=1)


def _right(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether each image is classified as its label, ``[n]`` bool."""
    n, k = logits.shape
    if labels.shape != (n,) or labels.min() < 0 or labels.max() >= k:
        raise ValueError(
            f"labels must have the shape ({n},) and be between 0 and {k - 1}, not {labels.shape} "
            f"and {labels.min()} to {labels.max()}."
        )
    return logits.argmax(axis=1) == labels
