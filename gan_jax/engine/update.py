"""The gradients of an update: of one player's objective, or of both from one forward pass.

The minibatch is differentiated as a whole, or in micro-batches to save memory (gradient
accumulation). Under ``pmap``, gradients and metrics are averaged over the devices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.engine.objectives import PREFIXES, Update, objective, play
from gan_jax.errors import ConfigError
from gan_jax.types import Array, Metrics, Pair, PlayerState, PyTree


class Computed(NamedTuple):
    """Results other than the gradients: the players with new statistics, terms and memories, and
    metrics.
    """

    players: Pair
    metrics: Metrics


def gradients(update: Update, *sides: int) -> tuple[tuple[PyTree, ...], Computed]:
    """The gradients of the objectives of the players on ``sides``, from one forward pass with the
    memory of the first of them. Only these players are updated in the result.
    """

    def of_part(part: Update) -> tuple[tuple[PyTree, ...], Computed]:
        def minimized(*params: PyTree) -> tuple[tuple[Array, ...], Computed]:
            here = part.players
            for side, own in zip(sides, params, strict=True):
                here = here.replace(side, params=own)
            here = part._replace(players=here)
            played, new, values, metrics = play(here, sides[0]), part.players, [], {}
            for side in sides:
                value, terms, measured = objective(here, side, played)
                new = new.put(side, played.players[side].replace(terms=terms))
                values.append(value)
                metrics |= measured
            return tuple(values), Computed(new, metrics)

        params = [part.players[side].params for side in sides]
        values, pull, computed = jax.vjp(minimized, *params, has_aux=True)
        one = lambda i: tuple(jnp.float32(i == j) for j in range(len(values)))
        return tuple(pull(one(i))[i] for i in range(len(values))), computed

    return _in_parts(update, of_part)


def parts_of(update: Update) -> tuple[Update, Array, PyTree]:
    """The whole minibatch with its latents; the numbers of its micro-batches, and their ``(z,
    real)``.

    A micro-batch takes every ``micro_batches``-th example, so that no example changes its device.
    """
    parts, b = update.gan.micro_batches, len(jax.tree.leaves(update.real.x)[0])
    z = update.gan.prior.draw(jax.random.fold_in(update.key, 0), b)

    def divide(a: Array) -> Array:
        if len(a) % parts:
            raise ConfigError(
                f"micro_batches {parts} must divide the minibatch of {len(a)} examples."
            )
        return jnp.moveaxis(a.reshape(len(a) // parts, parts, *a.shape[1:]), 1, 0)

    divided = jax.tree.map(divide, (z, update.real))
    return update._replace(z=z), jnp.arange(parts), divided


def part_of(update: Update, i: Array, examples: tuple[PyTree, PyTree], players: Pair) -> Update:
    """Micro-batch ``i`` of `parts_of`, with the players after the previous one."""
    z, real = examples
    key = jax.random.fold_in(update.key, i)
    return update._replace(z=z, real=real, key=key, players=players)


def _in_parts(
    update: Update, of_part: Callable[[Update], tuple[PyTree, Computed]]
) -> tuple[PyTree, Computed]:
    """Processes micro-batches in sequence, so that only the activations of one are in memory.
    Gradients and metrics are averaged, also over the devices; each micro-batch updates statistics
    and memories.
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
    """The players with the states of terms averaged over the devices."""
    return Pair(*(player.replace(terms=batch_axis.mean(player.terms)) for player in players))


def _with_means(prefix: str, player: PlayerState, metrics: Metrics) -> PlayerState:
    """The player with the values of terms averaged over the whole minibatch."""
    value = lambda name, term: term.replace(value=metrics.get(f"{prefix}/{name}", term.value))
    return player.replace(terms={name: value(name, term) for name, term in player.terms.items()})
