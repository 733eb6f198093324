"""What is logged of a state's health, against direct computations."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict

from gan_jax import Config, Network, build, init_state
from gan_jax.data.splits import held_out_split
from gan_jax.devices import parallel
from gan_jax.engine import scalars
from gan_jax.engine.objectives import Update
from gan_jax.engine.train_step import train_step
from gan_jax.engine.update import gradients
from gan_jax.health.diagnostics import diagnose, diversity, recognized_classes
from gan_jax.parts.dynamics import DYNAMICS
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.training import diagnosing
from gan_jax.training.stepping import stepper
from gan_jax.types import Batch, Critique, Pair, Term
from tests.gans import random_batch, small_dcgan, small_mlp


def diagnosed(gan, state, *batches):
    return {
        name.removeprefix("diagnostics/"): float(v)
        for name, v in diagnose(gan, state, *batches).items()
    }


def trained(gan, batch, steps=3):
    state = init_state(gan, jax.random.key(1), batch)
    for _ in range(steps):
        state, _ = train_step(gan, state, batch)
    return state


def flat(tree):
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(tree)])


@pytest.mark.parametrize("r1", [0.0, 2.0])
def test_norms_and_cosines_are_those_of_plain_gradients(r1):
    """Against losses written out here, and SGD done by hand."""
    terms = (Term("r1", REGULARIZERS["r1"](), r1, every=4),) if r1 else ()
    gan, batch = small_mlp(d={"terms": terms}), random_batch()
    state = trained(gan, batch)
    key = jax.random.fold_in(jax.random.fold_in(state.key, state.step), 0)
    z = gan.prior.draw(jax.random.fold_in(key, 0), 8)
    x, y = jnp.float32(batch.x[0]) / 127.5 - 1, batch.y[0]

    def score(d, x):
        return gan.discriminator.network.apply({"params": d}, x, y, train=True).score

    def d_loss(d, g):
        fake = gan.generator.network.apply({"params": g}, z, y, train=True)
        slope = jax.grad(lambda x: score(d, x).sum())(x)
        penalty = (
            r1 * 0.5 * jnp.mean(jnp.sum(slope**2, (1, 2, 3)))
        )  # at its plain weight, whenever it is due
        return jnp.mean(jax.nn.softplus(-score(d, x)) + jax.nn.softplus(score(d, fake))) + penalty

    def g_loss(g, d):
        fake = gan.generator.network.apply({"params": g}, z, y, train=True)
        return jnp.mean(jax.nn.softplus(-score(d, fake)))

    slopes = jax.jit(lambda g, d: (jax.grad(g_loss)(g, d), jax.grad(d_loss)(d, g)))
    g, d = state.generator.params, state.discriminator.params
    before = slopes(g, d)
    g, d = (
        jax.tree.map(lambda w, s: w - 0.1 * s, p, slope)
        for p, slope in zip((g, d), before, strict=True)
    )
    after = slopes(g, d)
    found = diagnosed(gan, state, batch)
    for name, a, b in zip("gd", map(flat, before), map(flat, after), strict=True):
        assert found[f"{name}_grad_norm"] == pytest.approx(np.linalg.norm(a), rel=1e-4)
        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert found[f"{name}_grad_cosine"] == pytest.approx(cosine, abs=1e-4)
        assert cosine < 0.9999


def test_the_gradients_are_those_of_the_next_step():
    gan, batch = small_dcgan(), random_batch()
    state = trained(gan, batch)
    found = diagnosed(gan, state, batch)
    key = jax.random.fold_in(jax.random.fold_in(state.key, state.step), 0)
    real = Batch(jnp.float32(batch.x[0]) / 127.5 - 1, batch.y[0])
    now = scalars.bind(gan, state.scalars, state.step)
    counts = Pair(state.step, state.step)

    @functools.partial(jax.jit, static_argnums=1)
    def norm(players, side):
        update = Update(now, players, real, key, counts, state.frozen)
        return optax.tree.norm(gradients(update, side)[0])

    for side, name in enumerate("gd"):
        assert found[f"{name}_grad_norm"] == pytest.approx(
            float(norm(state.players, side)), rel=1e-4
        )


def test_a_huge_step_turns_the_gradient():
    batch = random_batch()
    small, large = (small_mlp(*[{"optimizer": optax.sgd(lr)}] * 2) for lr in (1e-4, 30.0))
    state = trained(small_mlp(), batch)
    assert diagnosed(small, state, batch)["d_grad_cosine"] > 0.9999
    assert diagnosed(large, state, batch)["d_grad_cosine"] < 0.9


class MeanPixel(nn.Module):
    """A discriminator whose score is the mean of an image, and a bias for the optimizer."""

    @nn.compact
    def __call__(self, x, y, *, train):
        return Critique(x.mean((1, 2, 3)) + self.param("bias", nn.initializers.zeros, ()))


def test_accuracies_scores_and_ranking_by_construction():
    gan = small_mlp(d={"network": MeanPixel()})
    x = np.zeros((1, 8, 8, 8, 1), np.uint8)
    x[0, :6] = 255  # six of eight real scores are 1, the others -1
    held_out = np.full_like(x, 255)
    held_out[0, :4] = 0
    y = np.zeros((1, 8), np.int32)
    state = init_state(gan, jax.random.key(0), Batch(x, y))
    found = diagnosed(gan, state, Batch(x, y), Batch(held_out, y))
    assert found["d_accuracy_real"] == 0.75 and found["d_accuracy_held_out"] == 0.5
    assert found["d_score_real"] == pytest.approx(0.5) and found[
        "d_score_real_std"
    ] == pytest.approx(0.75**0.5)
    assert found["d_score_held_out"] == pytest.approx(0, abs=1e-6) and found[
        "d_score_held_out_std"
    ] == pytest.approx(1)
    # The scores of all fakes lie strictly between -1 and 1, so that exactly the pairs with a real
    # score of 1 are in order.
    assert found["d_ranking"] == 0.75
    assert 0 <= found["d_accuracy_fake"] <= 1 and abs(found["d_score_fake"]) < 1
    assert not any("held_out" in name for name in diagnosed(gan, state, Batch(x, y)))


def test_held_out_examples_in_the_place_of_the_real_ones_score_the_same():
    gan, batch = small_dcgan(joint=True), random_batch()
    found = diagnosed(gan, trained(gan, batch), batch, batch)
    for name in ("d_accuracy_", "d_score_"):
        assert found[name + "held_out"] == found[name + "real"]


def test_diversity_is_the_ratio_of_mean_distances():
    rng = np.random.default_rng(0)
    fake, real = rng.normal(size=(2, 10, 4, 4, 1)).astype(np.float32) * np.array(
        [0.5, 2.0]
    ).reshape(2, 1, 1, 1, 1)
    fake, real = fake.astype(np.float32), real.astype(np.float32)

    def mean(x, pairs):
        return np.mean([np.linalg.norm(x[i] - x[j]) for i, j in pairs])

    pairs = [(i, j) for i in range(10) for j in range(i)]
    assert diversity(fake, real) == pytest.approx(mean(fake, pairs) / mean(real, pairs), rel=1e-5)
    labels = np.arange(10) % 3
    same = [(i, j) for i, j in pairs if labels[i] == labels[j]]
    assert diversity(fake, real, labels) == pytest.approx(
        mean(fake, same) / mean(real, same), rel=1e-5
    )
    by_label = labels.reshape(-1, 1, 1, 1) * np.ones((10, 4, 4, 1), np.float32)
    assert diversity(by_label, real) > 0.1 and diversity(by_label, real, labels) < 1e-3
    assert diversity(fake, real, np.arange(10)) == pytest.approx(
        float(diversity(fake, real))
    )  # no label twice
    assert diversity(np.full((10, 2), 0.7, np.float32), real.reshape(10, -1)[:, :2]) < 1e-3


def test_largest_singular_values_are_those_of_numpy():
    gan = build(
        Config(
            generator=Network("sngan", width=4, base=4),
            discriminator=Network("sngan", width=8, base=4),
            conditioning="projection",
            batch_size=8,
        )
    )
    batch = random_batch()
    state = init_state(gan, jax.random.key(0), batch)
    stats = state.discriminator.stats

    @jax.jit
    def call(stats):
        inputs = jnp.zeros((2, 8, 8, 1)), jnp.zeros(2, jnp.int32)
        variables = {"params": state.discriminator.params, **stats}
        return gan.discriminator.network.apply(
            variables, *inputs, train=True, mutable=["spectral"]
        )[1]

    for _ in range(300):  # the power method converges only as calls in training go by
        stats = call(stats)
    state = state.replace(discriminator=state.discriminator.replace(stats=stats))
    found = diagnosed(gan, state, batch)
    kernels = {
        "/".join(p): w for p, w in flatten_dict(state.discriminator.params).items() if w.ndim > 1
    }
    expected = {
        p.removesuffix("/kernel"): np.linalg.svd(w.reshape(-1, w.shape[-1]))[1][0]
        for p, w in kernels.items()
    }
    sigmas = {
        name.removeprefix("d_sigma/"): v for name, v in found.items() if name.startswith("d_sigma/")
    }
    assert sigmas == pytest.approx(expected, rel=1e-3)
    assert found["d_sigma_max"] == max(sigmas.values())


def test_distance_of_the_moving_average():
    gan, batch = small_mlp(), random_batch()
    state = trained(gan, batch)
    a, b = flat(state.generator.params), flat(state.generator.average["params"])
    assert diagnosed(gan, state, batch)["ema_distance"] == pytest.approx(
        np.linalg.norm(a - b) / np.linalg.norm(a), rel=1e-5
    )
    without = small_mlp(g={"average": 0.0})
    assert "ema_distance" not in diagnosed(
        without, init_state(without, jax.random.key(0), batch), batch
    )


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_works_with_all_dynamics_and_changes_nothing(dynamics):
    gan, batch = small_dcgan(dynamics=DYNAMICS[dynamics]()), random_batch(d_steps=2)
    state = trained(gan, batch, 1)
    before = jax.device_get(state.generator)
    found = diagnosed(gan, state, batch, random_batch(1))
    assert all(np.isfinite(value) for value in found.values())
    jax.tree.map(np.testing.assert_array_equal, before, jax.device_get(state.generator))
    if dynamics != "alternating":  # plain gradients, whatever the players make of them
        alike = dataclasses.replace(gan, dynamics=None)
        state = state.replace(scalars=scalars.encode(alike))
        assert diagnosed(alike, state, batch, random_batch(1)) == pytest.approx(found, rel=1e-5)


def test_parts_of_a_minibatch_give_the_numbers_of_the_whole():
    """Without batch norm, as for the training step."""
    gan, batch = small_mlp(), random_batch()
    state, held_out = trained(gan, batch), random_batch(1)
    whole = diagnosed(gan, state, batch, held_out)
    parts = diagnosed(dataclasses.replace(gan, micro_batches=4), state, batch, held_out)
    assert parts == pytest.approx(whole, rel=1e-3, abs=1e-5)


def test_many_members_at_once_and_a_divided_batch():
    gan, batch, held_out = small_dcgan(), random_batch(), random_batch(1)
    states = [trained(gan, random_batch(i)) for i in range(2)]
    keyless = [s.replace(key=jax.random.key_data(s.key)) for s in states]
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *keyless)
    stacked = stacked.replace(key=jax.random.wrap_key_data(stacked.key))
    together = jax.vmap(lambda state: diagnose(gan, state, batch, held_out))(stacked)
    mesh = parallel.mesh(8)
    for i, state in enumerate(states):
        alone = diagnose(gan, state, batch, held_out)
        divided = diagnose(
            gan,
            jax.device_put(state, parallel.replicated(mesh)),
            *jax.device_put((batch, held_out), parallel.split(mesh)),
        )
        for name, value in alone.items():
            np.testing.assert_allclose(together[name][i], value, rtol=2e-3, atol=1e-4)
            np.testing.assert_allclose(divided[name], value, rtol=2e-3, atol=1e-4)


def test_classes_that_a_recognizer_sees():
    class Recognizer(nn.Module):
        def __call__(
            self, x, *, train
        ):  # the class is the sign of the first pixel, of four classes
            return None, jnp.stack(
                [x[:, 0, 0, 0], -x[:, 0, 0, 0], 0 * x[:, 0, 0, 0] - 9, 0 * x[:, 0, 0, 0] - 9], 1
            )

    gan, batch = small_mlp(g={"average": 0.0}), random_batch()
    state, z = (
        init_state(gan, jax.random.key(0), batch),
        jax.random.normal(jax.random.key(2), (64, 4)),
    )
    x = gan.generator.network.apply(
        {"params": state.generator.params}, z, jnp.zeros(64, jnp.int32), train=False
    )
    shares = np.bincount(np.asarray(x[:, 0, 0, 0]) < 0, minlength=2) / 64
    found = recognized_classes(gan, Recognizer(), state, {}, z, jnp.zeros(64, jnp.int32))
    assert 0 < shares[0] < 1 and found["diagnostics/classes_seen"] == 2
    assert found["diagnostics/class_entropy"] == pytest.approx(
        -np.sum(shares * np.log(shares)), rel=1e-5
    )
    assert found["diagnostics/class_share_max"] == pytest.approx(shares.max())


def test_due_with_the_first_line_at_or_after_each_multiple():
    due = lambda **numbers: [
        step
        for step in range(1, 51)
        if diagnosing.due(dataclasses.replace(Config(steps=50), **numbers), step)
    ]
    assert due(log_every=10, diagnose_every=20) == [20, 40]
    assert due(log_every=20, diagnose_every=15) == [20, 40, 50]  # 15; 30; 45 by the last line
    assert due(log_every=1, diagnose_every=25) == [25, 50]
    assert due(log_every=20, diagnose_every=1) == [20, 40, 50]
    assert due(log_every=10, diagnose_every=0) == []


def test_examples_are_held_out_only_where_nothing_was_learned_from_them():
    split = lambda **numbers: held_out_split(
        dataclasses.replace(Config(), **numbers), labelled=False
    )
    assert split() == "test" and split(split="train[:50%]") == "test"
    assert split(split="train+test[:10%]") is None and split(split="test") is None


def test_streamed_and_resident_examples_are_the_same(monkeypatch):
    config = Config(
        generator=Network("mlp"), discriminator=Network("mlp"), batch_size=16, d_steps=2, steps=400
    )
    gan, mesh = build(config), parallel.mesh(16)
    state = init_state(gan, jax.random.key(0), random_batch(d_steps=2, b=16)).replace(
        step=jnp.int32(150)
    )
    state = jax.device_put(state, parallel.replicated(mesh))
    run = lambda: diagnosing.diagnosis(gan, config, mesh, stepper(gan, config, mesh, 0))(state)
    resident = run()
    monkeypatch.setattr("gan_jax.training.stepping._fits", lambda dataset: False)
    streamed = run()
    assert resident.keys() == streamed.keys() and "diagnostics/d_accuracy_held_out" in resident
    for name in resident:
        np.testing.assert_array_equal(resident[name], streamed[name])
