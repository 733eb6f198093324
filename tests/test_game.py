"""What a game is made of beside networks, losses and penalties: turns, memories of earlier fakes,
conditions, numbers of the networks, scores of any shape.
"""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from gans import G_PENALTIES, SHAPE, arrays, random_batch, small_mlp

from gan_jax import Turns
from gan_jax.config import Schedule
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.engine.trained import discriminate, generate
from gan_jax.errors import ConfigError
from gan_jax.health.diagnostics import diagnose
from gan_jax.modality import to_float
from gan_jax.parts.conditions import Frequencies, Uniform
from gan_jax.parts.dynamics import DYNAMICS
from gan_jax.parts.losses import LOSSES
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.types import Critique, Loss, Memory, Regularizer, Term

BATCH = random_batch(d_steps=3)
STILL = {"optimizer": optax.sgd(0.0)}


def sees(look):
    """A term without weight, whose metric is what the player's objective sees."""
    apply = lambda memory, context: (look(context), memory)
    return {"terms": (Term("seen", Regularizer(tuple, apply), 0.0),)}


def one_step(gan, batch=BATCH, state=None):
    return train_step(gan, state or init_state(gan, jax.random.key(0), batch), batch)


def assert_close(actual, expected, **tolerances):
    for a, e in zip(arrays(actual), arrays(expected), strict=True):
        np.testing.assert_allclose(a, e, **tolerances)


PIXELS = sees(lambda context: context.real.x.mean((1, 2, 3)))
FAKES = sees(lambda context: context.fake.x.mean((1, 2, 3)))
LOOKING = small_mlp(PIXELS, PIXELS)


def test_g_moves_several_times_with_fresh_draws():
    """Three updates of G written out: D stays as it is, and each has latents of its own."""
    gan = small_mlp(turns=Turns(g=3))
    state = init_state(gan, jax.random.key(0), BATCH)
    params, key = jax.tree.map(jnp.copy, (state.generator.params, state.key))
    y = BATCH.y[-1]
    after, metrics = train_step(gan, state, BATCH)
    losses = []

    def loss(params, i):
        own = jax.random.fold_in(jax.random.fold_in(key, 0), 3 + i)
        z = jax.random.normal(jax.random.fold_in(own, 0), (8, 4))
        x = gan.generator.network.apply({"params": params}, z, y, train=True)
        seen = gan.discriminator.network.apply(
            {"params": after.discriminator.params}, x, y, train=True
        )
        return jnp.mean(jax.nn.softplus(-seen.score))

    slope = jax.jit(jax.value_and_grad(loss))
    for i in range(3):
        value, slopes = slope(params, i)
        params = jax.tree.map(lambda w, s: w - 0.1 * s, params, slopes)
        losses.append(value)
    assert_close(after.generator.params, params, rtol=1e-4, atol=1e-6)
    assert float(metrics["g/loss"]) == pytest.approx(np.mean(losses), rel=1e-5)
    assert len(set(map(float, losses))) == 3


@pytest.mark.parametrize("d", [2, 3, 9])
def test_d_may_learn_from_fewer_minibatches_than_there_are(d):
    fewer = jax.tree.map(lambda a: a[: min(d, 3)], BATCH)
    after, metrics = one_step(dataclasses.replace(LOOKING, turns=Turns(d=d)))
    expected, expected_metrics = one_step(LOOKING, fewer)
    assert_close(after.discriminator.params, expected.discriminator.params, rtol=1e-5, atol=1e-7)
    assert float(metrics["d/seen"]) == pytest.approx(float(expected_metrics["d/seen"]), rel=1e-5)


@pytest.mark.parametrize("fresh", [False, True])
def test_g_sees_the_last_minibatch_which_may_be_its_own(fresh):
    means = np.asarray(to_float(jnp.asarray(BATCH.x))).mean((1, 2, 3, 4))
    _, metrics = one_step(dataclasses.replace(LOOKING, turns=Turns(fresh=fresh)))
    assert float(metrics["g/seen"]) == pytest.approx(means[2], abs=1e-6)
    expected = means[:2].mean() if fresh else means.mean()
    assert float(metrics["d/seen"]) == pytest.approx(expected, abs=1e-6)


def test_turns_over_time_are_data():
    adam = {"optimizer": optax.adam(1e-3)}
    gan = lambda **turns: small_mlp(adam, adam, turns=Turns(**turns))
    counts = lambda state: [int(player.opt_state[0].count) for player in state.players]
    changing = gan(d=Schedule(3.0, 1.0, 2), g=Schedule(1.0, 3.0, 2))
    state, found = None, []
    before = train_step._cache_size()
    for _ in range(3):
        state, _ = one_step(changing, state=state)
        found.append(counts(state))
    assert found == [[1, 3], [3, 5], [6, 6]]
    state, _ = one_step(gan(d=2.0, g=0.0))  # each player moves at least once
    assert counts(state) == [1, 2] and train_step._cache_size() == before + 1


@pytest.mark.parametrize("turns", [Turns(g=2), Turns(fresh=True)])
def test_turns_of_players_that_move_at_once_are_refused(turns):
    with pytest.raises(ConfigError, match=r"^turns.g and turns.fresh require dynamics alternating"):
        small_mlp(turns=turns, dynamics=DYNAMICS["simultaneous"]())


POOL = Memory(
    lambda x: jnp.zeros((8, *x.shape[1:])),
    lambda pool, fake, key: (fake._replace(x=pool), fake.x),
)
"""What is seen is what came one update earlier."""


@pytest.mark.parametrize("side", [0, 1])
def test_a_player_sees_what_it_remembers_and_the_other_one_the_fakes(side):
    players = [STILL | FAKES, STILL | FAKES]
    players[side] = players[side] | {"memory": POOL}
    gan, batch = small_mlp(*players), random_batch()
    state = init_state(gan, jax.random.key(0), batch)
    params, key = jax.tree.map(jnp.copy, (state.generator.params, state.key))
    own = lambda step, i: jax.random.fold_in(jax.random.fold_in(key, step), i)
    fakes = lambda *draw: gan.generator.network.apply(
        {"params": params},
        jax.random.normal(jax.random.fold_in(own(*draw), 0), (8, 4)), batch.y[0], train=True,
    )  # fmt: skip
    update = (1, 0)[side]  # D's update of a step is the first
    remembered = jnp.zeros((8, *SHAPE))
    for step in range(2):
        np.testing.assert_allclose(state.players[side].memory, remembered, rtol=1e-5, atol=1e-6)
        state, metrics = train_step(gan, state, batch)
        seen, other = (metrics[f"{name}/seen"] for name in ("gd"[side], "dg"[side]))
        np.testing.assert_allclose(seen, remembered.mean(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(other, fakes(step, 1 - update).mean(), rtol=1e-5, atol=1e-6)
        remembered = fakes(step, update)
    assert state.players[1 - side].memory is None


def test_players_that_move_at_once_remember_nothing():
    with pytest.raises(ConfigError, match=r"^memory requires dynamics alternating: "):
        small_mlp(d={"memory": POOL}, dynamics=DYNAMICS["simultaneous"]())


def test_the_diagnosis_is_that_of_the_present_fakes():
    pooled, plain, batch = small_mlp(d={"memory": POOL}), small_mlp(), random_batch()
    state = init_state(pooled, jax.random.key(0), batch)
    bare = state.replace(discriminator=state.discriminator.replace(memory=None))
    found, expected = diagnose(pooled, state, batch), diagnose(plain, bare, batch)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "conditions, shares", [(Uniform(4), [0.25] * 4), (Frequencies((1, 0, 5, 2)), [1, 0, 5, 2])]
)
def test_conditions_have_their_distribution(conditions, shares):
    y = conditions(jax.random.key(0), jnp.zeros(20_000, jnp.int32))
    assert y.dtype == jnp.int32 and y.shape == (20_000,)
    counts = np.bincount(y, minlength=4)
    expected = np.array(shares) / np.sum(shares) * 20_000
    assert (counts[expected == 0] == 0).all()
    likely = expected > 0
    assert scipy.stats.chisquare(counts[likely], expected[likely]).pvalue > 0.01
    assert not np.array_equal(y, conditions(jax.random.key(1), y))


class SaysLabel(nn.Module):
    """A discriminator whose score is the label, and a generator that paints it."""

    paints: bool = False

    @nn.compact
    def __call__(self, x, y, *, train):
        score = y + self.param("bias", nn.initializers.zeros, (1,))
        return jnp.tile(score.reshape(-1, 1, 1, 1), (1, *SHAPE)) if self.paints else Critique(score)


@pytest.mark.parametrize("joint", [False, True])
def test_both_players_see_the_conditions_of_the_fakes(joint):
    """By default those of the real examples, else what a function makes of them."""
    batch = random_batch()
    make = lambda **changes: small_mlp(
        STILL | {"network": SaysLabel(paints=True)} | FAKES,
        STILL | {"network": SaysLabel()} | FAKES,
        num_classes=10,
        joint=joint,
        **changes,
    )
    for gan, drawn in (
        (make(), batch.y),
        (make(conditions=lambda key, y: (y + 3) % 10), (batch.y + 3) % 10),
    ):
        _, metrics = one_step(gan, batch)
        assert float(metrics["d/score_real"]) == pytest.approx(batch.y.mean(), rel=1e-6)
        for name in ("d/score_fake", "d/seen", "g/seen"):
            assert float(metrics[name]) == pytest.approx(drawn.mean(), rel=1e-6)


class Sized(nn.Module):
    """Both players, which are handed a number."""

    paints: bool = False

    @nn.compact
    def __call__(self, x, y, *, train, size):
        score = size * jnp.ones(len(x)) + 0 * self.param("bias", nn.initializers.zeros, (1,))
        return jnp.tile(score.reshape(-1, 1, 1, 1), (1, *SHAPE)) if self.paints else Critique(score)


def test_networks_are_handed_their_numbers_as_they_are_at_present():
    """In the step and afterwards; another number does not recompile."""
    make = lambda g, d: small_mlp(
        {"network": Sized(paints=True), "numbers": {"size": g}} | FAKES,
        {"network": Sized(), "numbers": {"size": d}} | FAKES,
    )
    gan, batch = make(Schedule(1.0, 3.0, 2), Schedule(5.0, 7.0, 1)), random_batch()
    state = init_state(gan, jax.random.key(0), batch)
    for g, d in ((1, 5), (2, 7), (3, 7)):
        x, y = generate(gan, state, jnp.zeros((2, 4)), batch.y[0, :2]), batch.y[0, :2]
        np.testing.assert_allclose(x, np.full((2, *SHAPE), g), rtol=1e-6)
        np.testing.assert_allclose(discriminate(gan, state, x, y).score, [d, d], rtol=1e-6)
        state, metrics = train_step(gan, state, batch)
        for name, value in {"g/seen": g, "d/seen": g, "d/score_real": d, "d/score_fake": d}.items():
            assert float(metrics[name]) == pytest.approx(value, rel=1e-6)
    before = train_step._cache_size()
    _, metrics = one_step(make(0.25, 0.5), batch)
    assert float(metrics["d/score_real"]) == 0.5 and train_step._cache_size() == before


class Patches(nn.Module):
    """A discriminator with several scores an example."""

    @nn.compact
    def __call__(self, x, y, *, train):
        score = nn.Conv(2, (3, 3), (2, 2))(x)
        features = score.reshape(len(x), -1)
        return Critique(score, {"features": features, "class_logits": features[:, :10]})


def test_scores_may_have_any_shape():
    """The mean is over all of them; every loss and penalty takes them."""
    loss, batch = Loss(lambda r, f: jax.nn.softplus(-r), lambda r, f: -f), random_batch()
    gan = small_mlp(STILL, {"network": Patches()} | STILL, loss=loss)
    state = init_state(gan, jax.random.key(0), batch)
    score = discriminate(gan, state, batch.x[0], batch.y[0]).score
    assert score.shape == (8, 4, 4, 2)
    _, metrics = train_step(gan, state, batch)
    expected = {"d/loss": jax.nn.softplus(-score).mean(), "d/score_real": score.mean()}
    for name, value in expected.items():
        assert float(metrics[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-6)

    terms = lambda known: {"terms": tuple(Term(name, known[name](), 1.0) for name in known)}
    total = lambda part: (
        lambda *scores: sum(getattr(loss, part)(*scores) for loss in LOSSES.values())
    )
    everything = small_mlp(
        terms(G_PENALTIES) | {"top_k": 0.5},
        {"network": Patches()} | terms(REGULARIZERS),
        loss=Loss(total("d"), total("g")),
    )
    _, metrics = jax.eval_shape(functools.partial(one_step, everything, batch))
    assert all(metric.shape == () for metric in metrics.values())
