"""The objectives of both players on one minibatch, and their gradients.

An `Update` holds what is fixed while one minibatch is worked on; the functions below give the
gradients of D's objective, of G's, or of both from one forward pass, with all that was computed on
the way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError
from gan_jax.types import (
    Array,
    Batch,
    Critique,
    DContext,
    GContext,
    Gradients,
    Metrics,
    Point,
    PyTree,
    Term,
    TermState,
)


class Update(NamedTuple):
    """One minibatch: the GAN, its numbers now, the examples, a key, and the number of updates of D
    and of G before this one.
    """

    gan: Gan
    values: dict[str, Any]
    real: Batch
    key: Array
    d_count: Array
    g_count: Array
    axis_name: str | None


class Computed(NamedTuple):
    """What came along with the gradients; None, or without entries, where a player did not take
    part.

    ``g_stats``, ``d_stats``: new statistics of the networks; ``terms``: as in `GanState`;
    ``metrics``: means over the minibatch.
    """

    g_stats: PyTree
    d_stats: PyTree
    terms: dict[str, dict[str, TermState]]
    metrics: Metrics


class _Part(NamedTuple):
    """Latents, examples and a key of one micro-batch, with the statistics and terms that it starts
    from.
    """

    z: Array
    real: Batch
    key: Array
    g_stats: PyTree
    d_stats: PyTree
    terms: dict[str, dict[str, TermState]]


def d_gradients(update: Update, point: Point, terms) -> tuple[PyTree, Computed]:
    """Gradients of D's objective: on the real minibatch and as many fakes with the same labels."""

    def gradients(part: _Part):
        def objective(params):
            fake, _ = _fakes(update, point.generator.params, part)
            loss, d_stats, d_terms, metrics = _d_objective(
                update, point.generator.params, params, part, fake
            )
            return loss, Computed(part.g_stats, d_stats, part.terms | {"d": d_terms}, metrics)

        return jax.grad(objective, has_aux=True)(point.discriminator.params)

    return _accumulated(update, point, terms, gradients)


def g_gradients(update: Update, point: Point, terms) -> tuple[PyTree, Computed]:
    """Gradients of G's objective, on fresh fakes. D also sees the real batch; where the loss
    ignores that score, the compiler drops it.
    """

    def gradients(part: _Part):
        def objective(params):
            fake, g_stats = _fakes(update, params, part)
            loss, g_terms, metrics = _g_objective(
                update, params, point.discriminator.params, part, fake
            )
            return loss, Computed(g_stats, part.d_stats, part.terms | {"g": g_terms}, metrics)

        return jax.grad(objective, has_aux=True)(point.generator.params)

    return _accumulated(update, point, terms, gradients)


def both_gradients(update: Update, point: Point, terms) -> tuple[Gradients, Computed]:
    """Gradients of both objectives, on the same fakes and from one forward pass through G and D:
    two cotangents of it.
    """

    def gradients(part: _Part):
        def objectives(g_params, d_params):
            fake, g_stats = _fakes(update, g_params, part)
            critiques, d_stats = _criticize(
                update, d_params, part.d_stats, part.real, fake, part.key
            )
            d_loss, _, d_terms, d_metrics = _d_objective(
                update, g_params, d_params, part, fake, (critiques, d_stats)
            )
            g_loss, g_terms, g_metrics = _g_objective(
                update, g_params, d_params, part, fake, critiques
            )
            return (d_loss, g_loss), Computed(
                g_stats, d_stats, {"d": d_terms, "g": g_terms}, d_metrics | g_metrics
            )

        _, pull, computed = jax.vjp(
            objectives, point.generator.params, point.discriminator.params, has_aux=True
        )
        one, zero = jnp.ones(()), jnp.zeros(())
        return Gradients(pull((zero, one))[0], pull((one, zero))[1]), computed

    return _accumulated(update, point, terms, gradients)


def scores(
    update: Update, point: Point, held_out: Batch | None
) -> tuple[Array, Array, Array, Array | None]:
    """Fakes ``[b, ...]`` and the scores ``[b]`` of real and fake examples, as both objectives see
    them.

    Last come the scores of a held-out minibatch in the place of the real one, beside the same
    fakes; None without one.
    """
    parts = update.gan.micro_batches
    z = latents(update.gan, jax.random.fold_in(update.key, 0), len(update.real.y), update.axis_name)
    start = point.generator.stats, point.discriminator.stats, {}

    def judge(z, real, held_out, key):
        part = _Part(z, real, key, *start)
        fake, _ = _fakes(update, point.generator.params, part)
        see = lambda batch: _criticize(
            update, point.discriminator.params, part.d_stats, batch, fake, key
        )[0]
        real_critique, fake_critique = see(real)
        return fake.x, real_critique.score, fake_critique.score, held_out and see(held_out)[0].score

    if parts == 1:
        return judge(z, update.real, held_out, update.key)
    keys = jax.vmap(lambda i: jax.random.fold_in(update.key, i))(jnp.arange(parts))
    divided = jax.tree.map(lambda a: _divide(a, parts), (z, update.real, held_out))
    judged = jax.lax.map(lambda inputs: judge(*inputs), (*divided, keys))
    return jax.tree.map(lambda a: jnp.moveaxis(a, 0, 1).reshape(-1, *a.shape[2:]), judged)


def _d_objective(update: Update, g_params, params, part: _Part, fake: Batch, seen=None):
    """D's loss with its penalties, D's new statistics, its terms and metrics; ``seen``: what
    `_criticize` gave, if it was called.
    """
    gan = update.gan
    noise_key, term_key = jax.random.fold_in(part.key, 1), jax.random.fold_in(part.key, 2)
    critiques, stats = seen or _criticize(update, params, part.d_stats, part.real, fake, part.key)
    context = DContext(
        _probe(update, params, part.d_stats, noise_key),
        lambda z, y: generate(gan, g_params, part.g_stats, z, y, noise_key)[0],
        params, part.z, part.real, fake, *critiques, term_key,
    )  # fmt: skip
    loss = jnp.mean(gan.loss.d(critiques[0].score, critiques[1].score))
    penalty, terms = _penalize(
        gan.d_terms, update.values["d_terms"], part.terms["d"], context, update.d_count
    )
    metrics = {
        "d/loss": loss,
        "d/score_real": critiques[0].score.mean(),
        "d/score_fake": critiques[1].score.mean(),
    }
    return loss + penalty, stats, terms, metrics | _term_values("d", terms)


def _g_objective(update: Update, params, d_params, part: _Part, fake: Batch, critiques=None):
    """G's loss with its penalties, its terms and metrics; ``critiques``: of D, if it was asked."""
    gan = update.gan
    noise_key, term_key = jax.random.fold_in(part.key, 1), jax.random.fold_in(part.key, 2)
    critiques = (
        critiques or _criticize(update, d_params, part.d_stats, part.real, fake, part.key)[0]
    )
    context = GContext(
        _probe(update, d_params, part.d_stats, noise_key),
        lambda z, y: generate(gan, params, part.g_stats, z, y, noise_key)[0],
        params, part.z, part.real, fake, *critiques, term_key,
    )  # fmt: skip
    losses = gan.loss.g(critiques[0].score, critiques[1].score)
    if "top_k" in update.values:
        losses = losses * _top(critiques[1].score, update.values["top_k"])
    loss = jnp.mean(losses)
    weighted = update.values["g_loss_weight"] * loss if "g_loss_weight" in update.values else loss
    penalty, terms = _penalize(
        gan.g_terms, update.values["g_terms"], part.terms["g"], context, update.g_count
    )
    return weighted + penalty, terms, {"g/loss": loss} | _term_values("g", terms)


def _top(scores: Array, share: Array) -> Array:
    """Weights ``[b]`` with mean 1 on the share of the fakes with the highest scores, 0 elsewhere
    (Sinha et al. 2020, equation 4).
    """
    b = len(scores)
    k = jnp.clip(jnp.round(share * b), 1, b)
    rank = jnp.argsort(jnp.argsort(-jax.lax.stop_gradient(scores)))
    return jnp.where(rank < k, b / k, 0.0)


def _accumulated(
    update: Update, point: Point, terms, gradients: Callable[[_Part], tuple[PyTree, Computed]]
):
    """``gradients`` of the minibatch, part after part, averaged, and averaged over the devices.

    One part is differentiated at a time, so that a part's activations are all that memory must
    hold. Losses and penalties are means over examples, hence these averages are those of the whole
    minibatch; statistics and the terms' memories are updated part after part. A part takes every
    ``micro_batches``-th example, so that every device keeps its own.
    """
    parts = update.gan.micro_batches
    z = latents(update.gan, jax.random.fold_in(update.key, 0), len(update.real.y), update.axis_name)
    start = point.generator.stats, point.discriminator.stats, terms
    if parts == 1:
        total, computed = gradients(_Part(z, update.real, update.key, *start))
    else:

        def step(carry, inputs):
            i, (z, real) = inputs
            new, computed = gradients(_Part(z, real, jax.random.fold_in(update.key, i), *carry[1:]))
            total = jax.tree.map(lambda a, b: a + b / parts, carry[0], new)
            return (total, *computed[:3]), computed.metrics

        divided = jax.tree.map(lambda a: _divide(a, parts), (z, update.real))
        first = _Part(*jax.tree.map(lambda a: a[0], divided), update.key, *start)
        zeros = jax.tree.map(
            lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(gradients, first)[0]
        )
        (total, *stats, terms), metrics = jax.lax.scan(
            step, (zeros, *start), (jnp.arange(parts), divided)
        )
        metrics = jax.tree.map(lambda a: a.mean(0), metrics)
        computed = Computed(*stats, _with_values(terms, metrics), metrics)
    total, new_terms, metrics = mean_over_devices(
        (total, computed.terms, computed.metrics), update.axis_name
    )
    return total, computed._replace(terms=new_terms, metrics=metrics)


def _with_values(terms, metrics: Metrics):
    """Terms whose values are those of the whole minibatch."""
    return {
        player: {
            name: s.replace(value=metrics.get(f"{player}/{name}", s.value))
            for name, s in states.items()
        }
        for player, states in terms.items()
    }


def _divide(a: Array, parts: int) -> Array:
    """``[b, ...]`` -> ``[parts, b / parts, ...]``."""
    if len(a) % parts:
        raise ConfigError(
            f"micro_batches: a minibatch of {len(a)} is not divisible into {parts}; accepted: a divisor of {len(a)}."
        )
    return jnp.moveaxis(a.reshape(len(a) // parts, parts, *a.shape[1:]), 1, 0)


def generate(gan: Gan, params, stats, z: Array, y: Array, key) -> tuple[Array, PyTree]:
    """Examples in training mode and G's new statistics."""
    return gan.generator.apply(
        {"params": params, **stats}, z, y, train=True, mutable=list(stats), rngs={"noise": key}
    )


def _fakes(update: Update, params, part: _Part) -> tuple[Batch, PyTree]:
    """A fake for each real example, with its label, and G's new statistics."""
    x, stats = generate(
        update.gan, params, part.g_stats, part.z, part.real.y, jax.random.fold_in(part.key, 1)
    )
    return Batch(x, part.real.y), stats


def _discriminate(update: Update, params, stats, batch: Batch, key) -> tuple[Critique, PyTree]:
    """A critique in training mode, after the augmentations, and D's new statistics."""
    gan, x = update.gan, batch.x
    for i, augment in enumerate(gan.augments):
        x = augment.apply(jax.random.fold_in(key, i), x, update.values["augments"][augment.name])
    return gan.discriminator.apply(
        {"params": params, **stats},
        x,
        batch.y,
        train=True,
        mutable=list(stats),
        rngs={"noise": key},
    )


def _criticize(
    update: Update, params, stats, real: Batch, fake: Batch, key
) -> tuple[tuple[Critique, Critique], PyTree]:
    """Critiques of a real and a fake minibatch, passed through D together or apart, and D's new
    statistics.
    """
    key = jax.random.fold_in(key, 1)
    if update.gan.joint:
        both = jax.tree.map(lambda *a: jnp.concatenate(a), real, fake)
        both, stats = _discriminate(update, params, stats, both, key)
        return tuple(jax.tree.map(lambda a: jnp.split(a, 2)[i], both) for i in (0, 1)), stats
    real_critique, stats = _discriminate(update, params, stats, real, jax.random.fold_in(key, 0))
    fake_critique, stats = _discriminate(update, params, stats, fake, jax.random.fold_in(key, 1))
    return (real_critique, fake_critique), stats


def _probe(update: Update, params, stats, key) -> Callable[[Array, Array], Critique]:
    """D as regularizers see it: ``(x, y) -> Critique``."""
    return lambda x, y: _discriminate(update, params, stats, Batch(x, y), key)[0]


def _penalize(
    terms: tuple[Term, ...],
    weights: dict[str, Array],
    states: dict[str, TermState],
    context,
    count: Array,
):
    """The weighted sum of all terms that are due at update number ``count``, and the terms' new
    states.
    """
    total, new_states = jnp.zeros(()), {}
    for i, term in enumerate(terms):
        own = dataclasses.replace(context, key=jax.random.fold_in(context.key, i))

        def evaluate(state, term=term, own=own):
            penalty, memory = term.regularizer.apply(state.memory, own)
            value = jnp.mean(penalty)
            return weights[term.name] * term.every * value, jax.lax.stop_gradient(
                TermState(memory, value)
            )

        def skip(state):
            return jnp.zeros(()), state

        if term.every == 1:
            penalty, new_states[term.name] = evaluate(states[term.name])
        else:
            penalty, new_states[term.name] = jax.lax.cond(
                count % term.every == 0, evaluate, skip, states[term.name]
            )
        total += penalty
    return total, new_states


def _term_values(player: str, states: dict[str, TermState]) -> Metrics:
    return {f"{player}/{name}": state.value for name, state in states.items()}


def latents(gan: Gan, key, b: int, axis_name: str | None) -> Array:
    """``[b, latents]`` from N(0, 1): this device's rows of those drawn for the whole batch."""
    z = jax.random.normal(key, (b * devices(axis_name), gan.latents))
    return (
        z
        if axis_name is None
        else jax.lax.dynamic_slice_in_dim(z, jax.lax.axis_index(axis_name) * b, b)
    )


def devices(axis_name: str | None) -> int:
    """How many share the batch under ``pmap``."""
    return 1 if axis_name is None else jax.lax.axis_size(axis_name)


def mean_over_devices(tree: PyTree, axis_name: str | None) -> PyTree:
    """Under ``pmap`` the means of all floats over the devices."""
    if axis_name is None:
        return tree
    mean = lambda a: jax.lax.pmean(a, axis_name) if jnp.issubdtype(a.dtype, jnp.inexact) else a
    return jax.tree.map(mean, tree)
