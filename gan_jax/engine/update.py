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
from gan_jax.types import Array, Metrics, Pair, PlayerState, PyTree


class Computed(NamedTuple):
    """What came along with the gradients: the players with new statistics, terms and memories, and
    metrics.
    """

    players: Pair
    metrics: Metrics


def gradients(update: Update, *sides: int) -> tuple[tuple[PyTree, ...], Computed]:
    """Of the objectives of the players on ``sides``, which alone are new: a cotangent of one
    forward pass for each, on the fakes that the first of them remembers.
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
    """The whole minibatch with its latents; the numbers of its parts, and the parts' ``(z, real)``.

    A part takes every ``micro_batches``-th example, so that every device keeps its own.
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
    """Part number ``i`` of `parts_of`, from the players after the one before."""
    z, real = examples
    key = jax.random.fold_in(update.key, i)
    return update._replace(z=z, real=real, key=key, players=players)


def _in_parts(
    update: Update, of_part: Callable[[Update], tuple[PyTree, Computed]]
) -> tuple[PyTree, Computed]:
    """The minibatch part after part, so that memory holds the activations of one. Gradients and
    metrics are averaged, also over the devices; statistics and memories are updated by each part.
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
