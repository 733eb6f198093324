"""The training step: generate, discriminate, update D (``d_steps`` times), update G - Goodfellow et al. 2014, algorithm 1.

`train_step` is a pure function of a frozen `Gan`, a state and a batch. The step number is folded into a constant key, so nothing
random is carried along and a resumed run repeats an uninterrupted one bit by bit.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.config import ConfigError
from gan_jax.data import Resident, batch_at
from gan_jax.gan import Gan
from gan_jax.parallel import Placement
from gan_jax.types import Array, Batch, Critique, DContext, GanState, GContext, Metrics, Player, PyTree, Term, TermState

EMA_WARM_UP = 0.05
"""The moving average's half-life is at most this share of the images seen, so that early weights fade early."""


@functools.partial(jax.jit, static_argnames=("gan", "axis_name", "placement"), donate_argnames="state")
def train_step(
    gan: Gan, state: GanState, batch: Batch, axis_name: str | None = None, placement: Placement | None = None
) -> tuple[GanState, Metrics]:
    """Updates the discriminator once for each minibatch of ``batch``, then the generator once.

    With ``gan.micro_batches`` above 1, each minibatch is differentiated in parts, one after the other, and the gradients are
    averaged: the update is that of the whole minibatch for networks without batch norm. Batch norm normalizes over a part, and
    its statistics, like the terms' memories, are updated part after part.

    Args:
      gan: static; equal values share one compilation.
      state: donated: the caller goes on with the one returned.
      batch: ``x [d_steps, b, h, w, c]`` uint8, or float32 in [-1, 1]; ``y [d_steps, b]`` int32.
      axis_name: name of the ``pmap`` axis over whose devices the batch is split, if any. Gradients and metrics are then
        averaged, batch norm is synchronized, and latents are those of the whole batch, so the result is that of one device.
      placement: where the new state shall lie; by default the compiler's choice, which for a replicated state is replicated.

    Returns:
      The new state, and the means over the batch of ``{d,g}/loss``, ``d/score_{real,fake}`` and ``{d,g}/TERM`` (as last
      evaluated, unweighted), each ``()`` float32.
    """
    return _train_step(gan, state, batch, axis_name, placement)


@functools.partial(jax.jit, static_argnames=("gan", "placement"), donate_argnames="state")
def train_steps(
    gan: Gan, state: GanState, data: Resident, n: int, placement: Placement | None = None
) -> tuple[GanState, Metrics]:
    """``n`` steps in one call of one compiled loop, whatever ``n``, on a training set that lies on the device.

    Args:
      gan, state: as for `train_step`.
      data: from `gan_jax.resident`; step ``i`` takes batch ``i``, the one that `gan_jax.batches` yields.
      n: number of steps, at least 1; an argument of the compiled function, so that another one does not recompile.
      placement: as for `train_step`.

    Returns:
      The state that ``n`` calls of `train_step` give, and the means of their metrics over the ``n`` steps, ``()`` float32:
      not finite if any was not.
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
    key = jax.random.fold_in(state.key, state.step)
    batch = Batch(to_float(batch.x), batch.y)
    d_steps = batch.x.shape[0]

    def update_d(carry, inputs):
        i, real = inputs
        return _update_d(
            gan, state.generator, *carry, real, jax.random.fold_in(key, i), state.step * d_steps + i, axis_name
        )

    (discriminator, d_terms), d_metrics = jax.lax.scan(
        update_d, (state.discriminator, state.terms["d"]), (jnp.arange(d_steps), batch), unroll=d_steps == 1
    )
    (generator, g_terms), g_metrics = _update_g(
        gan,
        state.generator,
        discriminator,
        state.terms["g"],
        jax.tree.map(lambda a: a[-1], batch),
        jax.random.fold_in(key, d_steps),
        state.step,
        axis_name,
    )
    state = GanState(
        step=state.step + 1,
        key=state.key,
        generator=generator,
        discriminator=discriminator,
        ema=_moving_average(gan.ema, state, generator, batch.x.shape[1] * _devices(axis_name)),
        terms={"d": d_terms, "g": g_terms},
    )
    if placement is not None:
        state = placement.constrain(state)
    return state, jax.tree.map(jnp.mean, d_metrics) | g_metrics


def _update_d(gan, generator: Player, discriminator: Player, terms, real: Batch, key, count, axis_name):
    """One update of D on a real minibatch and as many fakes with the same labels."""

    def objective(params, stats, terms, z, real, key):
        noise_key, term_key = jax.random.fold_in(key, 1), jax.random.fold_in(key, 2)
        fake = Batch(_generate(gan, generator.params, generator.stats, z, real.y, noise_key)[0], real.y)
        critiques, new_stats = _criticize(gan, params, stats, real, fake, noise_key)
        context = DContext(
            _probe(gan, params, stats, noise_key),
            lambda z, y: _generate(gan, generator.params, generator.stats, z, y, noise_key)[0],
            params, z, real, fake, *critiques, term_key,
        )  # fmt: skip
        loss = jnp.mean(gan.loss.d(critiques[0].score, critiques[1].score))
        penalty, terms = _penalize(gan.d_terms, terms, context, count)
        metrics = {"d/loss": loss, "d/score_real": critiques[0].score.mean(), "d/score_fake": critiques[1].score.mean()}
        return loss + penalty, (new_stats, terms, metrics | _values("d", terms))

    return _updated(gan, "d", gan.d_optimizer, objective, discriminator, terms, real, key, axis_name)


def _update_g(gan, generator: Player, discriminator: Player, terms, real: Batch, key, count, axis_name):
    """One update of G on fresh fakes. D also sees the real batch; where the loss ignores that score, the compiler drops it."""

    def objective(params, stats, terms, z, real, key):
        noise_key, term_key = jax.random.fold_in(key, 1), jax.random.fold_in(key, 2)
        x, new_stats = _generate(gan, params, stats, z, real.y, noise_key)
        fake = Batch(x, real.y)
        critiques, _ = _criticize(gan, discriminator.params, discriminator.stats, real, fake, noise_key)
        context = GContext(
            _probe(gan, discriminator.params, discriminator.stats, noise_key),
            lambda z, y: _generate(gan, params, stats, z, y, noise_key)[0],
            params, z, real, fake, *critiques, term_key,
        )  # fmt: skip
        loss = jnp.mean(gan.loss.g(critiques[0].score, critiques[1].score))
        penalty, terms = _penalize(gan.g_terms, terms, context, count)
        return loss + penalty, (new_stats, terms, {"g/loss": loss} | _values("g", terms))

    return _updated(gan, "g", gan.g_optimizer, objective, generator, terms, real, key, axis_name)


def _updated(gan, name, optimizer, objective, player: Player, terms, real: Batch, key, axis_name):
    """The player after a step of its optimizer on its objective, its terms' states, and metrics: means over the whole batch."""
    z = _latents(gan, jax.random.fold_in(key, 0), len(real.y), axis_name)
    gradients, stats, terms, metrics = _gradients(
        gan.micro_batches, objective, player.params, player.stats, terms, (z, real), key
    )
    gradients, metrics = _mean(gradients, axis_name), _mean(metrics, axis_name)
    updates, opt_state = optimizer.update(gradients, player.opt_state, player.params)
    terms = {term: state.replace(value=metrics[f"{name}/{term}"]) for term, state in terms.items()}
    return (Player(optax.apply_updates(player.params, updates), stats, opt_state), terms), metrics


def _gradients(micro_batches: int, objective, params, stats, terms, batch, key):
    """Gradients and metrics of ``objective(params, stats, terms, *part, key)``, averaged over the parts of a minibatch.

    One part is differentiated at a time, so that a part's activations are all that memory must hold. Losses and penalties are
    means over examples, hence these averages are those of the whole minibatch; statistics and the terms' memories are updated part after
    part. A part takes every ``micro_batches``-th example, so that every device keeps its own.
    """
    gradient = jax.grad(objective, has_aux=True)
    if micro_batches == 1:
        gradients, (stats, terms, metrics) = gradient(params, stats, terms, *batch, key)
        return gradients, stats, terms, metrics

    def step(carry, inputs):
        total, stats, terms = carry
        i, part = inputs
        gradients, (stats, terms, metrics) = gradient(params, stats, terms, *part, jax.random.fold_in(key, i))
        return (jax.tree.map(jnp.add, total, gradients), stats, terms), metrics

    carry = jax.tree.map(jnp.zeros_like, params), stats, terms
    parts = jnp.arange(micro_batches), jax.tree.map(lambda a: _divide(a, micro_batches), batch)
    (total, stats, terms), metrics = jax.lax.scan(step, carry, parts)
    return jax.tree.map(lambda a: a / micro_batches, total), stats, terms, jax.tree.map(lambda a: a.mean(0), metrics)


def _divide(a: Array, parts: int) -> Array:
    """``[b, ...]`` -> ``[parts, b / parts, ...]``."""
    if len(a) % parts:
        raise ConfigError(
            f"micro_batches: a minibatch of {len(a)} is not divisible into {parts}; accepted: a divisor of {len(a)}."
        )
    return jnp.moveaxis(a.reshape(len(a) // parts, parts, *a.shape[1:]), 1, 0)


def _generate(gan: Gan, params, stats, z: Array, y: Array, key) -> tuple[Array, PyTree]:
    """Images in training mode and G's new statistics."""
    return gan.generator.apply({"params": params, **stats}, z, y, train=True, mutable=list(stats), rngs={"noise": key})


def _discriminate(gan: Gan, params, stats, batch: Batch, key) -> tuple[Critique, PyTree]:
    """A critique in training mode and D's new statistics."""
    return gan.discriminator.apply(
        {"params": params, **stats}, batch.x, batch.y, train=True, mutable=list(stats), rngs={"noise": key}
    )


def _criticize(gan: Gan, params, stats, real: Batch, fake: Batch, key) -> tuple[tuple[Critique, Critique], PyTree]:
    """Critiques of a real and a fake minibatch, passed through D together or apart, and D's new statistics."""
    if gan.joint:
        both, stats = _discriminate(gan, params, stats, jax.tree.map(lambda *a: jnp.concatenate(a), real, fake), key)
        return tuple(jax.tree.map(lambda a: jnp.split(a, 2)[i], both) for i in (0, 1)), stats
    real_critique, stats = _discriminate(gan, params, stats, real, jax.random.fold_in(key, 0))
    fake_critique, stats = _discriminate(gan, params, stats, fake, jax.random.fold_in(key, 1))
    return (real_critique, fake_critique), stats


def _probe(gan: Gan, params, stats, key) -> Callable[[Array, Array], Critique]:
    """D as regularizers see it: ``(x, y) -> Critique``."""
    return lambda x, y: _discriminate(gan, params, stats, Batch(x, y), key)[0]


def _penalize(terms: tuple[Term, ...], states: dict[str, TermState], context, count: Array):
    """The weighted sum of all terms that are due at update number ``count``, and the terms' new states."""
    total, new_states = jnp.zeros(()), {}
    for i, term in enumerate(terms):
        own = dataclasses.replace(context, key=jax.random.fold_in(context.key, i))

        def evaluate(state, term=term, own=own):
            penalty, memory = term.regularizer.apply(state.memory, own)
            value = jnp.mean(penalty)
            return term.weight * term.every * value, jax.lax.stop_gradient(TermState(memory, value))

        def skip(state):
            return jnp.zeros(()), state

        if term.every == 1:
            penalty, new_states[term.name] = evaluate(states[term.name])
        else:
            penalty, new_states[term.name] = jax.lax.cond(count % term.every == 0, evaluate, skip, states[term.name])
        total += penalty
    return total, new_states


def _values(player: str, states: dict[str, TermState]) -> Metrics:
    return {f"{player}/{name}": state.value for name, state in states.items()}


def _latents(gan: Gan, key, b: int, axis_name) -> Array:
    """``[b, latents]`` from N(0, 1): this device's rows of those drawn for the whole batch."""
    z = jax.random.normal(key, (b * _devices(axis_name), gan.latents))
    return z if axis_name is None else jax.lax.dynamic_slice_in_dim(z, jax.lax.axis_index(axis_name) * b, b)


def _moving_average(half_life: float, state: GanState, generator: Player, images: int) -> PyTree:
    """The average after ``images`` more images: ``0.5^(images / half-life)`` of the old one, the rest of the new weights."""
    if state.ema is None:
        return None
    seen = (state.step + 1) * jnp.float32(images)
    keep = 0.5 ** (images / jnp.minimum(half_life, EMA_WARM_UP * seen))
    return jax.tree.map(
        lambda old, new: keep * old + (1 - keep) * new, state.ema, {"params": generator.params, **generator.stats}
    )


def _synchronized(gan: Gan, axis_name: str | None) -> Gan:
    """The same GAN with its networks told the axis over which to normalize."""

    def tell(module: nn.Module) -> nn.Module:
        return module.clone(axis_name=axis_name) if hasattr(module, "axis_name") else module

    if axis_name is None:
        return gan
    return dataclasses.replace(gan, generator=tell(gan.generator), discriminator=tell(gan.discriminator))


def _devices(axis_name) -> int:
    return 1 if axis_name is None else jax.lax.axis_size(axis_name)


def _mean(tree: PyTree, axis_name) -> PyTree:
    return tree if axis_name is None else jax.lax.pmean(tree, axis_name)


def to_float(x: Array) -> Array:
    """uint8 in [0, 255] -> float32 in [-1, 1]; anything else is returned as it is."""
    return x.astype(jnp.float32) / 127.5 - 1 if x.dtype == jnp.uint8 else x


def sample(gan: Gan, state: GanState, key: Array, labels: Array | None = None, *, n: int | None = None) -> Array:
    """Images from the generator's moving average (from its weights, where no average is kept).

    Args:
      gan, state: as for `train_step`.
      key: determines the latents.
      labels: ``[n]`` int32, what a conditional GAN shall draw.
      n: number of images, instead of labels; a conditional GAN then takes its classes in turn.

    Returns:
      ``[n, h, w, c]`` float32 in [-1, 1].

    Raises:
      ConfigError: for labels given to an unconditional GAN, labels outside its classes, or neither labels nor ``n``.
    """
    if (labels is None) == (n is None):
        raise ConfigError("sample: give either labels or n.")
    if labels is None:
        labels = jnp.arange(n, dtype=jnp.int32) % max(gan.num_classes, 1)
    elif not gan.num_classes:
        raise ConfigError("sample: labels were given, but this GAN is unconditional; give n instead.")
    elif not isinstance(labels, jax.core.Tracer) and not np.all(
        (np.asarray(labels) >= 0) & (np.asarray(labels) < gan.num_classes)
    ):
        raise ConfigError(f"sample: labels must lie in [0, {gan.num_classes}).")
    labels = jnp.asarray(labels, jnp.int32)
    return generate(gan, state, jax.random.normal(key, (len(labels), gan.latents)), labels)


@functools.partial(jax.jit, static_argnames="gan")
def generate(gan: Gan, state: GanState, latents: Array, labels: Array) -> Array:
    """Images of given latents ``[n, gan.latents]`` and labels ``[n]``, from the moving average, as `sample` draws them."""
    variables = state.ema
    if variables is None:
        variables = {"params": state.generator.params, **state.generator.stats}
    return gan.generator.apply(variables, latents, labels, train=False)
