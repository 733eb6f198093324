"""The step: its mathematics, its determinism, and the same result on one device, sharded, and under
pmap.
"""

import dataclasses
import functools

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gans import SHAPE, arrays, random_batch, small_dcgan, small_mlp
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import gan_jax
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import generate, sample, train_step
from gan_jax.modality import to_float
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.types import Batch, Regularizer, Term

R1 = Term("r1", REGULARIZERS["r1"](), 0.5)


def run(gan, batches, seed=0):
    state = init_state(gan, jax.random.key(seed), batches[0])
    for batch in batches:
        state, metrics = train_step(gan, state, batch)
    return state, metrics


def test_one_step_is_gradient_descent_on_both_objectives():
    """Written out by hand for the MLP: D descends its loss, then G descends its own against the new
    D.
    """
    gan, batch = small_mlp(d_terms=(R1,)), random_batch()
    state = init_state(gan, jax.random.key(0), batch)
    g, d = (jax.tree.map(jnp.copy, p.params) for p in (state.generator, state.discriminator))
    key = jax.random.fold_in(state.key, 0)
    x, y = to_float(jnp.asarray(batch.x[0])), batch.y[0]
    z = lambda i: jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, i), 0), (8, 4))
    score = lambda params, x: gan.discriminator.apply({"params": params}, x, y, train=True).score
    fake = lambda params, i: gan.generator.apply({"params": params}, z(i), y, train=True)

    def d_objective(params):
        slope = jax.vmap(jax.grad(lambda x: score(params, x[None])[0]))(x)
        r1 = 0.5 * jnp.mean(jnp.sum(slope**2, axis=(1, 2, 3)))
        return (
            -jnp.mean(
                jnp.log(jax.nn.sigmoid(score(params, x)))
                + jnp.log(1 - jax.nn.sigmoid(score(params, fake(g, 0))))
            )
            + 0.5 * r1
        )

    def g_objective(params):
        return -jnp.mean(jnp.log(jax.nn.sigmoid(score(d, fake(params, 1)))))

    d = jax.tree.map(lambda p, s: p - 0.1 * s, d, jax.grad(d_objective)(d))
    g = jax.tree.map(lambda p, s: p - 0.1 * s, g, jax.grad(g_objective)(g))
    state, _ = train_step(gan, state, batch)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6),
        state.discriminator.params,
        d,
    )
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6),
        state.generator.params,
        g,
    )


@pytest.mark.parametrize("joint", [False, True])
def test_sharded_and_pmapped_steps_give_the_one_device_result(joint):
    gan = small_dcgan(joint=joint, d_terms=(dataclasses.replace(R1, every=2),))
    batches = [random_batch(i, d_steps=2, b=16) for i in range(3)]
    expected, expected_metrics = run(gan, batches)

    mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
    state = jax.device_put(
        init_state(gan, jax.random.key(0), batches[0]), NamedSharding(mesh, PartitionSpec())
    )
    for batch in batches:
        state, metrics = train_step(
            gan, state, jax.device_put(batch, NamedSharding(mesh, PartitionSpec(None, "batch")))
        )
    assert_close((state, metrics), (expected, expected_metrics))

    state = init_state(gan, jax.random.key(0), batches[0])
    states = jax.tree.map(lambda a: jnp.stack([a] * 4), state)
    step = jax.pmap(
        functools.partial(gan_jax.train_step, gan, axis_name="batch"), axis_name="batch"
    )
    for batch in batches:
        states, metrics = step(
            states, jax.tree.map(lambda a: np.stack(np.split(a, 4, axis=1)), batch)
        )
    for device in range(4):
        assert_close(
            jax.tree.map(lambda a, i=device: a[i], (states, metrics)), (expected, expected_metrics)
        )


def assert_close(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, e in zip(arrays(actual), arrays(expected), strict=True):
        np.testing.assert_allclose(a, e, atol=2e-4, rtol=2e-4)


def test_batch_norm_sees_real_and_fake_together_or_apart():
    batch = random_batch()
    (_, apart), (_, joint) = (run(small_dcgan(joint=joint), [batch]) for joint in (False, True))
    assert abs(apart["d/loss"] - joint["d/loss"]) > 1e-4
    (_, apart), (_, joint) = (run(small_mlp(joint=joint), [batch]) for joint in (False, True))
    np.testing.assert_allclose(apart["d/loss"], joint["d/loss"], rtol=1e-6)


def test_the_discriminator_is_updated_d_steps_times():
    gan = small_mlp(d_optimizer=optax.adam(1e-3))
    state, _ = run(gan, [random_batch(i, d_steps=3) for i in range(2)])
    assert state.discriminator.opt_state[0].count == 6
    assert state.step == 2


def test_a_lazy_term_is_evaluated_when_due_and_weighted_by_its_interval():
    """With SGD, a term of weight w at every 2nd step moves D, on its steps, as one of weight 2w at
    every step.
    """
    batches = [random_batch(i) for i in range(2)]
    lazy, eager, none = (
        small_mlp(d_terms=terms)
        for terms in (
            (Term("r1", R1.regularizer, 3.0, every=2),),
            (Term("r1", R1.regularizer, 6.0),),
            (),
        )
    )
    first = [run(gan, batches[:1])[0].discriminator.params for gan in (lazy, eager)]
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), *first)
    state, metrics = run(lazy, batches)
    assert metrics["d/r1"] == run(lazy, batches[:1])[1]["d/r1"] > 0

    before, _ = run(lazy, batches[:1])
    expected, _ = train_step(none, before.replace(terms={"d": {}, "g": {}}), batches[1])
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-6),
        state.discriminator.params,
        expected.discriminator.params,
    )


def test_a_regularizer_written_by_a_user_keeps_its_memory():
    count = Regularizer(
        lambda: jnp.zeros((), jnp.int32),
        lambda memory, context: (0 * context.real_critique.score, memory + 1),
    )
    state, _ = run(
        small_mlp(d_terms=(Term("count", count, 1.0),)),
        [random_batch(i, d_steps=2) for i in range(3)],
    )
    assert state.terms["d"]["count"].memory == 6


def test_steps_are_deterministic_and_depend_on_the_seed():
    batches = [random_batch(i) for i in range(3)]
    first, second, other = (
        run(small_dcgan(), batches)[0],
        run(small_dcgan(), batches)[0],
        run(small_dcgan(), batches, seed=1)[0],
    )
    assert all((a == b).all() for a, b in zip(arrays(first), arrays(second), strict=True))
    assert any((a != b).any() for a, b in zip(arrays(first.ema), arrays(other.ema), strict=True))


def test_equal_gans_share_one_compilation():
    before = train_step._cache_size()
    gan = small_mlp(latents=5)
    run(gan, [random_batch(0)])
    run(dataclasses.replace(gan), [random_batch(1)])
    assert train_step._cache_size() == before + 1


def test_uint8_and_float_batches_mean_the_same():
    batch = random_batch()
    as_float = Batch(np.asarray(to_float(jnp.asarray(batch.x))), batch.y)
    assert as_float.x.min() == -1 and as_float.x.max() == 1
    for a, b in zip(
        arrays(run(small_mlp(), [batch])[0]), arrays(run(small_mlp(), [as_float])[0]), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_moving_average_has_its_half_life():
    """After the warm-up, the weight of the present in the average halves with every ``ema`` images."""
    gan, batch = (
        small_mlp(ema=16.0, g_optimizer=optax.sgd(0.0), d_optimizer=optax.sgd(0.0)),
        random_batch(b=8),
    )
    state = init_state(gan, jax.random.key(0), batch)
    state = state.replace(step=jnp.int32(10_000), ema=jax.tree.map(jnp.zeros_like, state.ema))
    for _ in range(4):
        state, _ = train_step(gan, state, batch)
    jax.tree.map(
        lambda e, p: np.testing.assert_allclose(e, 0.75 * p, rtol=1e-5),
        state.ema["params"],
        state.generator.params,
    )


def test_samples_come_from_the_moving_average():
    gan = small_dcgan()
    state, _ = run(gan, [random_batch(i) for i in range(2)])
    labels = jnp.arange(5)
    z = jax.random.normal(jax.random.key(3), (5, 4))
    images = sample(gan, state, jax.random.key(3), labels)
    assert (
        images.shape == (5, *SHAPE) and images.dtype == jnp.float32 and jnp.abs(images).max() <= 1
    )
    np.testing.assert_allclose(
        images, gan.generator.apply(state.ema, z, labels, train=False), atol=1e-6
    )
    np.testing.assert_array_equal(images, generate(gan, state, z, labels))
    np.testing.assert_array_equal(sample(gan, state, jax.random.key(3), n=12)[10:], generate(
        gan, state, jax.random.normal(jax.random.key(3), (12, 4)), jnp.arange(12) % 10)[10:])  # fmt: skip

    plain = small_dcgan(ema=0.0)
    state, _ = run(plain, [random_batch()])
    weights = {"params": state.generator.params, **state.generator.stats}
    assert state.ema is None
    np.testing.assert_allclose(
        sample(plain, state, jax.random.key(3), labels),
        plain.generator.apply(weights, z, labels, train=False),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"labels": jnp.arange(3)}, "unconditional"),
        ({}, "labels or n"),
        ({"labels": jnp.arange(3), "n": 3}, "labels or n"),
    ],
)
def test_wrong_calls_of_sample_are_refused(arguments, words):
    state, _ = run(small_mlp(), [random_batch()])
    with pytest.raises(gan_jax.ConfigError, match=words):
        sample(small_mlp(), state, jax.random.key(0), **arguments)


def test_labels_outside_the_classes_are_refused():
    state, _ = run(small_dcgan(), [random_batch()])
    with pytest.raises(gan_jax.ConfigError, match=r"\[0, 10\)"):
        sample(small_dcgan(), state, jax.random.key(0), jnp.array([10]))


def test_a_batch_of_another_shape_is_refused():
    with pytest.raises(gan_jax.ConfigError, match="d_steps, b, 8, 8, 1"):
        init_state(small_mlp(), jax.random.key(0), random_batch(shape=(28, 28, 1)))
