"""Fréchet distance between two sets of features, each taken as a Gaussian.

Heusel et al. 2017, "GANs trained by a two time-scale update rule converge to a local Nash
equilibrium", eq. 6; the distance between Gaussians is that of Dowson & Landau 1982:

    d^2 = |mu_a - mu_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics.covariance import moments
from gan_jax.metrics.estimate import Estimate, Z, normal
from gan_jax.metrics.streaming import block_size, stream
from gan_jax.types import Array


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The squared Fréchet distance ``d^2`` (the number called FID) of features ``a`` ``[n, f]`` and
    ``b`` ``[m, f]``.

    Computed in float64 from means and unbiased covariances; zero or above up to rounding, about
    1e-12 of the traces.

    Raises:
      ValueError: for fewer than 2 rows, different ``f``, or values that are not finite.
    """
    return _distance(*fitted(a, b))[0]


def frechet_estimate(
    a: np.ndarray,
    b: np.ndarray,
    gaussian_a: Gaussian | None = None,
    gaussian_b: Gaussian | None = None,
) -> Estimate:
    """`frechet_distance` with its 95 % interval over other draws of both sets.

    The interval comes from the influence of each image on the distance (delta method): with ``T``
    the linear map that carries the Gaussian of ``a`` onto that of ``b``, an image ``x`` of ``a``
    moves it by ``2 (mu_a - mu_b).z + z.(I - T) z`` less its mean, ``z = x - mu_a``. It holds the
    spread alone: the bias, which falls as 1/n, is not in it (see `frechet_infinity`), nor is it of
    use for two sets from one distribution, where bias is all there is.

    Args:
      a, b: as for `frechet_distance`.
      gaussian_a, gaussian_b: what `gaussian_of` gave for them, where that has been called.

    Raises:
      ValueError: as `frechet_distance`.
    """
    a, b = _checked_pair(a, b)
    gaussian_a, gaussian_b = gaussian_a or gaussian_of(a), gaussian_b or gaussian_of(b)
    value, standard_error = distance_and_error(a, b, gaussian_a, gaussian_b)
    return normal(value, standard_error, least=0.0)


def frechet_by_class(
    a: np.ndarray, a_labels: np.ndarray, b: np.ndarray, b_labels: np.ndarray, classes: int
) -> tuple[Estimate, Estimate]:
    """`frechet_estimate` of the images of each class apart (intra-FID; Miyato & Koyama 2018,
    section 6).

    Args:
      a, b: features ``[n, f]``, ``[m, f]``; their labels ``[n]``, ``[m]`` int, 0 to ``classes -
        1``.

    Returns:
      The mean over the classes, and by class ``[k]``. Classes are independent draws, so the mean's
      interval adds their variances.

    Raises:
      ValueError: as `frechet_distance`, also for a class with fewer than 2 images on either side.
    """
    each = [
        frechet_estimate(a[a_labels == label], b[b_labels == label]) for label in range(classes)
    ]
    by_class = Estimate(*map(np.array, zip(*each, strict=True)))
    mean_error = np.sqrt(((by_class.high - by_class.value) ** 2).sum()) / (Z * classes)
    return normal(by_class.value.mean(), mean_error, least=0.0), by_class


def frechet_distance_of_moments(
    mean_a: np.ndarray, covariance_a: np.ndarray, mean_b: np.ndarray, covariance_b: np.ndarray
) -> float:
    """`frechet_distance` from means ``[f]`` and covariances ``[f, f]``, float64.

    Raises:
      ValueError: for a covariance that has a negative eigenvalue beyond rounding.
    """
    return _distance(Gaussian(mean_a, _root(covariance_a)), Gaussian(mean_b, _root(covariance_b)))[
        0
    ]


def frechet_distance_of_gaussians(a: Gaussian, b: Gaussian) -> float:
    """`frechet_distance` of fitted Gaussians."""
    return _distance(a, b)[0]


class Gaussian(NamedTuple):
    """``mean`` ``[f]`` and a ``factor`` ``F`` ``[r, f]`` with orthogonal rows and ``F^T F`` the
    covariance, float64.
    """

    mean: np.ndarray
    factor: np.ndarray


def fitted(a: np.ndarray, b: np.ndarray) -> tuple[Gaussian, Gaussian]:
    """The Gaussians of two sets of features.

    Raises:
      ValueError: as `frechet_distance`.
    """
    a, b = _checked_pair(a, b)
    return gaussian_of(a), gaussian_of(b)


def gaussian_of(features: np.ndarray) -> Gaussian:
    """The Gaussian with the mean and the unbiased covariance of ``features`` ``[n, f]``, ``n`` of 2
    or more.
    """
    n, f = features.shape
    if (
        n < f
    ):  # n rows say the covariance more exactly, and sooner, than an f x f matrix of that rank
        features = np.asarray(features, np.float64)
        mean = features.mean(axis=0)
        _, lengths, directions = np.linalg.svd(
            (features - mean) / np.sqrt(n - 1), full_matrices=False
        )
        return Gaussian(mean, lengths[:, None] * directions)
    found = moments(features)
    return Gaussian(found.mean, _root(found.covariance))


def distance_and_error(
    a: np.ndarray, b: np.ndarray, gaussian_a: Gaussian, gaussian_b: Gaussian
) -> tuple[float, float]:
    """The distance of two fitted Gaussians, and its standard error for the features that they were
    fitted to.
    """
    value, left, right = _distance(gaussian_a, gaussian_b)
    rotation = left @ right  # U V^T of F_a F_b^T
    variance = _influence(a, gaussian_a, gaussian_b, rotation).var() / (len(a) - 1)
    variance += _influence(b, gaussian_b, gaussian_a, rotation.T).var() / (len(b) - 1)
    return value, float(np.sqrt(variance))


def _distance(a: Gaussian, b: Gaussian) -> tuple[float, np.ndarray, np.ndarray]:
    """The distance, and the singular vectors of ``F_a F_b^T``.

    With C = F^T F on both sides, C_a C_b has the eigenvalues of (F_a F_b^T)(F_a F_b^T)^T: the trace
    of its root is the sum of the singular values of F_a F_b^T. No root of a matrix that is not
    symmetric, no imaginary parts.
    """
    left, roots, right = np.linalg.svd(a.factor @ b.factor.T, full_matrices=False)
    distance = (
        ((a.mean - b.mean) ** 2).sum() + (a.factor**2).sum() + (b.factor**2).sum() - 2 * roots.sum()
    )
    return float(distance), left, right


def _influence(x: np.ndarray, own: Gaussian, other: Gaussian, rotation: np.ndarray) -> np.ndarray:
    """What each row of ``x`` ``[n, f]`` adds to the distance, up to a constant, ``[n]``.

    The derivative of the sum of singular values by F_a is U V^T F_b; with C_a = F_a^T F_a this
    makes the derivative of the distance by C_a equal to I - T, T = F_a^+ U V^T F_b, the map that
    carries the one Gaussian onto the other.
    """
    lengths = np.sqrt((own.factor**2).sum(axis=1))
    lengths = np.where(
        lengths > 1e-7 * lengths.max(), lengths, np.inf
    )  # no image lies where there is no variance
    gradient = (
        np.eye(len(own.mean)) - (own.factor / lengths[:, None] ** 2).T @ rotation @ other.factor
    )
    slope = 2 * (own.mean - other.mean)
    with jax.enable_x64(True):
        moved = lambda block: _moved(block - own.mean, gradient, slope)
        return stream(moved, x, block=block_size(len(x)))


@jax.jit
def _moved(z: Array, gradient: Array, slope: Array) -> Array:
    curved = (jnp.matmul(z, gradient, precision="highest") * z).sum(axis=1)
    return curved + jnp.matmul(z, slope, precision="highest")


def _root(covariance: np.ndarray) -> np.ndarray:
    """``F`` with ``F^T F`` the covariance, from its eigenvectors: exact where it is
    singular too.
    """
    eigenvalues, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
    if eigenvalues[0] < -1e-8 * abs(eigenvalues[-1]):
        raise ValueError(
            f"covariance: its smallest eigenvalue is {eigenvalues[0]:.3g}; none may be negative."
        )
    return np.sqrt(np.maximum(eigenvalues, 0))[:, None] * vectors.T


def _checked_pair(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = _checked(a, "a"), _checked(b, "b")
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"features: {a.shape[1]} of a against {b.shape[1]} of b; both need the same number."
        )
    return a, b


def _checked(features: np.ndarray, name: str) -> np.ndarray:
    features = np.asarray(features)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"{name}: features of shape {features.shape}; [n, f] with n of 2 or more is needed."
        )
    if not np.isfinite(features).all():
        raise ValueError(f"{name}: {(~np.isfinite(features)).sum()} feature values are not finite.")
    return features
