"""Everything with everything: each loss x penalty x network x conditioning traced, and a compiled
diagonal that learns a mixture.
"""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import G_PENALTIES, GAMES

import gan_jax
from gan_jax.build import abstract_batch, build
from gan_jax.config import Config, Network, Optimizer, Penalty
from gan_jax.data.truths import TRUTHS
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step, train_steps
from gan_jax.engine.trained import generate
from gan_jax.metrics.mixtures import nearest_modes
from gan_jax.parts.dynamics import DYNAMICS
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.types import Loss, Term

# Refused where D does not classify.
OF_CLASSES = {"entropy", "class_balance", "class_consistency", "fixmatch"}
CLASSIFYING = {"acgan", "semi_supervised"}
SIZES = {
    "mlp": {"width": 2, "depth": 1},
    "dcgan": {"width": 2, "base": 2},
    "sngan": {"width": 2, "base": 2},
    "r3gan": {"width": 2, "blocks": 1},
    "stylegan2": {"width": 2},
    "sagan": {"width": 2, "base": 4},
    "biggan": {"width": 2, "base": 4},
    "biggan_deep": {"width": 2, "base": 4, "depth": 1},
}
ONE = {
    "sngan": "semi_supervised",
    "r3gan": "projection",
    "stylegan2": "acgan",
    "sagan": "projection",
    "biggan": "semi_supervised",
    "biggan_deep": "none",
}
"""Networks of many normalized layers, which take long to trace, with one conditioning each."""
TRACED = [
    (network, conditioning)
    for network in SIZES
    for conditioning in ("none", "projection", "acgan", "semi_supervised")
    if ONE.get(network, conditioning) == conditioning
]
lazily = lambda known: tuple(
    Term(name, make(), 1.0, 1 + i % 2) for i, (name, make) in enumerate(known.items())
)


def every_loss(player):
    """The sum of all losses: what traces with it traces with each."""
    return lambda real, fake: sum(getattr(loss, player)(real, fake) for loss in GAMES.values())


@pytest.mark.parametrize("network, conditioning", TRACED)
def test_every_loss_and_penalty_traces_with_every_network_and_conditioning(network, conditioning):
    """Losses and penalties meet as sums, so that one trace holds all pairs of them; half of the
    penalties are lazy.
    """
    config = Config(
        generator=Network(network, **SIZES[network]),
        discriminator=Network(network, **SIZES[network]),
        conditioning=conditioning,
        latents=3,
        batch_size=4,
    )
    gan = build(config)
    penalties = {
        k: v for k, v in REGULARIZERS.items() if k not in OF_CLASSES or conditioning in CLASSIFYING
    }
    more = lambda player, terms: dataclasses.replace(player, terms=player.terms + lazily(terms))
    gan = dataclasses.replace(
        gan,
        loss=Loss(every_loss("d"), every_loss("g")),
        generator=more(gan.generator, G_PENALTIES),
        discriminator=more(gan.discriminator, penalties),
    )
    batch = abstract_batch(config, gan.source)
    state = jax.eval_shape(functools.partial(init_state, gan), jax.random.key(0), batch)
    after, metrics = jax.eval_shape(functools.partial(train_step, gan), state, batch)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), after) == jax.tree.map(
        lambda a: (a.shape, a.dtype), state
    )
    names = {f"d/{name}" for name in penalties} | {f"g/{name}" for name in G_PENALTIES}
    assert names <= metrics.keys() and all(m.shape == () for m in metrics.values())


FOR_VECTORS = {
    name
    for name in REGULARIZERS
    if (not name.endswith("cr") or name == "zcr")
    and name not in OF_CLASSES  # the others shift and mirror images
}
in_turn = lambda names, n: list(itertools.islice(itertools.cycle(names), n))
CASES = max(len(GAMES), (len(FOR_VECTORS) + 1) // 2)
PENALTIES = in_turn(sorted(FOR_VECTORS), 2 * CASES)
DIAGONAL = [
    (loss, PENALTIES[i::CASES], dynamics)
    for i, (loss, dynamics) in enumerate(
        zip(in_turn(GAMES, CASES), in_turn(DYNAMICS, CASES), strict=True)
    )
]


@pytest.mark.parametrize("loss, penalties, dynamics", DIAGONAL)
def test_a_diagonal_learns_a_ring(loss, penalties, dynamics):
    """Samples come nearer to the ring's modes, and to more than one of them, with each loss,
    penalty (two at a time) and order of moves.
    """
    numbers = dict(lr=2e-3, b1=0.0, b2=0.99)
    config = Config(
        dataset="ring8",
        latents=4,
        generator=Network("mlp", width=32),
        discriminator=Network("mlp", width=32),
        loss=loss,
        penalties=tuple(Penalty(name, 0.05) for name in penalties)
        + ((Penalty("gp", 1.0),) if loss == "wasserstein" and "gp" not in penalties else ()),
        dynamics=gan_jax.config.Dynamics(dynamics),
        g_optimizer=Optimizer(**numbers),
        d_optimizer=Optimizer(**numbers),
        ema=1_000.0,
        steps=1_000,
    )
    gan, data = build(config), gan_jax.resident(config)
    state = init_state(gan, jax.random.key(0), abstract_batch(config, gan.source))
    z = jax.random.normal(jax.random.key(1), (512, 4))
    distance = lambda state: np.abs(
        np.linalg.norm(generate(gan, state, z, jnp.zeros(512, jnp.int32)), axis=1) - 1
    ).mean()
    before = distance(state)
    state, metrics = train_steps(gan, state, data, config.steps)
    assert all(np.isfinite(m) for m in metrics.values())
    points = generate(gan, state, z, jnp.zeros(512, jnp.int32))
    assert distance(state) < 0.5 * before
    assert len(np.unique(nearest_modes(points, TRUTHS["ring8"]).nearest)) >= 3
