"""Converts states saved by earlier versions of this program to the current structure.

Version 2: the current `GanState`.
Version 1: EMAs, regularizer states and lookahead were separate from the players, and scalars had
their names in the config.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.checkpoint import Conversion, Damaged
from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan
from gan_jax.runs.run import Run
from gan_jax.types import GanState, Pair, PlayerState, PyTree, Tunable

VERSION = 2
"""The current version of the structure of a state."""


def conversion(version: int, run: Run) -> Conversion | None:
    """The conversion of the run's state from an earlier version; None for the current version.

    Raises:
      Damaged: for an unknown version.
    """
    if version == VERSION:
        return None
    if version != 1:
        raise Damaged(f"its state has version {version}, but this program reads 1 to {VERSION}")
    return Conversion(lambda like: _stored(like, run.gan), lambda tree: _converted(tree, run))


def _stored(like: GanState, gan: Gan) -> PyTree:
    """The abstract tree of version 1."""
    weights = lambda player: {n: getattr(player, n) for n in ("params", "stats", "opt_state")}
    lookahead = gan.lookahead and Pair(like.generator.slow, like.discriminator.slow)
    d_average = like.discriminator.average
    return {
        "step": like.step,
        "key": like.key,
        "generator": weights(like.generator),
        "discriminator": weights(like.discriminator),
        "ema": like.generator.average,
        "terms": {"d": like.discriminator.terms, "g": like.generator.terms},
        "scalars": _scalars(like, gan),
        "slow": lookahead or None,
    } | ({} if d_average is None else {"d_ema": d_average})


def _scalars(like: GanState, gan: Gan) -> PyTree:
    """The scalars of version 1, five numbers each."""
    lead = like.key.shape
    sharding = jax.tree.leaves(like.scalars)[0].sharding
    leaf = jax.ShapeDtypeStruct((*lead, 5), jnp.float32, sharding=sharding)
    g, d = gan.players
    tuned = lambda o: dict.fromkeys(o.numbers, leaf) if isinstance(o, Tunable) else {}
    set_ones = {"clip": d.clip, "top_k": g.top_k, "g_loss_weight": g.loss_weight}
    names = ["ema", *(name for name, value in set_ones.items() if value is not None)]
    names += ["d_ema"] if d.average != 0 else []
    names += ["lookahead_rate"] if gan.lookahead else []
    return {
        "g_optimizer": tuned(g.optimizer),
        "d_optimizer": tuned(d.optimizer),
        "d_terms": {term.name: leaf for term in d.terms},
        "g_terms": {term.name: leaf for term in g.terms},
        "augments": {augment.name: leaf for augment in gan.augments},
        "dynamics": dict.fromkeys((gan.dynamics and gan.dynamics.numbers) or (), leaf),
        **dict.fromkeys(names, leaf),
    }


def _converted(tree: PyTree, run: Run) -> GanState:
    """The current state. Scalars never change in version 1, so they are taken from the config."""
    slow = tree["slow"] or Pair(None, None)
    average = Pair(tree["ema"], tree.get("d_ema"))
    terms = Pair(tree["terms"]["g"], tree["terms"]["d"])
    generator, discriminator = (
        PlayerState(**tree[name], average=own, terms=states, slow=at)
        for name, own, states, at in zip(Pair._fields, average, terms, slow, strict=True)
    )
    encoded = [scalars.encode(gan) for gan in run.gans]
    numbers = encoded[0] if run.single else jax.tree.map(lambda *a: np.stack(a), *encoded)
    numbers = jax.tree.map(lambda a: jax.device_put(a, tree["scalars"]["ema"].sharding), numbers)
    return GanState(tree["step"], tree["key"], generator, discriminator, numbers)
