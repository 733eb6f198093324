"""Frechet distance between two sets of features, each taken as a Gaussian.

Heusel et al. 2017, "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", eq. 6; the
distance between Gaussians is that of Dowson & Landau 1982:

    d^2 = |mu_a - mu_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)).
"""

from __future__ import annotations

import numpy as np


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The squared Frechet distance ``d^2`` (the number called FID) of features ``a`` ``[n, f]`` and ``b`` ``[m, f]``.

    Computed in float64 from means and unbiased covariances; zero or above up to rounding, about 1e-12 of the traces.

    Raises:
      ValueError: for fewer than 2 rows, different ``f``, or values that are not finite.
    """
    a, b = _checked(a, "a"), _checked(b, "b")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"features: {a.shape[1]} of a against {b.shape[1]} of b; both need the same number.")
    return _distance(a.mean(axis=0), _factor(a), b.mean(axis=0), _factor(b))


def frechet_distance_of_moments(
    mean_a: np.ndarray, covariance_a: np.ndarray, mean_b: np.ndarray, covariance_b: np.ndarray
) -> float:
    """`frechet_distance` from means ``[f]`` and covariances ``[f, f]``, float64.

    Raises:
      ValueError: for a covariance that has a negative eigenvalue beyond rounding.
    """
    return _distance(mean_a, _root(covariance_a), mean_b, _root(covariance_b))


def _distance(mean_a: np.ndarray, factor_a: np.ndarray, mean_b: np.ndarray, factor_b: np.ndarray) -> float:
    # With C = F^T F on both sides, C_a C_b has the eigenvalues of (F_a F_b^T)(F_a F_b^T)^T: the trace of its root is
    # the sum of the singular values of F_a F_b^T. No root of a matrix that is not symmetric, no imaginary parts.
    trace_of_root = np.linalg.svd(factor_a @ factor_b.T, compute_uv=False).sum()
    distance = ((mean_a - mean_b) ** 2).sum() + (factor_a**2).sum() + (factor_b**2).sum() - 2 * trace_of_root
    return float(distance)


def _factor(features: np.ndarray) -> np.ndarray:
    """``F`` ``[min(n, f), f]`` with ``F^T F`` the covariance of ``features`` ``[n, f]``."""
    n, f = features.shape
    centred = (features - features.mean(axis=0)) / np.sqrt(n - 1)
    return centred if n < f else _root(centred.T @ centred)


def _root(covariance: np.ndarray) -> np.ndarray:
    """``F`` with ``F^T F`` the covariance, from its eigenvectors: exact where it is singular too."""
    eigenvalues, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
    if eigenvalues[0] < -1e-8 * abs(eigenvalues[-1]):
        raise ValueError(f"covariance: its smallest eigenvalue is {eigenvalues[0]:.3g}; none may be negative.")
    return np.sqrt(np.maximum(eigenvalues, 0))[:, None] * vectors.T


def _checked(features: np.ndarray, name: str) -> np.ndarray:
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"{name}: features of shape {features.shape}; [n, f] with n of 2 or more is needed.")
    if not np.isfinite(features).all():
        raise ValueError(f"{name}: {(~np.isfinite(features)).sum()} feature values are not finite.")
    return features
