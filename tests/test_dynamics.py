"""How the players move, against closed forms: the Dirac-GAN, where both gradients are known."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gans import arrays, random_batch, small_dcgan, small_mlp
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from gan_jax.build import build
from gan_jax.config import Dynamics, Optimizer, Penalty, Schedule
from gan_jax.engine.gan import init_state
from gan_jax.engine.objectives import _top
from gan_jax.engine.train_step import train_step
from gan_jax.errors import ConfigError
from gan_jax.parts.augment import AUGMENTS
from gan_jax.parts.dynamics import DYNAMICS, consensus, extragradient, simultaneous
from gan_jax.parts.losses import minimax, nonsaturating
from gan_jax.parts.optimizers import tunable
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.recipes import recipe
from gan_jax.studies import dirac
from gan_jax.types import Augment, Pair, Term

LR = 0.1
R1 = Term("r1", REGULARIZERS["r1"](), 0.5, every=2)
sigmoid = lambda s: 1 / (1 + np.exp(-s))


def field(w):
    """Gradients of the minimax game ``min over theta, max over psi of log(1/2) - softplus(psi
    theta)``.
    """
    theta, psi = w
    return np.array([-sigmoid(psi * theta) * psi, sigmoid(psi * theta) * theta])


def steps(n, theta=0.8, psi=-0.4, d_steps=1, optimizer=None, **parts):
    optimizers = Pair(*[optimizer or optax.sgd(LR)] * 2)
    gan = dirac.dirac_gan(minimax, optimizers, **{"dynamics": simultaneous()} | parts)
    data = dirac.batch(d_steps=d_steps)
    state = dirac.placed(init_state(gan, jax.random.key(0), data), theta, psi)
    for _ in range(n):
        state, _ = train_step(gan, state, data)
    return dirac.place(state)


START = np.array([0.8, -0.4])


def test_simultaneous_moves_are_one_step_of_the_field():
    np.testing.assert_allclose(steps(1), START - LR * field(START), rtol=1e-6)


def test_alternating_moves_see_each_other():
    theta, psi = START
    psi = psi - LR * sigmoid(psi * theta) * theta
    theta = theta + LR * sigmoid(psi * theta) * psi
    np.testing.assert_allclose(steps(1, dynamics=None), [theta, psi], rtol=1e-6)


def test_d_moves_alone_first():
    theta, psi = START
    psi = psi - LR * sigmoid(psi * theta) * theta
    w = np.array([theta, psi])
    np.testing.assert_allclose(steps(1, d_steps=2), w - LR * field(w), rtol=1e-6)


def test_extragradient_goes_by_the_gradients_ahead():
    np.testing.assert_allclose(
        steps(1, dynamics=extragradient()), START - LR * field(START - LR * field(START)), rtol=1e-6
    )


def test_extra_adam_updates_its_moments_twice():
    """Gidel et al. 2019, algorithm 4: the moments move at the extrapolation and at the update, from
    the same weights.
    """
    adam, w = optax.adam(LR, b1=0.5, b2=0.9), jnp.asarray(START)
    state = adam.init(w)
    update, state = adam.update(jnp.asarray(field(START)), state)
    update, state = adam.update(jnp.asarray(field(np.asarray(w + update))), state)
    after = steps(1, optimizer=adam, dynamics=extragradient())
    np.testing.assert_allclose(after, w + update, rtol=1e-4)


def test_consensus_descends_the_norm_of_the_field_too():
    h, energy = 1e-5, lambda w: 0.5 * np.sum(field(w) ** 2)
    slope = np.array([(energy(START + h * e) - energy(START - h * e)) / (2 * h) for e in np.eye(2)])
    np.testing.assert_allclose(
        steps(1, dynamics=consensus(2.0)), START - LR * (field(START) + 2.0 * slope), rtol=1e-5
    )


def test_lookahead_returns_both_players_part_of_the_way():
    w = START
    for _ in range(3):
        w = w - LR * field(w)
    parts = dict(lookahead=3, lookahead_rate=0.25)
    np.testing.assert_allclose(steps(2, **parts), steps(2), rtol=1e-6)
    np.testing.assert_allclose(steps(3, **parts), START + 0.25 * (w - START), rtol=1e-5)
    again = START + 0.25 * (w - START)
    end = again
    for _ in range(3):
        end = end - LR * field(end)
    np.testing.assert_allclose(steps(6, **parts), again + 0.25 * (end - again), rtol=1e-5)


def test_negative_momentum():
    """Gidel et al. 2019b, equation 2: ``v <- beta v + gradient``, ``w <- w - lr v``, here with beta
    = -0.5.
    """
    optimizer = tunable("d_optimizer", "sgd", {"learning_rate": LR, "momentum": -0.5})
    w, v = START, 0
    for _ in range(2):
        v = -0.5 * v + field(w)
        w = w - LR * v
    np.testing.assert_allclose(steps(2, optimizer=optimizer), w, rtol=1e-5)


def test_optimistic_gradients_extrapolate_from_the_past():
    """Daskalakis et al. 2018, equation 1: ``w <- w - 2 lr v_t + lr v_(t-1)``."""
    optimizer = tunable("d_optimizer", "optimistic_gradient_descent", {"learning_rate": LR})
    first = START - LR * field(START)  # optax takes the first gradient for its own predecessor
    second = first - 2 * LR * field(first) + LR * field(START)
    after = [steps(n, optimizer=optimizer) for n in (1, 2)]
    np.testing.assert_allclose(after, [first, second], rtol=1e-5)


def test_weights_of_d_are_clipped_after_each_update():
    theta, psi = steps(1, psi=2.0, d={"clip": 0.3})
    assert psi == pytest.approx(0.3) and theta == pytest.approx(
        0.8 + LR * sigmoid(1.6) * 2.0, rel=1e-5
    )


def test_top_k_weights_the_best_share_of_fakes():
    weights = _top(jnp.array([0.3, -1.0, 5.0, 0.2]), jnp.asarray(0.5))
    np.testing.assert_allclose(weights, [2, 0, 2, 0])
    np.testing.assert_allclose(_top(jnp.arange(4.0), jnp.asarray(1.0)), np.ones(4))
    np.testing.assert_allclose(_top(jnp.arange(4.0), jnp.asarray(0.01)), [0, 0, 0, 4])


def test_all_of_the_samples_is_the_same_as_no_top_k():
    batch = random_batch()
    plain, all_of_them, half = (small_mlp(g={"top_k": share}) for share in (None, 1.0, 0.5))
    after = [
        train_step(gan, init_state(gan, jax.random.key(0), batch), batch)[0].generator.params
        for gan in (plain, all_of_them, half)
    ]
    assert_close(after[0], after[1], 1e-6)
    assert not np.allclose(arrays(after[0])[1], arrays(after[2])[1], atol=1e-6)


def test_instance_noise_has_its_strength():
    x = jnp.ones((4, 1000))
    noise = AUGMENTS["instance_noise"].apply
    noisy = noise(jax.random.key(0), x, jnp.asarray(0.3))
    np.testing.assert_allclose([noisy.mean(), noisy.std()], [1, 0.3], atol=0.02)
    np.testing.assert_array_equal(noise(jax.random.key(0), x, jnp.asarray(0.0)), x)


def test_instance_noise_makes_the_dirac_gan_converge():
    """Mescheder et al. 2018, lemma 3.3: it converges with noise of any strength, and does not
    without.
    """
    noise = Augment("instance_noise", AUGMENTS["instance_noise"].apply, 1.0)

    def end(augments):
        gan = dirac.dirac_gan(nonsaturating, Pair(*[optax.sgd(LR)] * 2), augments=augments)
        data = dirac.batch(b=256)
        state = init_state(gan, jax.random.key(0), data)
        states = jax.lax.fori_loop(0, 600, lambda _, s: train_step(gan, s, data)[0], state)
        return float(jnp.linalg.norm(dirac.place(states)))

    assert end((noise,)) < 0.1 and end(()) > 0.25


@pytest.mark.parametrize("name", [name for name in DYNAMICS if name != "alternating"])
def test_players_that_move_at_once_do_so_on_any_devices_and_in_parts(name):
    """Equal on one device, sharded, under pmap, and (without batch norm) in parts."""
    gan = small_mlp(d={"terms": (dataclasses.replace(R1, every=1),)}, dynamics=DYNAMICS[name]())
    batches = [random_batch(i, d_steps=2, b=16) for i in range(2)]
    expected = run(gan, batches)
    assert_close(run(dataclasses.replace(gan, micro_batches=4), batches), expected, 1e-4)

    mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
    place = lambda tree, *spec: jax.device_put(tree, NamedSharding(mesh, PartitionSpec(*spec)))
    assert_close(
        run(gan, [place(b, None, "batch") for b in batches], lambda s: place(s)), expected, 1e-4
    )

    states = jax.tree.map(
        lambda a: jnp.stack([a] * 4), init_state(gan, jax.random.key(0), batches[0])
    )
    step = jax.pmap(functools.partial(train_step, gan, axis_name="batch"), axis_name="batch")
    for batch in batches:
        states, metrics = step(
            states, jax.tree.map(lambda a: np.stack(np.split(a, 4, axis=1)), batch)
        )
    assert_close(jax.tree.map(lambda a: a[0], (states, metrics)), expected, 1e-4)


def test_statistics_follow_when_both_move_at_once():
    batch = random_batch()
    gan = small_dcgan(dynamics=simultaneous())
    before = init_state(gan, jax.random.key(0), batch)
    kept = jax.tree.map(jnp.copy, (before.generator.stats, before.discriminator.stats))
    after, _ = train_step(gan, before, batch)
    for old, new in zip(kept, (after.generator.stats, after.discriminator.stats), strict=True):
        assert all(not np.allclose(a, b) for a, b in zip(arrays(old), arrays(new), strict=True))


def run(gan, batches, place=lambda state: state):
    state = place(init_state(gan, jax.random.key(0), batches[0]))
    for batch in batches:
        state, metrics = train_step(gan, state, batch)
    return state, metrics


def assert_close(actual, expected, tolerance):
    for a, e in zip(arrays(actual), arrays(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"dynamics": Dynamics("extragradien")}, "dynamics.name.*did you mean 'extragradient'"),
        (
            {"dynamics": Dynamics("extragradient", 0.5)},
            "dynamics.weight is not an option of extragradient; it has none",
        ),
        (
            {"dynamics": Dynamics("consensus", -1.0)},
            r"dynamics.weight must be in \[0, inf\), not -1.0",
        ),
        ({"lookahead": -1}, "lookahead must be at least 0, not -1"),
        ({"lookahead_rate": 1.5}, r"lookahead_rate must be in \[0, 1\], not 1.5"),
        ({"clip": 0.0}, r"clip must be in \(0, inf\), not 0.0"),
        ({"top_k": 1.5}, r"top_k must be in \(0, 1\], not 1.5"),
        ({"top_k": Schedule(1.0, 0.0, 10)}, r"top_k must be in \(0, 1\], not 0.0"),
        ({"g_optimizer": Optimizer("sdg")}, "g_optimizer.name 'sdg' is unknown; did you mean"),
        (
            {"g_optimizer": Optimizer("sgd", b1=0.5)},
            "g_optimizer.b1 is not an option of sgd; use lr or momentum",
        ),
        ({"d_optimizer": Optimizer("lbfgs")}, "d_optimizer.name 'lbfgs' does not work"),
        (
            {"d_optimizer": Optimizer(lr=Schedule(1.0, 0.0, 0))},
            "d_optimizer.lr.steps must be at least 1, not 0",
        ),
        (
            {"d_optimizer": Optimizer(lr=Schedule(1.0, 0.1, 5, "cosin"))},
            "lr.shape.*did you mean 'cosine'",
        ),
        (
            {"penalties": (Penalty("r1", 1.0, 1, (("target", 2.0),)),)},
            "penalties.0.target is not an option of r1; use every or weight",
        ),
    ],
)
def test_impossible_moves_are_refused_in_one_sentence(changes, words):
    with pytest.raises(ConfigError, match=words) as refusal:
        build(dataclasses.replace(recipe("digits_dcgan"), **changes))
    assert "\n" not in str(refusal.value)
