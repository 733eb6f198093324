"""The shape of the game carries six kinds of GAN, built here from objects, with no change in the
engine: each compiles, steps, is saved and resumed bit by bit, runs as a population and on devices
that share its batches.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import shapes
from gans import arrays
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from shapes import B

import gan_jax
from gan_jax import Batch, Gan, Player, Schedule, Term, checkpoint
from gan_jax.data import SideBySide, Stream, batch_at, resident_of
from gan_jax.devices import parallel
from gan_jax.engine.objectives import Update
from gan_jax.engine.scalars import bind
from gan_jax.engine.update import gradients
from gan_jax.modality import Text
from gan_jax.models import scratchgan
from gan_jax.models.writing import ESTIMATORS
from gan_jax.nn.heads import UnconditionalHead
from gan_jax.parts.losses import nonsaturating
from gan_jax.parts.priors import Normal
from gan_jax.parts.regularizers import likelihood, reinforce
from gan_jax.types import G, Pair

POINTS, LABELS = shapes.ring()
NUMBERS = np.random.default_rng(0)
WAVES = (5000 * NUMBERS.normal(size=(64, 64, 1))).astype(np.int16)
TOKENS = NUMBERS.integers(0, 5, (64, 4)).astype(np.int32)
TOP, BOTTOM, JOINT, ENCODER = shapes.stacked()


def data_of(x, y=LABELS, seed=0):
    return resident_of([Stream(x, y, B)], seed)


def unpaired(seed=0):
    """Two domains of unequal length, each in an order of its own."""
    streams = [Stream(POINTS, LABELS, B), Stream(POINTS[:40] + 1, LABELS[:40], B, salt=1)]
    return resident_of(streams, seed, join=SideBySide(("a", "b")))


def lstm():
    """Registered networks for text, trained by D in both ways and by the likelihood."""
    terms = (Term("reinforce", reinforce(), 1.0), Term("likelihood", likelihood(), 0.5))
    g = scratchgan.Generator((4, 5), estimator=ESTIMATORS["relaxed"], width=6, embedding=3)
    numbers = {"temperature": 1.0, "softness": Schedule(2.0, 0.5, 10)}
    d = scratchgan.Discriminator(UnconditionalHead(), width=6, embedding=3)
    return Gan(
        Player(g, shapes.SGD, terms, numbers=numbers), Player(d, shapes.SGD), nonsaturating,
        Normal(2), Text((4, 5)),
    )  # fmt: skip


CASES = {
    "style": (shapes.style(), data_of(POINTS), {}),
    "top": (TOP, data_of(POINTS), ENCODER),
    "bottom": (BOTTOM, data_of(POINTS), ENCODER),
    "joint": (JOINT, data_of(POINTS), ENCODER),
    "signal": (shapes.signal(), data_of(WAVES), {}),
    "gumbel": (shapes.writing(), data_of(TOKENS), {}),
    "lstm": (lstm(), data_of(TOKENS), {}),
    "domains": (shapes.domains(), unpaired(), {}),
}


TOGETHER = [name for name in CASES if name not in ("style", "top", "bottom", "gumbel")]
"""The parts of the others are in these, or, of ``style``, in tests/test_stylegan2.py."""


def first(name, seed=0):
    gan, data, frozen = CASES[name]
    batch = batch_at(data, jnp.int32(0))
    return gan, data, gan_jax.init_state(gan, jax.random.key(seed), batch, frozen)


@functools.cache
def trained(name, n=4):
    gan, data, state = first(name)
    return gan_jax.train_steps(gan, state, data, n)


@pytest.mark.parametrize("name", CASES)
def test_it_is_resumed_bit_by_bit(name, tmp_path):
    gan, data, state = first(name)
    like = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), state
    )
    state, _ = gan_jax.train_steps(gan, state, data, 2)
    with checkpoint.Writer(tmp_path, keep=1) as writer:
        writer.save(2, state)
    again, metrics = gan_jax.train_steps(gan, checkpoint.restore(tmp_path, 2, like), data, 2)
    for a, b in zip(arrays(again), arrays(trained(name)[0]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert all(np.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("name", TOGETHER)
def test_it_runs_as_a_population(name):
    gan, data, frozen = CASES[name]
    keys = jnp.stack([jax.random.key(seed) for seed in (0, 1)])
    batch = batch_at(data, jnp.int32(0))
    states = gan_jax.init_population([gan, gan], keys, batch, frozen)
    states, metrics = gan_jax.train_population(gan, states, data, 4, layout="vmap")
    single, expected = trained(name)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    jax.tree.map(close, *((s.players, s.frozen) for s in (gan_jax.member(states, 0), single)))
    assert all(value.shape == (2,) for value in metrics.values())
    assert abs(metrics["d/loss"][0] - expected["d/loss"]) < 1e-4
    assert metrics["d/loss"][0] != metrics["d/loss"][1]


@pytest.mark.parametrize("name", TOGETHER)
def test_devices_share_its_batches(name):
    gan, data, state = first(name)
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
    whole, split = NamedSharding(mesh, PartitionSpec()), parallel.split(mesh)
    data = dataclasses.replace(jax.device_put(data, whole), split=split)
    state, _ = gan_jax.train_steps(gan, jax.device_put(state, whole), data, 4)
    for a, b in zip(arrays(state), arrays(trained(name)[0]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_the_path_length_is_that_of_the_synthesis():
    """Against the derivative of the two layers of the synthesis, written out."""
    gan, data, state = first("style")
    key = jax.random.key(1)
    real = jax.tree.map(lambda a: a[0], batch_at(data, jnp.int32(0)))
    now, counts = bind(gan, state.scalars, state.step), Pair(state.step, state.step)
    update = Update(now, state.players, real, key, counts, {})
    term = gradients(update, G)[1].players.generator.terms["path"]
    fold = jax.random.fold_in
    z = jax.random.normal(fold(key, 0), (B, 3))
    noise = jax.random.normal(fold(fold(key, 2), 0), (B, 2)) / 2**0.5
    params = state.generator.params
    w = jnp.tanh(z @ params["to_w"]["kernel"] + params["to_w"]["bias"][None])
    hidden = jnp.tanh(w @ params["hidden"]["kernel"] + params["hidden"]["bias"][None])
    slope = (noise @ params["to_x"]["kernel"].T * (1 - hidden**2)) @ params["hidden"]["kernel"].T
    lengths = np.linalg.norm(slope, axis=1)
    np.testing.assert_allclose(term.memory, 0.01 * lengths.mean(), rtol=1e-4)
    np.testing.assert_allclose(
        term.value, np.mean((lengths - 0.01 * lengths.mean()) ** 2), rtol=1e-4
    )


def test_the_augmentation_settles_where_d_is_as_sure_as_wanted():
    """D would be sure of every real example, as G stands still; noise keeps the measure at 0.4."""
    gan = shapes.style(target=0.4, rate=0.02)
    still = dataclasses.replace(gan.generator, optimizer=optax.sgd(0.0))
    gan, data = dataclasses.replace(gan, generator=still), data_of(POINTS)
    state = gan_jax.init_state(gan, jax.random.key(0), batch_at(data, jnp.int32(0)))
    state, _ = gan_jax.train_steps(gan, state, data, 500)
    state, metrics = gan_jax.train_steps(gan, state, data, 1000)
    assert abs(metrics["d/sign_real"] - 0.4) < 0.05
    assert 0.1 < state.scalars["augments"][0]["strength"].value < 2


def test_levels_are_trained_in_stages_and_then_together():
    """The joint GAN begins with the weights of the stages, and makes what they make."""
    _, _, state = first("joint")
    top, bottom = (trained(name)[0] for name in ("top", "bottom"))
    params = Pair(
        *(
            {"top": t.params, "bottom": b.params}
            for t, b in zip(top.players, bottom.players, strict=True)
        )
    )
    state = state.replace(
        generator=state.generator.replace(params=params.generator),
        discriminator=state.discriminator.replace(params=params.discriminator),
    )
    z, y = jax.random.normal(jax.random.key(3), (6, 8)), jnp.arange(6) % 3
    made = gan_jax.generate(JOINT, state, z, y)
    h = gan_jax.generate(TOP, top, z[:, :4], y)
    np.testing.assert_allclose(made["h"], h, rtol=1e-5, atol=1e-6)
    x = gan_jax.generate(BOTTOM, bottom, z[:, 4:], h)
    np.testing.assert_allclose(made["x"], x, rtol=1e-5, atol=1e-6)
    encoder = jax.tree.map(np.asarray, state.frozen)
    state, metrics = gan_jax.train_steps(JOINT, state, CASES["joint"][1], 20)
    jax.tree.map(np.testing.assert_array_equal, state.frozen, encoder)
    assert metrics["g/conditional"] < first_metrics("joint")["g/conditional"]


def first_metrics(name):
    gan, data, state = first(name)
    return gan_jax.train_steps(gan, state, data, 1)[1]


def test_the_temperature_of_the_relaxed_samples_falls():
    gan, _, state = first("gumbel")
    now = [
        float(bind(gan, state.scalars, jnp.int32(t)).generator.numbers["temperature"])
        for t in (0, 5, 10, 99)
    ]
    np.testing.assert_allclose(now, [2.0, 1.25, 0.5, 0.5])
    sample = gan_jax.sample(gan, state, jax.random.key(0), n=3)
    assert sample.shape == (3, 4, 5) and set(np.unique(sample)) == {0.0, 1.0}


def test_the_score_function_gradient_is_that_of_the_expected_reward():
    """One token of three words, a reward that depends on the word alone: the gradient of
    ``-sum_k p_k reward_k`` by the logits, from 40,000 samples.
    """
    b = 40_000
    gan = shapes.writing(by_gumbel=False, length=1, words=3)
    batch = Batch(np.zeros((1, b, 1), np.int32), np.zeros((1, b), np.int32))
    state = gan_jax.init_state(gan, jax.random.key(0), batch)
    bound = bind(gan, state.scalars, state.step)
    real = Batch(jax.nn.one_hot(batch.x[0], 3), batch.y[0])
    params = state.generator.params
    still = jax.tree.map(jnp.zeros_like, params["Writer_0"]["Dense_0"])
    bias = jnp.array([0.5, -0.2, 0.1])
    params = {"Writer_0": {"Dense_0": {"kernel": still["kernel"], "bias": bias}}}
    players = Pair(state.generator.replace(params=params), state.discriminator)
    counts = Pair(state.step, state.step)
    update = Update(bound, players, real, jax.random.key(2), counts, {})
    (slope,), computed = gradients(update, G)
    words = jax.nn.one_hot(jnp.arange(3)[:, None], 3)
    variables = state.discriminator.variables()
    reward = gan.discriminator.network.apply(
        variables, words, jnp.zeros(3, jnp.int32), train=True
    ).score
    exact = jax.grad(lambda bias: -jnp.sum(jax.nn.softmax(bias) * reward))(bias)
    error = np.abs(slope["Writer_0"]["Dense_0"]["bias"] - exact)
    assert np.all(error < 4 * np.abs(reward).max() / b**0.5), error
    # The baseline has moved a tenth of the way to the expected reward.
    expected = 0.1 * jnp.sum(jax.nn.softmax(bias) * reward)
    np.testing.assert_allclose(
        computed.players.generator.terms["reinforce"].memory, expected, atol=1e-3
    )


def test_the_cycle_closes_and_the_pool_fills():
    gan, data, state = first("domains")
    state, _ = gan_jax.train_steps(gan, state, data, 300)
    _, metrics = gan_jax.train_steps(gan, state, data, 20)
    assert metrics["g/cycle"] < 0.5 * first_metrics("domains")["g/cycle"]
    pool = trained("domains")[0].discriminator.memory
    assert all(np.any(np.asarray(a) != 0, axis=1).sum() >= B for a in pool.values())


def test_a_point_is_found_again_in_w(tmp_path):
    """Gradient descent on w through the frozen synthesis, for several points at once; interrupted,
    as a population of restarts, and with the points divided over devices.
    """
    gan, (state, _) = CASES["style"][0], trained("style")
    make = functools.partial(gan_jax.generate, gan, state, method="synthesis")
    z = jax.random.normal(jax.random.key(5), (8, 3))
    y = jnp.zeros(8, jnp.int32)
    target = make(gan_jax.generate(gan, state, z, y, method="mapping"), y)
    optimizer = optax.adam(0.05)
    objective = lambda w: jnp.sum(jnp.square(make(w, y) - target))

    @functools.partial(jax.jit, static_argnums=1)
    def descend(carry, n):
        def step(carry, _):
            w, opt_state = carry
            updates, opt_state = optimizer.update(jax.grad(objective)(w), opt_state)
            return (optax.apply_updates(w, updates), opt_state), None

        return jax.lax.scan(step, carry, length=n)[0]

    begin = lambda w: (w, optimizer.init(w))
    start = begin(jnp.zeros((8, 4)))
    whole = descend(start, 400)
    assert objective(whole[0]) < 1e-3 * objective(start[0])

    with checkpoint.Writer(tmp_path, keep=1) as writer:
        writer.save(200, descend(start, 200))
    again = descend(checkpoint.restore(tmp_path, 200, start), 200)
    np.testing.assert_array_equal(again[0], whole[0])

    restarts = jnp.stack([jnp.zeros((8, 4)), jax.random.normal(jax.random.key(6), (8, 4))])
    many = jax.vmap(lambda w: descend(begin(w), 400))(restarts)
    np.testing.assert_allclose(many[0][0], whole[0], rtol=1e-3, atol=1e-4)
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
    rows = NamedSharding(mesh, PartitionSpec("batch"))
    shared = descend(begin(jax.device_put(jnp.zeros((8, 4)), rows)), 400)
    np.testing.assert_allclose(shared[0], whole[0], rtol=1e-3, atol=1e-4)
