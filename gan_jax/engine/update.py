"""The gradients of an update: of one player's objective, or of both from one forward pass.

The minibatch is differentiated whole, or part after part to save memory; under ``pmap`` gradients
and metrics are averaged over the devices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.engine.objectives import PREFIXES, Update, objective, play
from gan_jax.errors import ConfigError
from gan_jax.types import Array, D, G, Metrics, Pair, PlayerState, PyTree


class Computed(NamedTuple):
    """What came along with the gradients: the players with new statistics, terms and memories, and
    metrics.
    """

    players: Pair
    metrics: Metrics


def gradients(update: Update, side: int) -> tuple[PyTree, Computed]:
    """Of the objective of the player on ``side``, which alone is new."""

    def of_part(part: Update) -> tuple[PyTree, Computed]:
        def minimized(params: PyTree) -> tuple[Array, Computed]:
            own = part.players[side].replace(params=params)
            here = part._replace(players=part.players.put(side, own))
            played = play(here, side)
            value, terms, metrics = objective(here, side, played)
            own = played.players[side].replace(terms=terms)
            return value, Computed(part.players.put(side, own), metrics)

        return jax.grad(minimized, has_aux=True)(part.players[side].params)

    return _in_parts(update, of_part)


def both_gradients(update: Update) -> tuple[Pair, Computed]:
    """Of both objectives, on the same fakes and from one forward pass: two cotangents of it."""
    if any(player.memory is not None for player in update.gan.players):
        raise ConfigError(
            "memory: players that move at once share their fakes; accepted: dynamics alternating."
        )

    def of_part(part: Update) -> tuple[Pair, Computed]:
        def minimized(*params: PyTree) -> tuple[tuple[Array, Array], Computed]:
            own = map(lambda player, p: player.replace(params=p), part.players, params)
            here = part._replace(players=Pair(*own))
            played = play(here, G)
            sides = [objective(here, side, played) for side in (G, D)]
            values, terms, metrics = zip(*sides, strict=True)
            new = map(lambda player, t: player.replace(terms=t), played.players, terms)
            return values, Computed(Pair(*new), metrics[G] | metrics[D])

        params = (player.params for player in part.players)
        _, pull, computed = jax.vjp(minimized, *params, has_aux=True)
        one, zero = jnp.ones(()), jnp.zeros(())
        return Pair(pull((one, zero))[G], pull((zero, one))[D]), computed

    return _in_parts(update, of_part)


def parts_of(update: Update) -> tuple[Update, Array, PyTree]:
    """The whole minibatch with its latents; the numbers of its parts, and the parts' ``(z, real)``.

    A part takes every ``micro_batches``-th example, so that every device keeps its own.
    """
    parts, b = update.gan.micro_batches, len(jax.tree.leaves(update.real.x)[0])
    z = update.gan.prior.draw(jax.random.fold_in(update.key, 0), b)

    def divide(a: Array) -> Array:
        if len(a) % parts:
            raise ConfigError(
                f"micro_batches: a minibatch of {len(a)} is not divisible into {parts}; accepted: "
                f"a divisor of {len(a)}."
            )
        return jnp.moveaxis(a.reshape(len(a) // parts, parts, *a.shape[1:]), 1, 0)

    divided = jax.tree.map(divide, (z, update.real))
    return update._replace(z=z), jnp.arange(parts), divided


def part_of(update: Update, i: Array, examples: tuple[PyTree, PyTree], players: Pair) -> Update:
    """Part number ``i`` of `parts_of`, from the players after the one before."""
    z, real = examples
    key = jax.random.fold_in(update.key, i)
    return update._replace(z=z, real=real, key=key, players=players)


def _in_parts(
    update: Update, of_part: Callable[[Update], tuple[PyTree, Computed]]
) -> tuple[PyTree, Computed]:
    """The minibatch part after part; gradients and metrics are averaged, also over the devices.

    A part's activations are all that memory must hold. Losses and penalties are means over
    examples, hence these averages are those of the whole minibatch; statistics and the terms'
    memories are updated part after part.
    """
    update, numbers, divided = parts_of(update)
    if (parts := len(numbers)) == 1:
        total, computed = of_part(update)
    else:

        def step(carry, inputs):
            total, players = carry
            new, computed = of_part(part_of(update, *inputs, players))
            total = jax.tree.map(lambda a, b: a + b / parts, total, new)
            return (total, _agreed(computed.players)), computed.metrics

        shapes = jax.eval_shape(lambda: of_part(update)[0])
        zeros = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
        carry, metrics = jax.lax.scan(step, (zeros, update.players), (numbers, divided))
        total, players = carry
        metrics = jax.tree.map(lambda a: a.mean(0), metrics)
        computed = Computed(Pair(*map(_with_means, PREFIXES, players, [metrics] * 2)), metrics)
    total, metrics = batch_axis.mean((total, computed.metrics))
    return total, Computed(_agreed(computed.players), metrics)


def _agreed(players: Pair) -> Pair:
    """The players with terms on which all devices agree: the means of theirs."""
    return Pair(*(player.replace(terms=batch_axis.mean(player.terms)) for player in players))


def _with_means(prefix: str, player: PlayerState, metrics: Metrics) -> PlayerState:
    """With terms whose values are the means over the whole minibatch."""
    value = lambda name, term: term.replace(value=metrics.get(f"{prefix}/{name}", term.value))
    return player.replace(terms={name: value(name, term) for name, term in player.terms.items()})
