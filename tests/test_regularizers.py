"""Penalties against finite differences in float64, closed forms, and the laws of what is random in
them.
"""

import dataclasses
import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest
import scipy.stats
from gans import OF_TEXTS

from gan_jax.errors import ConfigError
from gan_jax.parts.regularizers import (
    G_REGULARIZERS,
    REGULARIZERS,
)
from gan_jax.types import Batch, Fake

ELSEWHERE = (
    "encoded", "classified", "levels", "cycle", "identity", "semantic", "layer_features", "mel",
    *OF_TEXTS,
)  # fmt: skip
"""Terms of the levels of a stack, of cycles, vocoders and texts, which have tests of their own."""
G_NAMES = [name for name in G_REGULARIZERS if name not in ELSEWHERE]
ALL = [("d", name) for name in REGULARIZERS] + [("g", name) for name in G_NAMES]
MOVES = "cr and bcr shift and mirror images and do not apply to vectors; use zcr"
CUTS = "fixmatch cuts squares out of images and not out of vectors; use fixmatch:WEIGHT:cutout=0"
IMAGES_ONLY = {"cr": MOVES, "bcr": MOVES, "fixmatch": CUTS}
SURE = {"fixmatch": functools.partial(REGULARIZERS["fixmatch"], threshold=0.0)}
"""Of any class: these networks are never sure of one."""


def maker(player, name):
    return {"d": REGULARIZERS | SURE, "g": G_REGULARIZERS}[player][name]


def numbers_of(make):
    return {p.name: p.default for p in inspect.signature(make).parameters.values()}


@pytest.mark.parametrize("shape", [players.IMAGES, players.VECTORS])
@pytest.mark.parametrize("player, name", ALL)
def test_parameter_gradients_are_those_of_finite_differences(x64, player, name, shape):
    """Second-order where the penalty is itself a gradient. Memories, if any, have seen other
    examples before.
    """
    regularizer = maker(player, name)()
    both = dict(zip("dg", players.weights(shape), strict=True))
    flat, unflatten = jax.flatten_util.ravel_pytree(both[player])
    context = lambda vector, **seen: players.contexts(
        *(both | {player: unflatten(vector)}).values(), shape, **seen
    )["dg".index(player)]
    if shape == players.VECTORS and name in IMAGES_ONLY:
        with pytest.raises(ConfigError, match=IMAGES_ONLY[name]):
            jax.eval_shape(lambda v: regularizer.apply(regularizer.init(), context(v)), flat)
        return

    @jax.jit
    @jax.value_and_grad
    def value(vector):
        memory = jax.lax.stop_gradient(
            regularizer.apply(regularizer.init(), context(flat, seed=5, key=5))[1]
        )
        return regularizer.apply(memory, context(vector))[0].mean()

    rng, h = np.random.default_rng(2), 1e-5
    gradient = value(flat)[1]
    size = np.linalg.norm(gradient)
    assert size > 1e-4
    for direction in (gradient, rng.normal(size=flat.size)):
        direction /= np.linalg.norm(direction)
        slope = (value(flat + h * direction)[0] - value(flat - h * direction)[0]) / (2 * h)
        np.testing.assert_allclose(gradient @ direction, slope, rtol=1e-6, atol=1e-8 * size)


@pytest.mark.parametrize("player, name", ALL)
def test_penalties_are_per_example_in_float32_and_keep_the_form_of_their_memory(player, name):
    context = players.contexts(*players.weights(players.IMAGES), players.IMAGES)["dg".index(player)]
    regularizer = maker(player, name)()
    memory = regularizer.init()
    value, after = jax.eval_shape(lambda: regularizer.apply(memory, context))
    assert value.shape == (players.B,) and value.dtype == jnp.float32
    assert jax.tree.structure(after) == jax.tree.structure(memory)
    assert [(a.shape, a.dtype) for a in jax.tree.leaves(after)] == [
        (a.shape, a.dtype) for a in jax.tree.leaves(memory)
    ]


@pytest.mark.parametrize("player, name", ALL)
def test_numbers_are_floats_and_equal_ones_give_the_same_object(player, name):
    make = maker(player, name)
    numbers = numbers_of(make)
    assert all(type(value) is float for value in numbers.values())
    assert make() is make(**numbers) and make() is make(**dict(reversed(numbers.items())))
    for number, value in numbers.items():
        assert make(**{number: value / 2 + 0.01}) is not make()


@pytest.mark.parametrize(
    "player, name, number", [(*entry, n) for entry in ALL for n in numbers_of(maker(*entry))]
)
@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
def test_numbers_out_of_range_are_refused_when_traced(player, name, number, value):
    context = players.contexts(*players.weights(players.IMAGES), players.IMAGES)["dg".index(player)]
    regularizer = maker(player, name)(**{number: value})
    with pytest.raises(ConfigError, match=rf"^{number} must be in ") as refusal:
        jax.eval_shape(lambda: regularizer.apply(regularizer.init(), context))
    assert "\n" not in str(refusal.value)


SEEN = {
    "r1": "real", "drift": "real", "cr": "real", "dragan": "real", "r2": "fake", "zcr": "fake",
    "orthogonal": "",
    "entropy": "real", "class_balance": "real",
    "class_consistency": "",  # its two views are one here
    "fixmatch": "real",
}  # fmt: skip


@pytest.mark.parametrize("name", REGULARIZERS)
def test_penalties_look_at_what_they_are_about(x64, name):
    """Real examples, generated ones, or both: the penalty changes with these and with no others."""
    d_params, g_params = players.weights(players.IMAGES)
    regularizer = maker("d", name)()

    @jax.jit
    def value(real, moved):
        context = players.contexts(d_params, {"first": g_params["first"] + moved}, players.IMAGES)[
            0
        ]
        real = Batch(real, context.real.y)
        critique = context.discriminate(*real)
        context = dataclasses.replace(context, real=real, real_critique=critique)
        memory = jax.tree.map(jnp.ones_like, regularizer.init())
        return regularizer.apply(memory, context)[0]

    x = players.inputs(players.IMAGES)[1].x
    seen = SEEN.get(name, "real and fake")
    assert np.allclose(value(x, 0.0), value(0.9 * x, 0.0)) == ("real" not in seen)
    assert np.allclose(value(x, 0.0), value(x, 0.1)) == ("fake" not in seen)


def test_drift_is_the_squared_score_of_real_examples():
    scores = jnp.array([[-2.0], [0.0], [3.0]])
    np.testing.assert_array_equal(
        players.penalty("drift", players.d_context(lambda x: x[:, 0], scores, -scores)), [4, 0, 9]
    )


def test_lecam_remembers_earlier_scores(x64):
    """The first evaluation costs nothing; from then on each kind is drawn to the other's weighted
    mean so far.
    """
    rng, decay = np.random.default_rng(0), 0.9
    batches = rng.normal(size=(4, 2, 3))  # steps, kinds, examples
    regularizer = REGULARIZERS["lecam"](decay=decay)
    memory = regularizer.init()
    for step, (real, fake) in enumerate(batches):
        context = players.d_context(
            lambda x: x[:, 0], jnp.array(real)[:, None], jnp.array(fake)[:, None]
        )
        value, memory = regularizer.apply(memory, context)
        if step == 0:
            np.testing.assert_array_equal(value, 0)
            continue
        means = batches[:step].mean(axis=2)
        mean_real, mean_fake = np.average(means, axis=0, weights=decay ** np.arange(step)[::-1])
        np.testing.assert_allclose(
            value, (real - mean_fake) ** 2 + (fake - mean_real) ** 2, rtol=1e-12
        )


def test_lecam_averages_are_constant():
    regularizer = REGULARIZERS["lecam"]()

    def remembered(scale):
        context = players.d_context(lambda x: scale * x[:, 0], jnp.ones((3, 1)))
        return regularizer.apply(regularizer.init(), context)[1]

    assert (
        jax.tree.leaves(jax.jacobian(remembered)(2.0)) == [0, 0, 0] and remembered(2.0)["real"] > 0
    )


@pytest.mark.parametrize("name", ["cr", "bcr"])
def test_consistency_is_the_squared_change_of_the_score(name):
    """Of one of the 18 images that shifts by up to one pixel and mirroring make of an 8 x 8 one;
    for bcr, of each of the two kinds.
    """
    w, (real, fake) = (
        jax.random.normal(jax.random.key(0), (64,)),
        jax.random.normal(jax.random.key(1), (2, 64, 8, 8, 1)),
    )
    context = players.d_context(lambda x: x.reshape(len(x), -1) @ w, real, fake)

    def changes(image):
        padded = np.pad(image[..., 0], 1, mode="reflect")
        moved = [padded[i : i + 8, j : j + 8] for i in range(3) for j in range(3)]
        return np.array(
            [
                ((image[..., 0] - m).ravel() @ w) ** 2
                for shifted in moved
                for m in (shifted, shifted[:, ::-1])
            ]
        )

    chosen = set()
    for value, a, b in zip(
        players.penalty(name, context), np.asarray(real), np.asarray(fake), strict=True
    ):
        possible = changes(a) if name == "cr" else np.add.outer(changes(a), changes(b)).ravel()
        assert np.isclose(possible, value, rtol=1e-3, atol=1e-3).any()
        chosen.add(int(np.abs(possible - value).argmin()))
    assert len(chosen) > 12
    np.testing.assert_array_equal(players.penalty(name, context, shift=0.0, flip=0.0), 0)


def test_latent_consistency_sees_normal_changes_of_the_latents():
    """``D(G(z)) = a z``: the squared change is that of a normal variable; G's part is minus the
    mean square of its samples' change.
    """
    a, z = jnp.array([0.6, -0.8]), jnp.ones((2000, 2))
    generate = lambda z, y: z
    d = players.d_context(lambda x: x @ a, z, generate=generate, latents=z)
    change = players.penalty("zcr", d, noise=0.1)
    assert scipy.stats.kstest(np.asarray(change) / 0.1**2, scipy.stats.chi2(1).cdf).pvalue > 0.01
    reward = -G_REGULARIZERS["zcr"](noise=0.1).apply((), d)[0]
    assert (
        scipy.stats.kstest(2 * np.asarray(reward) / 0.1**2, scipy.stats.chi2(2).cdf).pvalue > 0.01
    )


def _of_kernels(params, **numbers):
    context = players.d_context(lambda x: x[:, 0], jnp.ones((3, 1)))
    return players.penalty("orthogonal", dataclasses.replace(context, params=params), **numbers)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (2, 2, 3, 5), (2, 1, 2, 5)])
@pytest.mark.parametrize("diagonal", [1.0, 0.0, 0.5])
def test_orthogonal_is_the_distance_of_the_gram_matrix_from_the_identity(x64, shape, diagonal):
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=shape)
    columns = kernel.reshape(-1, shape[-1])
    defect = (columns.T @ columns - np.eye(shape[-1])) ** 2
    expected = defect.sum() - (1 - diagonal) * np.trace(defect)
    value = _of_kernels({"kernel": jnp.array(kernel), "bias": jnp.ones(7)}, diagonal=diagonal)
    np.testing.assert_allclose(value, np.full(3, expected), rtol=1e-12)


def test_orthogonal_kernels_cost_nothing():
    q = jnp.linalg.qr(jax.random.normal(jax.random.key(0), (8, 5)))[0]
    np.testing.assert_allclose(_of_kernels({"a": q, "b": q.reshape(2, 2, 2, 5)}), 0, atol=1e-10)
    np.testing.assert_allclose(_of_kernels({"a": 3 * q}, diagonal=0.0), 0, atol=1e-9)
    np.testing.assert_allclose(_of_kernels({"a": 3 * q}), 5 * 8**2, rtol=1e-5)


def test_paths_of_no_length_do_not_pull():
    """An image that does not depend on the latents, as of a generator whose units are all dead."""
    z, real = players.inputs(players.IMAGES)
    brightness = lambda scale, z: jnp.tile(scale * z[:, :1, None, None], (1, 8, 8, 1))

    def value(scale):
        generate = lambda z, y: Fake(brightness(scale, z), y)
        fake, key = generate(z, real.y), jax.random.key(0)
        context = players.context(generate=generate, latents=z, fake=fake, key=key)
        return G_REGULARIZERS["path_length"]().apply(jnp.ones(()), context)[0].mean()

    np.testing.assert_allclose(jax.value_and_grad(value)(0.0), (0.99**2, 0.0), rtol=1e-6)
