"""The latent spaces of a generator: z, and w and w+ where it has them.

A generator has ``w`` if it offers two methods: ``mapping(z, y, train) -> w``, ``[b, s]`` or, with a
``w`` for each layer, ``[b, layers, s]``; and ``synthesis(w, y, train) -> x``, which takes either.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan
from gan_jax.engine.trained import generate
from gan_jax.errors import ConfigError, one_of
from gan_jax.modality import labels_in_turn
from gan_jax.types import Array, GanState, PyTree

Z, W, W_PLUS = "z", "w", "w+"
SPREAD_SAMPLES = 10_000
"""Points from which `spread` is estimated, as in Karras et al. 2020, appendix D."""
FLAT = 1e-6
"""Lower bound of a standard deviation, for coordinates that are constant."""


def spaces_of(gan: Gan, state: GanState, y: PyTree | None = None) -> tuple[str, ...]:
    """The spaces of a generator: ``z``; ``w``, if it has the methods ``mapping`` and ``synthesis``;
    and ``w+``, if its mapping returns a ``w`` for each layer.

    Nothing is computed.

    Args:
      gan, state: as for `gan_jax.generate`.
      y: conditions ``[n, ...]`` of any examples, where they are not class labels.

    Raises:
      ConfigError: for a prior whose latents are not vectors, or conditions that are missing.
    """
    draw = functools.partial(gan.prior.draw, n=1)
    z = jax.eval_shape(draw, jax.random.key(0))
    if not isinstance(z, jax.ShapeDtypeStruct) or z.ndim != 2:
        raise ConfigError(
            f"latents need a prior of vectors [n, size], not {type(gan.prior).__name__}."
        )
    network = scalars.bind(gan, state.scalars, state.step).generator.network
    if not all(callable(getattr(network, name, None)) for name in ("mapping", "synthesis")):
        return (Z,)
    one = equal_conditions(gan, y, 1)
    w = jax.eval_shape(functools.partial(to_points, gan, space=W_PLUS), state, z, one)
    return (Z, W, W_PLUS) if w.ndim == 3 else (Z, W)


def conditions_at(y: PyTree, places: np.ndarray) -> PyTree:
    """The conditions ``y [n, ...]`` at places ``[m]``."""
    return jax.tree.map(lambda a: a[places], y)


def equal_conditions(gan: Gan, y: PyTree | None, n: int) -> PyTree:
    """The first of the conditions ``y``, ``n`` times; None: the label 0.

    Raises:
      ConfigError: for None where conditions are not class labels.
    """
    if y is not None:
        return conditions_at(y, np.zeros(n, np.int32))
    if gan.condition is not None:
        raise ConfigError("y: the conditions of this GAN are not class labels; pass some as y.")
    return jnp.zeros(n, jnp.int32)


def to_points(gan: Gan, state: GanState, z: Array, y: PyTree, space: str = W) -> Array:
    """Points of a space from latents.

    Args:
      gan, state: as for `gan_jax.generate`.
      z: latents ``[n, size]`` of the prior.
      y: labels ``[n]`` int32, or other conditions ``[n, ...]``.
      space: ``z``, ``w`` or ``w+``.

    Returns:
      ``[n, size]``; of ``w`` ``[n, s]``; of ``w+`` ``[n, layers, s]``, equal in all layers.

    Raises:
      ConfigError: for an unknown space.
    """
    if one_of("space", space, (Z, W, W_PLUS)) == Z:
        return z
    w = generate(gan, state, z, y, method="mapping")
    return w[:, 0] if space == W and w.ndim == 3 else w


def to_images(gan: Gan, state: GanState, points: Array, y: PyTree, space: str = W) -> Array:
    """Examples ``[n, ...]``, as networks return them, of points as `to_points` returns them, and
    of labels or other conditions.
    """
    method = None if one_of("space", space, (Z, W, W_PLUS)) == Z else "synthesis"
    return generate(gan, state, points, y, method=method)


class Spread(NamedTuple):
    """Mean and standard deviation of each coordinate of a space, both ``[...]``: the shape of a
    point.
    """

    mean: Array
    std: Array


@functools.partial(jax.jit, static_argnames=("gan", "space", "n"))
def spread(
    gan: Gan,
    state: GanState,
    key: Array,
    space: str = W,
    *,
    n: int = SPREAD_SAMPLES,
    y: PyTree | None = None,
) -> Spread:
    """The `Spread` of ``n`` random points, whose conditions ``y [m, ...]`` alternate; None: the
    classes of a conditional GAN.
    """
    if y is None:
        y = jnp.asarray(labels_in_turn(n, gan.num_classes))
    y = jax.tree.map(lambda a: jnp.asarray(a)[jnp.arange(n) % len(a)], y)
    points = to_points(gan, state, gan.prior.draw(key, n), y, space)
    return Spread(points.mean(axis=0), jnp.maximum(points.std(axis=0), FLAT))
