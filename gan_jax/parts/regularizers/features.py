"""Regularizers of the features of D: its last hidden layer, or all of its layers."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError
from gan_jax.parts.regularizers.making import memoryless
from gan_jax.parts.regularizers.translation import same_conditions
from gan_jax.types import Context


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
