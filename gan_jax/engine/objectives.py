"""The game on one minibatch: G makes fakes, D scores real and fake examples, and each player has
its objective.

`play` is one forward pass of the game, and `objective` is what a player minimizes: its loss and its
regularizers. This code does not depend on the player, on gradient accumulation, or on devices; see
`gan_jax.engine.update` for these.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax.errors import InvalidRngError

from gan_jax.devices import batch_axis
from gan_jax.engine import checks
from gan_jax.engine.gan import Gan, networks
from gan_jax.errors import ConfigError
from gan_jax.types import (
    Array,
    Batch,
    Context,
    Critique,
    D,
    Fake,
    G,
    Metrics,
    Pair,
    PyTree,
    Term,
    TermState,
)

PREFIXES = Pair("g", "d")
"""The prefix of the names of a player's metrics."""


class Update(NamedTuple):
    """The minibatch or micro-batch of an update, and everything that is constant during it.

    ``gan``: with the current values of its scalars. ``players``: their states before the update,
    with the parameters being differentiated. ``real``: examples as networks see them. ``key``: for
    its random numbers. ``counts``: updates of both players so far. ``frozen``: variables by name.
    ``z``: the latents.
    """

    gan: Gan
    players: Pair
    real: Batch
    key: Array
    counts: Pair
    frozen: dict[str, PyTree]
    z: PyTree = None


class Play(NamedTuple):
    """A forward pass: the real examples and fakes that D sees, both critiques, D as a function of
    real and of fake examples, and the players with updated statistics and memories.
    """

    real: Batch
    fake: Fake
    real_critique: Critique
    fake_critique: Critique
    see_real: Callable[[PyTree], Critique]
    see_fake: Callable[[PyTree], Critique]
    players: Pair


def play(update: Update, side: int) -> Play:
    """One forward pass in training mode, with the memory and mixing of the player on ``side``."""
    key = lambda i: jax.random.fold_in(update.key, i)
    y = update.gan.conditions(key(3), update.real.y)
    fake, g_stats = _generate(update, update.z, y, key=key(1))
    players = update.players.replace(G, stats=g_stats)
    if (memory := players[side].memory) is not None:
        remember = update.gan.players[side].memory.apply
        shown, memory = remember(memory, batch_axis.whole(fake), key(4))
        fake = batch_axis.own(shown)
        players = players.replace(side, memory=jax.lax.stop_gradient(memory))
    if (mixing := update.gan.players[side].mixing) is not None:
        constant = jax.lax.stop_gradient(fake)
        shown = mixing.apply(key(5), update.real, constant, mixing.strength)
        update = update._replace(real=shown)
    see = _together if update.gan.joint else _apart
    *seen, d_stats = see(update, fake, key(1))
    return Play(update.real, fake, *seen, players.replace(D, stats=d_stats))


def _apart(update: Update, fake: Fake, key: Array) -> tuple:
    """Passes real and fake examples through D in two batches."""
    real_key, fake_key = (jax.random.fold_in(key, i) for i in (0, 1))
    see_real = lambda x: _discriminate(update, x, update.real.y, key=real_key)
    real_critique, stats = see_real(update.real.x)
    between = update._replace(players=update.players.replace(D, stats=stats))
    see_fake = lambda x: _discriminate(between, x, fake.y, key=fake_key)
    fake_critique, stats = see_fake(fake.x)
    return real_critique, fake_critique, lambda x: see_real(x)[0], lambda x: see_fake(x)[0], stats


def _together(update: Update, fake: Fake, key: Array) -> tuple:
    """Passes real and fake examples through D in one batch."""
    y = jax.tree.map(lambda *a: jnp.concatenate(a), update.real.y, fake.y)

    def see(real_x: PyTree, fake_x: PyTree) -> tuple[tuple[Critique, ...], PyTree]:
        x = jax.tree.map(lambda *a: jnp.concatenate(a), real_x, fake_x)
        both, stats = _discriminate(update, x, y, key=key)
        return tuple(jax.tree.map(lambda a: jnp.split(a, 2)[i], both) for i in (0, 1)), stats

    critiques, stats = see(update.real.x, fake.x)
    see_real = lambda x: see(x, fake.x)[0][0]
    see_fake = lambda x: see(update.real.x, x)[0][1]
    return *critiques, see_real, see_fake, stats


def objective(
    update: Update, side: int, played: Play
) -> tuple[Array, dict[str, TermState], Metrics]:
    """The objective ``()`` of the player on ``side``, the states of its terms, and its metrics."""
    player, loss, name = update.gan.players[side], update.gan.loss, PREFIXES[side]
    real, fake = played.real_critique.score, played.fake_critique.score
    losses = Pair(loss.g, loss.d)[side](real, fake, **(loss.numbers or {}))
    checks.losses(name, losses, fake)
    if player.top_k is not None:
        losses = losses * _top(fake, player.top_k)
    value = jnp.mean(losses)
    weighted = value if player.loss_weight is None else player.loss_weight * value
    context, states = _context(update, side, played), update.players[side].terms
    penalty, terms = _penalize(player.terms, states, context, update.counts[side])
    seen = {"d/score_real": real.mean(), "d/score_fake": fake.mean(), f"{name}/loss": value}
    return weighted + penalty, terms, seen | {f"{name}/{n}": t.value for n, t in terms.items()}


def _context(update: Update, side: int, played: Play) -> Context:
    view = jax.random.fold_in(update.key, 1)

    def asked(network: Callable, *inputs: PyTree, method: str | None = None, capture: bool = False):
        return network(update, *inputs, key=view, method=method, capture=capture)[0]

    return Context(
        generate=functools.partial(asked, _generate),
        discriminate=functools.partial(asked, _discriminate),
        see_real=played.see_real,
        see_fake=played.see_fake,
        frozen=networks(update.gan, update.frozen),
        modality=update.gan.modality,
        prior=update.gan.prior,
        params=update.players[side].params,
        latents=update.z,
        real=played.real,
        fake=played.fake,
        real_critique=played.real_critique,
        fake_critique=played.fake_critique,
        key=jax.random.fold_in(update.key, 2),
    )


def _generate(
    update: Update, z: PyTree, y: PyTree, *, key: Array, method=None, capture=False
) -> tuple[Any, PyTree]:
    """The output of G, or of one of its methods, and its new statistics."""
    made, stats = _apply(update, G, z, y, key=key, method=method, capture=capture)
    if method is not None or capture:
        return made, stats
    return checks.fake(update.gan.modality, made)._replace(y=y), stats


def _discriminate(
    update: Update, x: PyTree, y: PyTree, *, key: Array, method=None, capture=False
) -> tuple[Any, PyTree]:
    """The output of D, or of one of its methods, after augmentation, and its new statistics."""
    for i, augment in enumerate(update.gan.augments):
        x = augment.apply(jax.random.fold_in(key, i), x, augment.strength)
    seen, stats = _apply(update, D, x, y, key=key, method=method, capture=capture)
    if method is None and not capture:
        checks.critique(update.gan.discriminator.network, seen, len(jax.tree.leaves(x)[0]))
    return seen, stats


def _apply(
    update: Update, side: int, *inputs: PyTree, key: Array, method: str | None, capture: bool
) -> tuple[Any, PyTree]:
    """A network in training mode: its output, with intermediate values if captured, and its
    statistics. The random streams are ``noise`` and, for flax modules, ``dropout``, which is not
    coordinated between devices and therefore refused under ``pmap``.
    """
    player, state = update.gan.players[side], update.players[side]
    streams = ("noise",) if batch_axis.name() else ("noise", "dropout")
    try:
        result, changed = player.network.apply(
            state.variables(), *inputs, train=True, method=method, capture_intermediates=capture,
            mutable=[*state.stats, *["intermediates"] * capture],
            rngs=dict.fromkeys(streams, key), **(player.numbers or {}),
        )  # fmt: skip
    except InvalidRngError as error:
        raise ConfigError(
            f"{type(player.network).__name__} asks for a random stream that does not exist "
            f"({error}); use {' or '.join(streams)}."
        ) from error
    stats = {name: changed[name] for name in state.stats}
    return ((result, changed["intermediates"]) if capture else result), stats


def _top(scores: Array, share: Array) -> Array:
    """Weights with mean 1 for scores ``[b, ...]`` that are 0 except for the given fraction of the
    fakes with the highest scores (top-k training, Sinha et al. 2020, equation 4).
    """
    own = jax.lax.stop_gradient(scores)
    order = batch_axis.whole(own.mean(range(1, own.ndim)))
    b = len(order)
    k = jnp.clip(jnp.round(share * b), 1, b)
    rank = batch_axis.own(jnp.argsort(jnp.argsort(-order)))
    return jnp.where(rank < k, b / k, 0.0).reshape(-1, *(1,) * (own.ndim - 1))


def _penalize(
    terms: tuple[Term, ...], states: dict[str, TermState], context: Context, count: Array
) -> tuple[Array, dict[str, TermState]]:
    """The weighted sum of all terms that are due at update number ``count``, and their states."""
    total, new_states = jnp.zeros(()), {}
    for i, term in enumerate(terms):
        own = dataclasses.replace(context, key=jax.random.fold_in(context.key, i))

        def evaluate(state: TermState, term: Term = term, own: Context = own):
            penalty, memory = term.regularizer.apply(state.memory, own)
            value = jnp.mean(penalty)
            weighted = term.weight * term.every * value
            return weighted, jax.lax.stop_gradient(TermState(memory, value))

        def skip(state: TermState):
            return jnp.zeros(()), state

        if term.every == 1:
            penalty, new_states[term.name] = evaluate(states[term.name])
        else:
            due = count % term.every == 0
            penalty, new_states[term.name] = jax.lax.cond(due, evaluate, skip, states[term.name])
        total += penalty
    return total, new_states
