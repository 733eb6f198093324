"""Regularizers of the features of D: its last hidden layer, or all of its layers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.nn import logsumexp

from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError, within
from gan_jax.parts.regularizers.making import memoryless
from gan_jax.parts.regularizers.translation import same_conditions
from gan_jax.types import Array, Context


@memoryless
def feature_matching(context: Context):
    """``|mean f(x) - mean f(G(z))|^2`` over the minibatch, the same for each example (Salimans et
    al. 2016, section 3.1).

    The features of real examples are constant, even if generated ones influence them through batch
    norm.
    """
    real, fake = (
        batch_axis.whole(critique.extra("features", wanted_by="feature_matching"))
        for critique in (context.real_critique, context.fake_critique)
    )
    distance = jnp.sum(jnp.square(jax.lax.stop_gradient(real).mean(0) - fake.mean(0)))
    return jnp.broadcast_to(distance, context.fake_critique.score.shape[:1])


@memoryless
def layer_features(context: Context):
    """``sum_i |D_i(x) - D_i(G(z, y))|`` over the layers ``i`` of D, for the real example ``x`` of
    the condition ``y``; each layer's distance is the mean over its features (Kong et al. 2020,
    "HiFi-GAN", equation 5; their weight is 2). D returns its layers, arrays ``[b, ...]``, as the
    extra ``layers``. Those of real examples are constant.
    """
    same_conditions("layer_features", context)
    real, fake = (
        jax.tree.leaves(critique.extra("layers", wanted_by="layer_features"))
        for critique in (context.real_critique, context.fake_critique)
    )
    constant = jax.lax.stop_gradient(real)
    return sum(
        jnp.mean(jnp.abs(a - b), axis=range(1, a.ndim)) for a, b in zip(constant, fake, strict=True)
    )


@memoryless
def pull_away(context: Context):
    """Mean squared cosine of the features of two generated examples, the same for each (Zhao et al.
    2017, equation 5, "EBGAN").

    Dai et al. 2017, section 4, use it as a proxy for the entropy of the generator.
    """
    features = batch_axis.whole(context.fake_critique.extra("features", wanted_by="pull_away"))
    n = len(features)
    if n < 2:
        raise ConfigError(
            f"pull_away compares pairs and needs a minibatch of 2 or more examples, not {n}."
        )
    directions = features / jnp.sqrt(jnp.sum(jnp.square(features), axis=1, keepdims=True) + 1e-12)
    cosines = directions @ directions.T
    mean = (jnp.sum(jnp.square(cosines)) - jnp.sum(jnp.square(jnp.diagonal(cosines)))) / (
        n * (n - 1)
    )
    return jnp.broadcast_to(mean, context.fake_critique.score.shape[:1])


@memoryless
def low_density(context: Context, *, quantile: float = 0.1, bandwidth: float = 0.5):
    """``max(log p(f(G(z))) - e, 0)``: generated examples stay where the features of real ones are
    rare, for each example.

    The complement generator of Dai et al. 2017, section 4, keeps its samples where a density model
    of images, PixelCNN++, gives less than ``e``. Here, the density is that of D's features of the
    real examples in the minibatch, by Gaussian kernels: the logarithm of the mean of ``exp(-|f -
    f_j|^2 / (2 h^2))`` over them. ``h^2`` is ``bandwidth^2`` times the mean squared distance of two
    of them.

    Args:
      quantile: ``e`` is this quantile, in (0, 1), of the logarithms for the real examples
        themselves, each without its own kernel.
      bandwidth: above 0.
    """
    within("quantile", quantile, "(0, 1)")
    within("bandwidth", bandwidth, "(0, inf)")
    own = context.fake_critique.extra("features", wanted_by="low_density")
    real = context.real_critique.extra("features", wanted_by="low_density")
    real = jax.lax.stop_gradient(batch_axis.whole(real))
    n = len(real)
    if n < 2:
        raise ConfigError(
            f"low_density compares pairs and needs a minibatch of 2 or more examples, not {n}."
        )
    among = _squared_distances(real, real)
    doubled = 2 * bandwidth**2 * jnp.maximum(among.sum() / (n * (n - 1)), 1e-12)
    others = jnp.where(jnp.eye(n, dtype=bool), -jnp.inf, -among / doubled)
    least = jnp.quantile(logsumexp(others, axis=1) - jnp.log(n - 1), quantile)
    density = logsumexp(-_squared_distances(own, real) / doubled, axis=1) - jnp.log(n)
    return jnp.maximum(density - least, 0)


def _squared_distances(a: Array, b: Array) -> Array:
    """``[n, m]`` of vectors ``[n, f]`` and ``[m, f]``, without all their differences at once."""
    norms = jnp.sum(jnp.square(a), axis=1)[:, None] + jnp.sum(jnp.square(b), axis=1)[None]
    return jnp.maximum(norms - 2 * jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST), 0)
