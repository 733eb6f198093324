"""The step: its mathematics, its determinism, and the same result on one device, sharded, and under
pmap.
"""

import dataclasses
import functools

import flax.jax_utils
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gans import SHAPE, arrays, random_batch, small_dcgan, small_mlp
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import gan_jax
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.engine.trained import generate, sample
from gan_jax.modality import to_float
from gan_jax.models import mlp
from gan_jax.nn.heads import UnconditionalHead
from gan_jax.parts.augment import AUGMENTS
from gan_jax.parts.priors import Normal
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.parts.regularizers.gradients import squared_gradient_norm
from gan_jax.types import Augment, Batch, Loss, Regularizer, Term

SIDES = ("generator", "discriminator")
MEANS = Loss(lambda real, fake: fake.mean() - real.mean(), lambda real, fake: -fake)
R1 = Term("r1", REGULARIZERS["r1"](), 0.5)


def noise(strength):
    return Augment("instance_noise", AUGMENTS["instance_noise"].apply, strength)


class Scores(nn.Module):
    """A discriminator that gives plain scores."""

    @nn.compact
    def __call__(self, x, y, *, train):
        return nn.Dense(1)(x.reshape(len(x), -1))[:, 0]


def run(gan, batches, seed=0):
    state = init_state(gan, jax.random.key(seed), batches[0])
    for batch in batches:
        state, metrics = train_step(gan, state, batch)
    return state, metrics


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_one_step_is_gradient_descent_on_both_objectives(strength):
    """Written out by hand for the MLP: D descends its loss, then G descends its own against the new
    D. With noise, R1 sees the same of it as the scores.
    """
    gan, batch = small_mlp(d={"terms": (R1,)}, augments=(noise(strength),)), random_batch()
    state = init_state(gan, jax.random.key(0), batch)
    g, d = (jax.tree.map(jnp.copy, p.params) for p in (state.generator, state.discriminator))
    key = jax.random.fold_in(state.key, 0)
    x, y = to_float(jnp.asarray(batch.x[0])), batch.y[0]
    z = lambda i: jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, i), 0), (8, 4))
    score = lambda params, x: (
        gan.discriminator.network.apply({"params": params}, x, y, train=True).score
    )
    fake = lambda params, i: gan.generator.network.apply({"params": params}, z(i), y, train=True)

    def view(x, i, kind):
        keys = functools.reduce(jax.random.fold_in, (i, 1, kind, 0), key)
        return x + strength * jax.random.normal(keys, x.shape)

    def d_objective(params):
        seen = view(x, 0, 0)
        slope = jax.vmap(jax.grad(lambda x: score(params, x[None])[0]))(seen)
        r1 = 0.5 * jnp.mean(jnp.sum(slope**2, axis=(1, 2, 3)))
        return (
            -jnp.mean(
                jnp.log(jax.nn.sigmoid(score(params, seen)))
                + jnp.log(1 - jax.nn.sigmoid(score(params, view(fake(g, 0), 0, 1))))
            )
            + 0.5 * r1
        )

    def g_objective(params):
        return -jnp.mean(jnp.log(jax.nn.sigmoid(score(d, view(fake(params, 1), 1, 1)))))

    d = jax.tree.map(lambda p, s: p - 0.1 * s, d, jax.jit(jax.grad(d_objective))(d))
    g = jax.tree.map(lambda p, s: p - 0.1 * s, g, jax.jit(jax.grad(g_objective))(g))
    state, _ = train_step(gan, state, batch)
    for player, expected in zip(state.players, (g, d), strict=True):
        assert_close(player.params, expected, rtol=1e-4, atol=1e-6)


def test_r1_shares_the_forward_pass_of_the_scores():
    """In floating-point operations of the compiled step: with noise, R1 costs what it costs without
    noise, where another view of its own costs one more pass through D.
    """
    batch, of_its_own = (
        random_batch(b=32),
        lambda context: lambda x: context.discriminate(x, context.real.y),
    )
    other_view = Regularizer(
        tuple,
        lambda memory, context: (
            0.5 * squared_gradient_norm(of_its_own(context), context.real.x),
            memory,
        ),
    )
    network = mlp.Discriminator(UnconditionalHead(), width=64)

    def flops(lowered):
        return lowered.compile().cost_analysis()["flops"]

    def cost(*regularizers, **changes):
        terms = tuple(Term("r1", regularizer, 0.5) for regularizer in regularizers)
        gan = small_mlp(d={"network": network, "terms": terms}, **changes)
        state = jax.eval_shape(lambda: init_state(gan, jax.random.key(0), batch))
        return flops(train_step.lower(gan, state, batch))

    x, y = jnp.zeros((32, *SHAPE)), batch.y[0]
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), x, y, train=True))
    forward = flops(jax.jit(functools.partial(network.apply, train=True)).lower(variables, x, y))
    noisy = {"augments": (noise(0.5),)}
    plain = cost(R1.regularizer) - cost()
    assert cost(R1.regularizer, **noisy) - cost(**noisy) < plain + 0.1 * forward
    assert cost(other_view, **noisy) - cost(**noisy) > plain + 0.9 * forward


@pytest.mark.parametrize("joint", [False, True])
def test_sharded_and_pmapped_steps_give_the_one_device_result(joint):
    gan = small_dcgan(joint=joint, d={"terms": (dataclasses.replace(R1, every=2),)})
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
    assert_close((state, metrics), (expected, expected_metrics), rtol=2e-4, atol=2e-4)

    state = init_state(gan, jax.random.key(0), batches[0])
    states = flax.jax_utils.replicate(state)  # as README says
    step = jax.pmap(
        functools.partial(gan_jax.train_step, gan, axis_name="batch"), axis_name="batch"
    )
    for batch in batches:
        states, metrics = step(
            states, jax.tree.map(lambda a: np.stack(np.split(a, 4, axis=1)), batch)
        )
    for device in range(4):
        assert_close(
            jax.tree.map(lambda a, i=device: a[i], (states, metrics)),
            (expected, expected_metrics),
            rtol=2e-4,
            atol=2e-4,
        )


def assert_close(actual, expected, **tolerances):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, e in zip(arrays(actual), arrays(expected), strict=True):
        np.testing.assert_allclose(a, e, **tolerances)


def test_batch_norm_sees_real_and_fake_together_or_apart():
    batch = random_batch()
    (_, apart), (_, joint) = (run(small_dcgan(joint=joint), [batch]) for joint in (False, True))
    assert abs(apart["d/loss"] - joint["d/loss"]) > 1e-4
    (_, apart), (_, joint) = (run(small_mlp(joint=joint), [batch]) for joint in (False, True))
    np.testing.assert_allclose(apart["d/loss"], joint["d/loss"], rtol=1e-6)


def test_the_discriminator_is_updated_d_steps_times():
    gan = small_mlp(d={"optimizer": optax.adam(1e-3)})
    state, _ = run(gan, [random_batch(i, d_steps=3) for i in range(2)])
    assert state.discriminator.opt_state[0].count == 6
    assert state.step == 2


def test_a_lazy_term_is_evaluated_when_due_and_weighted_by_its_interval():
    """With SGD, a term of weight w at every 2nd step moves D, on its steps, as one of weight 2w at
    every step.
    """
    batches = [random_batch(i) for i in range(2)]
    lazy, eager, none = (
        small_mlp(d={"terms": terms})
        for terms in (
            (Term("r1", R1.regularizer, 3.0, every=2),),
            (Term("r1", R1.regularizer, 6.0),),
            (),
        )
    )
    first = [run(gan, batches[:1])[0].discriminator.params for gan in (lazy, eager)]
    assert_close(*first, rtol=1e-5, atol=1e-7)
    state, metrics = run(lazy, batches)
    assert metrics["d/r1"] == run(lazy, batches[:1])[1]["d/r1"] > 0

    before, _ = run(lazy, batches[:1])
    bare = before.replace(discriminator=before.discriminator.replace(terms={}))
    expected, _ = train_step(none, bare, batches[1])
    assert_close(state.discriminator.params, expected.discriminator.params, rtol=1e-6)


def test_a_regularizer_written_by_a_user_keeps_its_memory():
    count = Regularizer(
        lambda: jnp.zeros((), jnp.int32),
        lambda memory, context: (0 * context.real_critique.score, memory + 1),
    )
    state, _ = run(
        small_mlp(d={"terms": (Term("count", count, 1.0),)}),
        [random_batch(i, d_steps=2) for i in range(3)],
    )
    assert state.discriminator.terms["count"].memory == 6


def test_steps_are_deterministic_and_depend_on_the_seed():
    batches = [random_batch(i) for i in range(3)]
    first, second, other = (
        run(small_dcgan(), batches)[0],
        run(small_dcgan(), batches)[0],
        run(small_dcgan(), batches, seed=1)[0],
    )
    assert all((a == b).all() for a, b in zip(arrays(first), arrays(second), strict=True))
    averages = (arrays(state.generator.average) for state in (first, other))
    assert any((a != b).any() for a, b in zip(*averages, strict=True))


def test_equal_gans_share_one_compilation():
    before = train_step._cache_size()
    gan = small_mlp(prior=Normal(5))
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


@pytest.mark.parametrize("warm_up", [0.05, None])
@pytest.mark.parametrize("side", SIDES)
def test_moving_average_has_its_half_life(side, warm_up):
    """After the warm-up, which may be none, the weight of the present in the average halves with
    every so many images.
    """
    still = {"optimizer": optax.sgd(0.0), "average": 0.0}
    sides = dict.fromkeys(SIDES, still) | {side: still | {"average": 16.0, "warm_up": warm_up}}
    gan, batch = small_mlp(*sides.values()), random_batch(b=8)
    state = init_state(gan, jax.random.key(0), batch)
    assert sum(player.average is not None for player in state.players) == 1
    player = getattr(state, side)
    player = player.replace(average=jax.tree.map(jnp.zeros_like, player.average))
    step = 0 if warm_up is None else 10_000
    state = state.replace(step=jnp.int32(step), **{side: player})
    for _ in range(4):
        state, _ = train_step(gan, state, batch)
    player = getattr(state, side)
    expected = jax.tree.map(lambda p: 0.75 * p, player.params)
    assert_close(player.average["params"], expected, rtol=1e-5)


@pytest.mark.parametrize("copied", [False, True])
def test_statistics_of_the_average_are_averaged_or_copied(copied):
    """Of the batch norm of either player, whose half-life is the same."""
    own = {"average": 8.0, "warm_up": None, "copied": ("batch_stats",) if copied else ()}
    gan, batch = small_dcgan(own, own), random_batch()
    state = init_state(gan, jax.random.key(0), batch)
    first = jax.tree.map(jnp.copy, [player.stats for player in state.players])
    state, _ = train_step(gan, state, batch)
    for player, old in zip(state.players, first, strict=True):
        half = jax.tree.map(lambda a, b: (a + b) / 2, old, player.stats)
        average = {name: player.average[name] for name in player.stats}
        assert list(average) == ["batch_stats"]
        assert_close(average, player.stats if copied else half, rtol=1e-6, atol=1e-7)
        assert not np.allclose(arrays(average)[0], arrays(half if copied else player.stats)[0])


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
        images,
        gan.generator.network.apply(state.generator.average, z, labels, train=False),
        atol=1e-6,
    )
    np.testing.assert_array_equal(images, generate(gan, state, z, labels))
    z, twelve = jax.random.normal(jax.random.key(3), (12, 4)), jnp.arange(12) % 10
    in_turn = sample(gan, state, jax.random.key(3), n=12)
    np.testing.assert_array_equal(in_turn[10:], generate(gan, state, z, twelve)[10:])

    plain = small_dcgan(g={"average": 0.0})
    state, _ = run(plain, [random_batch()])
    weights = {"params": state.generator.params, **state.generator.stats}
    assert state.generator.average is None
    np.testing.assert_allclose(
        sample(plain, state, jax.random.key(3), n=12),
        plain.generator.network.apply(weights, z, twelve, train=False),
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


@pytest.mark.parametrize(
    "changes, shape, words",
    [
        ({}, (28, 28, 1), r"batch.x: images must have the shape \[8, 8, 1\], not \[28, 28, 1\]"),
        ({"g": {"network": mlp.Generator((4, 4, 1))}}, SHAPE, r"generator: .* not \[4, 4, 1\]"),
        (
            {"d": {"network": Scores()}},
            SHAPE,
            "discriminator Scores must return a gan_jax.Critique, .*, not an array",
        ),
        (
            {"loss": MEANS},
            SHAPE,
            r"loss: d must return one loss per score, of shape \[8\], not \[\]",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_in_one_sentence(changes, shape, words):
    gan, batch = small_mlp(**changes), random_batch(shape=shape)
    with pytest.raises(gan_jax.ConfigError, match=words) as refusal:
        jax.eval_shape(lambda: train_step(gan, init_state(gan, jax.random.key(0), batch), batch))
    assert "\n" not in str(refusal.value)
