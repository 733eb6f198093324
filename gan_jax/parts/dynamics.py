"""How both players move at once, as fields of games: everything but Goodfellow's alternation, which
is `train_step` itself.

With ``v(w)`` for the gradients of both objectives at the weights ``w`` of both players, each by its
own. ``field`` computes ``v`` on one minibatch from one forward pass; ``move`` takes a step of both
optimizers.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gan_jax.types import Array, Dynamics, Field, Move, Pair, Scalar


def _simultaneous(field: Field, move: Move, point: Pair):
    gradients, computed = field(point)
    return move(point, point, gradients), computed


def _extragradient(field: Field, move: Move, point: Pair):
    gradients, _ = field(point)
    ahead = move(point, point, gradients)
    gradients, computed = field(ahead)
    return move(point, ahead, gradients), computed


def _consensus(field: Field, move: Move, point: Pair, weight: Array):
    def energy(params: Pair):
        here = Pair(*(p.replace(params=own) for p, own in zip(point, params, strict=True)))
        gradients, computed = field(here)
        squares = [jnp.sum(jnp.square(g)) for g in jax.tree.leaves(gradients)]
        return 0.5 * sum(squares), (gradients, computed)

    params = Pair(*(player.params for player in point))
    slope, (gradients, computed) = jax.grad(energy, has_aux=True)(params)
    gradients = jax.tree.map(lambda g, s: g + weight * s, gradients, slope)
    return move(point, point, gradients), computed


def simultaneous() -> Dynamics:
    """``w - lr v(w)`` for both players at once."""
    return Dynamics(_simultaneous)


def extragradient() -> Dynamics:
    """``w - lr v(w - lr v(w))`` (Korpelevich 1976; Gidel et al. 2019, algorithms 2 and, with Adam,
    4), on one minibatch.
    """
    return Dynamics(_extragradient)


def consensus(weight: Scalar = 0.1) -> Dynamics:
    """``w - lr (v + weight grad |v|^2 / 2)`` (Mescheder et al. 2017, algorithm 2)."""
    return Dynamics(_consensus, {"weight": weight})


DYNAMICS = {
    "alternating": lambda: None,
    "simultaneous": simultaneous,
    "extragradient": extragradient,
    "consensus": consensus,
}
"""``make(**numbers) -> Dynamics``, or None where the players move in turn."""
