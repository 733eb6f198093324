"""How far an image moves when its latents do: path length regularization."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError, within
from gan_jax.parts.regularizers.making import with_memory
from gan_jax.types import Array, Context


@with_memory(lambda: jnp.zeros(()))
def path_length(memory, context: Context, *, decay: float = 0.01, share: float = 0.5):
    """``(|J^T n| - a)^2``, so that an image moves by the same distance wherever and in whichever
    direction its latents do (Karras et al. 2020, "Analyzing and improving the image quality of
    StyleGAN", section 3.2).

    ``J`` is the derivative of the image by ``w`` where the fakes have ``extras["w"]``, which the
    generator's method ``synthesis`` then takes, otherwise by the latents. ``n`` is noise from N(0,
    1) over the root of the number of places. ``a`` is the running mean of the lengths, whose own
    step is differentiated, too, as in the authors' code.

    ``decay``: how much of the running mean is new. ``share``: one of every ``1 / share`` examples,
    rounded, is looked at, and stands for the others.
    """
    within("decay", decay, "[0, 1]")
    within("share", share, "(0, 1]")
    every, styles = round(1 / share), context.fake.extras.get("w")
    w = context.latents if styles is None else styles
    if not isinstance(w, jax.Array) or not isinstance(context.fake.x, jax.Array):
        raise ConfigError("path_length needs latents and examples that are single arrays.")
    if len(w) % every:
        raise ConfigError(
            f"share must be the inverse of a divisor of the {len(w)} examples, not 1/{every}."
        )
    w, x, y = jax.tree.map(lambda a: a[::every], (w, context.fake.x, context.fake.y))
    noise = batch_axis.draw(jax.random.normal, context.key, x.shape, x.dtype)
    noise = noise / math.sqrt(math.prod(x.shape[1:-1]))

    def draw(w: Array) -> Array:
        if styles is None:
            return context.generate(w, y).x
        return context.generate(w, y, method="synthesis")

    lengths = lengths_of(draw, w, noise)
    mean = memory + decay * (batch_axis.whole(lengths).mean() - memory)
    return jnp.repeat(jnp.square(lengths - mean), every), mean


def lengths_of(draw: Callable[[Array], Array], w: Array, noise: Array) -> Array:
    """``|J^T noise|`` of each example, ``[b]``, where ``J`` is the derivative of ``draw`` at ``w``,
    ``[b, n]`` or ``[b, layers, n]``; the root of the mean square over layers where there are some.
    Where it is zero, so is its own derivative.
    """
    slope = jax.grad(lambda w: jnp.sum(draw(w) * noise))(w)
    squares = jnp.sum(jnp.square(slope), axis=-1).reshape(len(w), -1).mean(axis=1)
    flat = squares == 0
    return jnp.where(flat, 0, jnp.sqrt(jnp.where(flat, 1, squares)))
