"""Unsupervised directions of a latent space: SeFa, from the weights, and GANSpace, from samples."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError
from gan_jax.latents.spaces import Z, equal_conditions
from gan_jax.types import Array, GanState, PyTree

LINEAR = 1e-4
"""Relative difference of two Jacobians of a layer up to which it is linear, in float32."""


class Directions(NamedTuple):
    """``vectors``: unit vectors ``[k, f]`` float32, the strongest first; their entry of the largest
    magnitude is positive. ``strengths``: ``[k]`` float32, in the unit of the function that returns
    them.
    """

    vectors: np.ndarray
    strengths: np.ndarray


def sefa(weights: np.ndarray, k: int) -> Directions:
    """The directions that change the first layer's output most: the eigenvectors of A^T A with the
    largest eigenvalues (Shen & Zhou 2021, "Closed-form factorization of latent semantics in GANs",
    equation 6).

    Args:
      weights: ``A [m, f]``, the layers that take the latents in, such as `first_weights` returns.
      k: number of directions, at most ``f``.

    Returns:
      Strengths are the norms ``|A n|``, the roots of the eigenvalues.
    """
    a = np.asarray(weights, np.float64)
    values, vectors = np.linalg.eigh(a.T @ a)
    order = np.argsort(-values)[:k]
    return _directions(vectors.T[order], np.sqrt(np.maximum(values[order], 0)))


def pca(activations: np.ndarray, k: int, latents: np.ndarray | None = None) -> Directions:
    """Principal components of activations (Härkönen et al. 2020, "GANSpace", section 2).

    Args:
      activations: ``[n, ...]``, such as the ``w`` of random samples, or images.
      k: number of components, at most the number of coordinates, less than ``n``.
      latents: ``[n, f]``, if the directions are wanted in another space than the activations: the
        regression of latents on the components, section 2.3.

    Returns:
      Strengths are the standard deviations along the components.
    """
    x = np.asarray(activations, np.float64).reshape(len(activations), -1)
    x = x - x.mean(axis=0)
    _, values, vectors = np.linalg.svd(x, full_matrices=False)
    vectors, deviations = vectors[:k], values[:k] / np.sqrt(len(x) - 1)
    if latents is not None:
        coordinates, z = x @ vectors.T, np.asarray(latents, np.float64)
        vectors = coordinates.T @ (z - z.mean(axis=0))
    return _directions(vectors, deviations)


def strip(points: Array, vector: Array, amounts: Array) -> Array:
    """Points moved along a direction, ``[n, steps, ...]``.

    Args:
      points: ``[n, f]``, or ``[n, layers, f]``, moved in every layer.
      vector: ``[f]``.
      amounts: ``[steps]``, in the unit of the points; 0 is the point itself.
    """
    amounts = jnp.asarray(amounts).reshape(1, -1, *(1,) * (points.ndim - 1))
    vector = jnp.asarray(vector).reshape(*(1,) * points.ndim, -1)
    return points[:, None] + amounts * vector


def first_weights(gan: Gan, state: GanState, space: str = Z, y: PyTree | None = None) -> np.ndarray:
    """``A [m, f]`` float32: the weights of every dense layer whose output is affine in a point of
    ``z`` or ``w``, one below the other.

    For DCGAN these are the first layer; for StyleGAN2 the styles of all layers, from ``w``.

    Args:
      gan, state: as for `gan_jax.generate`.
      space: ``z`` or ``w``.
      y: conditions ``[n, ...]`` of any examples, where they are not class labels.

    Raises:
      ConfigError: for a generator without such layers, as of ``z`` where it is normalized first.
    """
    points, one = _two_points(gan, state, space, y), equal_conditions(gan, y, 1)
    first, second = (_jacobians(gan, state, point, one, space) for point in points)
    kept = [
        np.asarray(a)
        for a, b in zip(first, second, strict=True)
        if jnp.any(a != 0) and jnp.abs(a - b).max() <= LINEAR * jnp.abs(a).max()
    ]
    if not kept:
        network = type(gan.generator.network).__name__
        raise ConfigError(f"directions: no dense layer of {network} takes {space} in directly.")
    return np.concatenate(kept)


def _two_points(gan: Gan, state: GanState, space: str, y: PyTree | None) -> Array:
    """``[2, f]``: latents, or normal vectors of the shape of ``w``."""
    key, y = jax.random.key(0), equal_conditions(gan, y, 2)
    z = gan.prior.draw(key, 2)
    if space == Z:
        return z
    of = functools.partial(_apply, gan, y=y, method="mapping")
    return jax.random.normal(key, (2, jax.eval_shape(of, state, points=z).shape[-1]))


@functools.partial(jax.jit, static_argnames=("gan", "space"))
def _jacobians(gan: Gan, state: GanState, point: Array, y: PyTree, space: str) -> list[Array]:
    """The Jacobians ``[m, f]`` of all dense layers by a point ``[f]``; ``y [1, ...]``."""

    def outputs(point: Array) -> list[Array]:
        found = []

        def record(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
            made = call(*args, **kwargs)
            is_layer = context.method_name == "__call__" and isinstance(made, jax.Array)
            if is_layer and made.ndim == 2 and context.module.has_variable("params", "kernel"):
                found.append(made[0])
            return made

        with nn.intercept_methods(record):
            method = None if space == Z else "synthesis"
            _apply(gan, state, point[None], y, method)
        return found

    return jax.jacfwd(outputs)(point)


def _apply(gan: Gan, state: GanState, points: Array, y: PyTree, method: str | None) -> Any:
    """The generator itself: `generate` is compiled once, and would not be intercepted again."""
    now = scalars.bind(gan, state.scalars, state.step).generator
    return now.network.apply(
        state.generator.variables(averaged=True), points, y, train=False, method=method,
        **(now.numbers or {}),
    )  # fmt: skip


def _directions(vectors: np.ndarray, strengths: np.ndarray) -> Directions:
    """Of unit length, with a definite sign."""
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    largest = np.abs(vectors).argmax(axis=1)
    signs = np.sign(vectors[np.arange(len(vectors)), largest])
    return Directions((signs[:, None] * vectors).astype(np.float32), strengths.astype(np.float32))
