"""Update rules for simultaneous updates of both players; the alternating updates of Goodfellow et
al. (2014) are `train_step` itself.

``v(w)`` denotes the gradients of both objectives at the weights ``w`` of both players, each with
respect to its player's weights. ``field`` computes ``v`` on one minibatch from one forward pass;
``move`` takes a step of both optimizers.
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
    """``w - lr v(w)`` for both players simultaneously."""
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
"""``make(**numbers) -> Dynamics``, or None for alternating updates."""
