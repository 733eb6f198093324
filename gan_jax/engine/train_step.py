"""The training step: generate, discriminate, update D (``d_steps`` times), update G - Goodfellow et
al. 2014, algorithm 1.

`train_step` is a pure function of a frozen `Gan`, a state and a batch. The step number is folded
into a constant key, so nothing random is carried along and a resumed run repeats an uninterrupted
one bit by bit.
"""

from __future__ import annotations

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.data import Resident, batch_at
from gan_jax.devices.parallel import Placement
from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan, transformation
from gan_jax.engine.objectives import (
    Update,
    both_gradients,
    d_gradients,
    devices,
    g_gradients,
    mean_over_devices,
)
from gan_jax.errors import ConfigError
from gan_jax.modality import to_float
from gan_jax.types import Array, Batch, GanState, Gradients, Metrics, Player, Point, PyTree

EMA_WARM_UP = 0.05
"""The moving average's half-life is at most this share of the images seen, so that early weights
fade early.
"""


@functools.partial(
    jax.jit, static_argnames=("gan", "axis_name", "placement"), donate_argnames="state"
)
def train_step(
    gan: Gan,
    state: GanState,
    batch: Batch,
    axis_name: str | None = None,
    placement: Placement | None = None,
) -> tuple[GanState, Metrics]:
    """Updates the discriminator once for each minibatch of ``batch``, then the generator once.

    With ``gan.micro_batches`` above 1, each minibatch is differentiated in parts, one after the
    other, and the gradients are averaged: the update is that of the whole minibatch for networks
    without batch norm. Batch norm normalizes over a part, and its statistics, like the terms'
    memories, are updated part after part.

    Args:
      gan: static; equal values share one compilation.
      state: donated: the caller goes on with the one returned.
      batch: ``x [d_steps, b, *shape]``, images uint8 or float32 in [-1, 1], vectors float32; ``y
        [d_steps, b]`` int32.
      axis_name: name of the ``pmap`` axis over whose devices the batch is split, if any. Gradients
        and metrics are then averaged, batch norm is synchronized, and latents are those of the
        whole batch, so the result is that of one device.
      placement: where the new state shall lie; by default the compiler's choice, which for a
        replicated state is replicated.

    Returns:
      The new state, and the means over the batch of ``{d,g}/loss``, ``d/score_{real,fake}`` and
      ``{d,g}/TERM`` (as last evaluated, unweighted), each ``()`` float32.
    """
    return _train_step(gan, state, batch, axis_name, placement)


@functools.partial(jax.jit, static_argnames=("gan", "placement"), donate_argnames="state")
def train_steps(
    gan: Gan, state: GanState, data: Resident, n: int, placement: Placement | None = None
) -> tuple[GanState, Metrics]:
    """``n`` steps in one call of one compiled loop, whatever ``n``, on a training set that lies on
    the device.

    Args:
      gan, state: as for `train_step`.
      data: from `gan_jax.resident`; step ``i`` takes batch ``i``, the one that `gan_jax.batches`
        yields.
      n: number of steps, at least 1; an argument of the compiled function, so that another one does
        not recompile.
      placement: as for `train_step`.

    Returns:
      The state that ``n`` calls of `train_step` give, and the means of their metrics over the ``n``
      steps, ``()`` float32: not finite if any was not.
    """

    def step(_, carry):
        state, sums = carry
        state, metrics = _train_step(gan, state, batch_at(data, state.step), None, placement)
        return state, jax.tree.map(jnp.add, sums, metrics)

    metrics = jax.eval_shape(
        lambda state: _train_step(gan, state, batch_at(data, state.step), None, placement)[1], state
    )
    zeros = jax.tree.map(lambda m: jnp.zeros(m.shape, m.dtype), metrics)
    state, sums = jax.lax.fori_loop(0, n, step, (state, zeros))
    if placement is not None:  # what leaves the loop is the compiler's choice again
        state = placement.constrain(state)
    return state, jax.tree.map(lambda total: total / n, sums)


def _train_step(
    gan: Gan, state: GanState, batch: Batch, axis_name: str | None, placement: Placement | None
) -> tuple[GanState, Metrics]:
    gan = _synchronized(gan, axis_name)
    now = scalars.values(state.scalars, state.step)
    key = jax.random.fold_in(state.key, state.step)
    batch = Batch(to_float(batch.x), batch.y)
    d_steps = batch.x.shape[0]
    update = lambda i, real: Update(
        gan, now, real, jax.random.fold_in(key, i), state.step * d_steps + i, state.step, axis_name
    )

    # D learns first, from one minibatch after the other; of players that move at once, the last one
    # is left to both.
    def update_d(carry, inputs):
        return _update_d(update(*inputs), *carry)

    alone = d_steps if gan.dynamics is None else d_steps - 1
    inputs = jax.tree.map(lambda a: a[:alone], (jnp.arange(d_steps), batch))
    carry = Point(state.generator, state.discriminator), state.terms
    if alone:
        carry, d_metrics = jax.lax.scan(update_d, carry, inputs, unroll=alone == 1)
    last = jax.tree.map(lambda a: a[-1], batch)
    if gan.dynamics is None:
        (generator, discriminator), terms, metrics = _update_g(update(d_steps, last), *carry)
        metrics = jax.tree.map(jnp.mean, d_metrics) | metrics
    else:
        (generator, discriminator), terms, metrics = _update_both(update(d_steps - 1, last), *carry)
        if alone:
            metrics |= {
                name: (values.sum(0) + metrics[name]) / d_steps
                for name, values in d_metrics.items()
            }

    if gan.lookahead:
        slow, generator, discriminator = _look_ahead(gan, now, state, generator, discriminator)
    images = batch.x.shape[1] * devices(axis_name)
    state = GanState(
        step=state.step + 1,
        key=state.key,
        generator=generator,
        discriminator=discriminator,
        ema=state.ema and _moving_average(now["ema"], state.ema, state.step, generator, images),
        d_ema=state.d_ema
        and _moving_average(now["d_ema"], state.d_ema, state.step, discriminator, images),
        terms=terms,
        scalars=state.scalars,
        slow=slow if gan.lookahead else None,
    )
    if placement is not None:
        state = placement.constrain(state)
    return state, metrics


def _update_d(update: Update, point: Point, terms) -> tuple[tuple[Point, PyTree], Metrics]:
    """One update of D on one minibatch."""
    gradients, computed = d_gradients(update, point, terms)
    discriminator = _moved_d(update, point.discriminator, point.discriminator, gradients)
    return (
        point._replace(discriminator=discriminator.replace(stats=computed.d_stats)),
        computed.terms,
    ), computed.metrics


def _update_g(update: Update, point: Point, terms) -> tuple[Point, PyTree, Metrics]:
    """One update of G."""
    gradients, computed = g_gradients(update, point, terms)
    generator = _moved_g(update, point.generator, point.generator, gradients)
    return (
        point._replace(generator=generator.replace(stats=computed.g_stats)),
        computed.terms,
        computed.metrics,
    )


def _update_both(update: Update, point: Point, terms) -> tuple[Point, PyTree, Metrics]:
    """One update of both players on the same minibatch, by the GAN's dynamics."""

    point, computed = update.gan.dynamics.step(
        lambda point: both_gradients(update, point, terms),
        functools.partial(moved, update),
        point,
        **update.values["dynamics"],
    )
    generator, discriminator = point
    point = Point(
        generator.replace(stats=computed.g_stats), discriminator.replace(stats=computed.d_stats)
    )
    return point, computed.terms, computed.metrics


def moved(update: Update, origin: Point, last: Point, gradients: Gradients) -> Point:
    """The weights of ``origin`` after a step of both optimizers from their states at ``last``;
    statistics stay.
    """
    gradients = mean_over_devices(
        gradients, update.axis_name
    )  # what dynamics differentiate anew is a device's own
    return Point(
        _moved_g(update, origin.generator, last.generator, gradients.generator),
        _moved_d(update, origin.discriminator, last.discriminator, gradients.discriminator),
    )


def _moved_g(update: Update, origin: Player, last: Player, gradients) -> Player:
    """``origin`` after a step of its optimizer, from the optimizer's state at ``last``."""
    optimizer = transformation(update.gan.g_optimizer, update.values["g_optimizer"])
    updates, opt_state = optimizer.update(gradients, last.opt_state, origin.params)
    return origin.replace(params=optax.apply_updates(origin.params, updates), opt_state=opt_state)


def _moved_d(update: Update, origin: Player, last: Player, gradients) -> Player:
    """As `_moved_g`; then weights are clipped where a bound is set."""
    optimizer = transformation(update.gan.d_optimizer, update.values["d_optimizer"])
    updates, opt_state = optimizer.update(gradients, last.opt_state, origin.params)
    params = optax.apply_updates(origin.params, updates)
    if "clip" in update.values:
        bound = update.values["clip"]
        params = jax.tree.map(lambda w: jnp.clip(w, -bound, bound), params)
    return origin.replace(params=params, opt_state=opt_state)


def _look_ahead(gan: Gan, now, state: GanState, generator: Player, discriminator: Player):
    """Every so many steps both players go back towards where the last lookahead left them
    (Chavdarova et al. 2021, algorithm 1).
    """

    def back(slow: Gradients, fast: Gradients):
        kept = jax.tree.map(lambda s, f: s + now["lookahead_rate"] * (f - s), slow, fast)
        return kept, kept

    fast = Gradients(generator.params, discriminator.params)
    due = (state.step + 1) % gan.lookahead == 0
    slow, fast = jax.lax.cond(due, back, lambda slow, fast: (slow, fast), state.slow, fast)
    return (
        slow,
        generator.replace(params=fast.generator),
        discriminator.replace(params=fast.discriminator),
    )


def _moving_average(
    half_life: Array, average: PyTree, step: Array, player: Player, images: int
) -> PyTree:
    """The average after ``images`` more images: ``0.5^(images / half-life)`` of the old one, the
    rest of the new weights.
    """
    seen = (step + 1) * jnp.float32(images)
    half_life = jnp.maximum(
        jnp.minimum(half_life, EMA_WARM_UP * seen), 1e-9
    )  # one that starts at 0 keeps nothing
    keep = 0.5 ** (images / half_life)
    return jax.tree.map(
        lambda old, new: keep * old + (1 - keep) * new,
        average,
        {"params": player.params, **player.stats},
    )


def _synchronized(gan: Gan, axis_name: str | None) -> Gan:
    """The same GAN with its networks told the axis over which to normalize."""

    def tell(module: nn.Module) -> nn.Module:
        return module.clone(axis_name=axis_name) if hasattr(module, "axis_name") else module

    if axis_name is None:
        return gan
    return dataclasses.replace(
        gan, generator=tell(gan.generator), discriminator=tell(gan.discriminator)
    )


def sample(
    gan: Gan, state: GanState, key: Array, labels: Array | None = None, *, n: int | None = None
) -> Array:
    """Images from the generator's moving average (from its weights, where no average is kept).

    Args:
      gan, state: as for `train_step`.
      key: determines the latents.
      labels: ``[n]`` int32, what a conditional GAN shall draw.
      n: number of images, instead of labels; a conditional GAN then takes its classes in turn.

    Returns:
      ``[n, *shape]`` float32, images in [-1, 1].

    Raises:
      ConfigError: for labels given to an unconditional GAN, labels outside its classes, or neither
        labels nor ``n``.
    """
    if (labels is None) == (n is None):
        raise ConfigError("sample: give either labels or n.")
    if labels is None:
        labels = jnp.arange(n, dtype=jnp.int32) % max(gan.num_classes, 1)
    elif not gan.num_classes:
        raise ConfigError(
            "sample: labels were given, but this GAN is unconditional; give n instead."
        )
    elif not isinstance(labels, jax.core.Tracer) and not np.all(
        (np.asarray(labels) >= 0) & (np.asarray(labels) < gan.num_classes)
    ):
        raise ConfigError(f"sample: labels must lie in [0, {gan.num_classes}).")
    labels = jnp.asarray(labels, jnp.int32)
    return generate(gan, state, jax.random.normal(key, (len(labels), gan.latents)), labels)


@functools.partial(jax.jit, static_argnames="gan")
def generate(gan: Gan, state: GanState, latents: Array, labels: Array) -> Array:
    """Images of given latents ``[n, gan.latents]`` and labels ``[n]``, from the moving average, as
    `sample` draws them.
    """
    variables = state.ema
    if variables is None:
        variables = {"params": state.generator.params, **state.generator.stats}
    return gan.generator.apply(variables, latents, labels, train=False)
