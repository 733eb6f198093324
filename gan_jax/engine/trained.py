"""Uses the networks of a state: samples of the generator, critiques of the discriminator."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError
from gan_jax.modality import labels_in_turn
from gan_jax.nn.norms import MOMENTUM
from gan_jax.types import Array, Critique, Fake, GanState, PyTree


def sample(
    gan: Gan,
    state: GanState,
    key: Array,
    labels: PyTree | None = None,
    *,
    n: int | None = None,
    truncation: float | None = None,
) -> PyTree:
    """Examples from the EMA generator (from the generator itself, if no EMA is kept).

    Args:
      gan, state: as for `train_step`.
      key: determines the latents.
      labels: ``[n]`` int32 labels, or other conditions of the GAN.
      n: number of examples, instead of labels; the classes of a conditional GAN then alternate.
      truncation: of the latents, see `gan_jax.parts.priors`.

    Returns:
      ``[n, *shape]``, as networks return them; images float32 in [-1, 1].

    Raises:
      ConfigError: for class labels given to an unconditional GAN, labels outside its classes,
        neither labels nor ``n``, or ``n`` where conditions are made from examples.
    """
    if (labels is None) == (n is None):
        raise ConfigError("sample needs either labels or n.")
    if labels is None and gan.condition is not None:
        raise ConfigError(
            "sample: the conditions of this GAN are made from examples; pass conditions instead "
            "of n."
        )
    if labels is None:
        labels = labels_in_turn(n, gan.num_classes)
    elif not gan.num_classes and _are_classes(labels):
        raise ConfigError("sample: the GAN is unconditional and takes n instead of labels.")
    elif gan.num_classes and not isinstance(labels, jax.core.Tracer):
        given = np.asarray(labels)
        if not np.all((given >= 0) & (given < gan.num_classes)):
            raise ConfigError(f"sample: labels must be in [0, {gan.num_classes}).")
    labels = jax.tree.map(jnp.asarray, labels)
    count = len(jax.tree.leaves(labels)[0])
    return generate(gan, state, gan.prior.draw(key, count, truncation), labels)


def _are_classes(labels: PyTree) -> bool:
    """Whether they are class labels ``[n]``, not another condition such as images."""
    leaves = jax.tree.leaves(labels)
    return len(leaves) == 1 and leaves[0].ndim == 1 and jnp.issubdtype(leaves[0].dtype, jnp.integer)


@functools.partial(jax.jit, static_argnames=("gan", "method"))
def generate(
    gan: Gan,
    state: GanState,
    latents: PyTree,
    labels: PyTree,
    *,
    method: str | None = None,
    key: Array | None = None,
) -> Any:
    """Examples of given latents and labels from the EMA generator, as `sample` draws them.

    Args:
      gan, state: as for `train_step`.
      latents, labels: the inputs of the generator, or of the method.
      method: a method of the network to call instead, such as a synthesis from ``w``; its result is
        returned unchanged.
      key: for networks that draw random numbers when sampling, such as StyleGAN's noise.
    """
    now = scalars.bind(gan, state.scalars, state.step).generator
    made = now.network.apply(
        state.generator.variables(averaged=True), latents, labels, train=False, method=method,
        rngs=None if key is None else {"noise": key}, **(now.numbers or {}),
    )  # fmt: skip
    return made.x if isinstance(made, Fake) else made


def check_batch_norm(gan: Gan) -> None:
    """Refuses standing statistics of a generator without batch normalization, without compiling it.

    Raises:
      ConfigError: naming the network.
    """
    network = gan.generator.network

    def variables(key: Array) -> PyTree:
        now = scalars.bind(gan, scalars.encode(gan), jnp.int32(0)).generator
        inputs = gan.prior.draw(key, 2), jnp.zeros(2, jnp.int32)
        return network.init(key, *inputs, train=False, **(now.numbers or {}))

    if "batch_stats" not in jax.eval_shape(variables, jax.random.key(0)):
        raise ConfigError(
            "standing_statistics can only be used with a generator that has batch normalization, "
            f"not with {type(network).__module__.rpartition('.')[2]}."
        )


@functools.partial(jax.jit, static_argnames=("gan", "passes", "n"))
def with_standing_statistics(
    gan: Gan, state: GanState, key: Array, *, passes: int = 16, n: int = 64
) -> GanState:
    """A state to sample from, whose generator normalizes by standing statistics (Brock et al. 2019,
    section 3): the means over some batches of those of its batch normalizations, made by the
    weights that `generate` takes, in place of running averages from training.

    Args:
      gan, state: as for `train_step`.
      key: determines the latents, and the labels, all equally likely.
      passes, n: batches, and examples of each.

    Raises:
      ConfigError: for a generator without batch normalization.
    """
    now = scalars.bind(gan, state.scalars, state.step).generator
    variables = state.generator.variables(averaged=True)
    check_batch_norm(gan)
    nothing = jax.tree.map(jnp.zeros_like, variables["batch_stats"])
    statistics = [name for name in variables if name != "params"]

    def of_batch(key: Array) -> PyTree:
        latents_key, labels_key, noise_key = jax.random.split(key, 3)
        labels = jax.random.randint(labels_key, (n,), 0, max(gan.num_classes, 1))
        _, changed = now.network.apply(
            variables | {"batch_stats": nothing}, gan.prior.draw(latents_key, n), labels,
            train=True, mutable=statistics, rngs={"noise": noise_key}, **(now.numbers or {}),
        )  # fmt: skip
        return jax.tree.map(lambda a: a / (1 - MOMENTUM), changed["batch_stats"])

    each = jax.lax.map(of_batch, jax.random.split(key, passes))
    standing = {"batch_stats": jax.tree.map(lambda a: a.mean(0), each)}
    player = state.generator
    if player.average is not None:
        player = player.replace(average=player.average | standing)
    else:
        player = player.replace(stats=player.stats | standing)
    return state.replace(generator=player)


@functools.partial(jax.jit, static_argnames=("gan", "averaged"))
def discriminate(
    gan: Gan, state: GanState, x: PyTree, labels: PyTree, *, averaged: bool = False
) -> Critique:
    """D's critique of examples, as stored or as networks see them, without augmentation.

    ``averaged``: use the EMA weights, if they are kept.
    """
    now = scalars.bind(gan, state.scalars, state.step).discriminator
    variables = state.discriminator.variables(averaged)
    x = gan.modality.to_network(x)
    return now.network.apply(variables, x, labels, train=False, **(now.numbers or {}))
