"""Penalties against finite differences in float64, closed forms, and the laws of what is random in
them.
"""

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import players
import pytest
import scipy.stats

from gan_jax.errors import ConfigError
from gan_jax.parts.augment import random_flip, random_shift
from gan_jax.parts.regularizers import (
    G_REGULARIZERS,
    REGULARIZERS,
    d_classes,
    g_classes,
    labelled_classes,
)
from gan_jax.types import Batch, Critique, Fake

ALL = [("d", name) for name in REGULARIZERS] + [("g", name) for name in G_REGULARIZERS]
IMAGES_ONLY = ("cr", "bcr")


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def maker(player, name):
    return {"d": REGULARIZERS, "g": G_REGULARIZERS}[player][name]


def penalty(name, context, **numbers):
    regularizer = REGULARIZERS[name](**numbers)
    return regularizer.apply(regularizer.init(), context)[0]


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
        with pytest.raises(
            ConfigError,
            match="cr and bcr shift and mirror images and do not apply to vectors; use zcr",
        ):
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
    "entropy": "real", "class_consistency": "",  # its two views are one here
}  # fmt: skip


@pytest.mark.parametrize("name", REGULARIZERS)
def test_penalties_look_at_what_they_are_about(x64, name):
    """Real examples, generated ones, or both: the penalty changes with these and with no others."""
    d_params, g_params = players.weights(players.IMAGES)
    regularizer = REGULARIZERS[name]()

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


GRADIENT_PENALTIES = {
    "r1": ({}, lambda norms: norms**2 / 2),
    "r2": ({}, lambda norms: norms**2 / 2),
    "gp": ({"target": 5.0}, lambda norms: (norms - 5) ** 2),
    "gp_one_sided": ({"target": 5.0}, lambda norms: np.maximum(norms - 5, 0) ** 2),
    "zero_centred": ({}, lambda norms: norms**2),
    "max_gp": ({}, lambda norms: np.full_like(norms, norms.max() ** 2)),
    "dragan": ({"target": 5.0, "noise": 0.0}, lambda norms: (norms - 5) ** 2),
}


@pytest.mark.parametrize("name", GRADIENT_PENALTIES)
def test_gradient_penalties_against_finite_differences(x64, name):
    """At real examples that are the fakes as well, so that what lies between them is known."""
    d_params, _ = players.weights(players.VECTORS)
    _, real = players.inputs(players.VECTORS)
    discriminate = lambda x, y: players.critique(d_params, x, y)
    see, seen = lambda x: discriminate(x, real.y), discriminate(*real)
    context = players.context(
        discriminate=discriminate, see_real=see, see_fake=see, real=real, fake=Fake(*real),
        real_critique=seen, fake_critique=seen, key=jax.random.key(0),
    )  # fmt: skip
    norms = players.numeric_gradient_norms(discriminate, real)
    assert norms.min() < 5 < norms.max()
    numbers, formula = GRADIENT_PENALTIES[name]
    np.testing.assert_allclose(penalty(name, context, **numbers), formula(norms), rtol=1e-7)


@pytest.mark.parametrize("name", GRADIENT_PENALTIES)
@pytest.mark.parametrize("slope", [2.0, 8.0])
def test_gradient_penalties_of_a_linear_discriminator(name, slope):
    """Its gradient is the same everywhere, whatever real, generated or noisy examples are looked
    at.
    """
    w = slope * jnp.array([0.6, 0.0, -0.8, 0.0])
    real, fake = jax.random.normal(jax.random.key(0), (2, 5, 2, 2, 1))
    context = players.d_context(lambda x: x.reshape(len(x), -1) @ w, real, fake)
    numbers, formula = GRADIENT_PENALTIES[name]
    numbers = numbers | {"noise": 0.5} if "noise" in numbers else numbers
    np.testing.assert_allclose(
        penalty(name, context, **numbers), formula(np.full(5, slope)), rtol=1e-5
    )


@pytest.mark.parametrize("name", GRADIENT_PENALTIES)
def test_gradient_penalties_are_differentiable_where_the_gradient_is_zero(name):
    x = jnp.ones((3, 2))
    gradient = jax.grad(lambda w: penalty(name, players.d_context(lambda x: x @ w, x)).sum())(
        jnp.zeros(2)
    )
    np.testing.assert_array_equal(gradient, 0)


HALF_SQUARE = lambda x: (
    0.5 * jnp.sum(jnp.square(x), axis=range(1, x.ndim))
)  # its gradient is x itself


@pytest.mark.parametrize("name", ["gp", "gp_one_sided", "zero_centred"])
def test_points_between_real_and_fake_are_uniform(name):
    along = jnp.zeros((2000, 2)).at[:, 0].set(1.0)
    context = players.d_context(HALF_SQUARE, 3 * along, 1 * along)
    where = np.sqrt(penalty(name, context, **({} if name == "zero_centred" else {"target": 0.0})))
    assert scipy.stats.kstest((where - 1) / 2, "uniform").pvalue > 0.01


def test_dragan_noise_is_normal():
    context = players.d_context(HALF_SQUARE, jnp.zeros((2000, 3)))
    squares = penalty("dragan", context, target=0.0, noise=0.2)
    assert scipy.stats.kstest(np.asarray(squares) / 0.2**2, scipy.stats.chi2(3).cdf).pvalue > 0.01


def test_drift_is_the_squared_score_of_real_examples():
    scores = jnp.array([[-2.0], [0.0], [3.0]])
    np.testing.assert_array_equal(
        penalty("drift", players.d_context(lambda x: x[:, 0], scores, -scores)), [4, 0, 9]
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
    for value, a, b in zip(penalty(name, context), np.asarray(real), np.asarray(fake), strict=True):
        possible = changes(a) if name == "cr" else np.add.outer(changes(a), changes(b)).ravel()
        assert np.isclose(possible, value, rtol=1e-3, atol=1e-3).any()
        chosen.add(int(np.abs(possible - value).argmin()))
    assert len(chosen) > 12
    np.testing.assert_array_equal(penalty(name, context, shift=0.0, flip=0.0), 0)


def test_latent_consistency_sees_normal_changes_of_the_latents():
    """``D(G(z)) = a z``: the squared change is that of a normal variable; G's part is minus the
    mean square of its samples' change.
    """
    a, z = jnp.array([0.6, -0.8]), jnp.ones((2000, 2))
    generate = lambda z, y: z
    d = players.d_context(lambda x: x @ a, z, generate=generate, latents=z)
    change = penalty("zcr", d, noise=0.1)
    assert scipy.stats.kstest(np.asarray(change) / 0.1**2, scipy.stats.chi2(1).cdf).pvalue > 0.01
    reward = -G_REGULARIZERS["zcr"](noise=0.1).apply((), d)[0]
    assert (
        scipy.stats.kstest(2 * np.asarray(reward) / 0.1**2, scipy.stats.chi2(2).cdf).pvalue > 0.01
    )


def _of_kernels(params, **numbers):
    context = players.d_context(lambda x: x[:, 0], jnp.ones((3, 1)))
    return penalty("orthogonal", dataclasses.replace(context, params=params), **numbers)


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


def _with_features(real, fake):
    critique = lambda features: Critique(jnp.zeros(len(features)), {"features": features})
    return players.of_critiques(critique(real), critique(fake))


def _with_classes(logits):
    return Critique(jnp.zeros(len(logits)), {"class_logits": jnp.asarray(logits)})


def test_feature_matching_compares_means_of_features_and_moves_generated_ones_alone():
    real, fake = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    matching = lambda r, f: G_REGULARIZERS["feature_matching"]().apply((), _with_features(r, f))[0]
    expected = np.sum((real.mean(0) - fake.mean(0)) ** 2)
    np.testing.assert_allclose(matching(real, fake), np.full(4, expected), rtol=1e-5)
    slopes = jax.grad(lambda r, f: matching(r, f).mean(), argnums=(0, 1))(real, fake)
    np.testing.assert_array_equal(slopes[0], 0)
    np.testing.assert_allclose(
        slopes[1], np.tile(2 * (fake.mean(0) - real.mean(0)) / 4, (4, 1)), rtol=1e-5
    )


def test_pull_away_is_the_mean_squared_cosine_of_pairs():
    fake = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    value, _ = G_REGULARIZERS["pull_away"]().apply((), _with_features(fake, fake))
    cosine = lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    pairs = [cosine(fake[i], fake[j]) ** 2 for i in range(5) for j in range(5) if i != j]
    np.testing.assert_allclose(value, np.full(5, np.mean(pairs)), rtol=1e-5)
    for features, expected in ((np.eye(3), 0.0), (np.ones((3, 2)), 1.0)):
        features = features.astype(np.float32)
        np.testing.assert_allclose(
            G_REGULARIZERS["pull_away"]().apply((), _with_features(features, features))[0],
            expected,
            atol=1e-6,
        )
    with pytest.raises(
        ConfigError,
        match="pull_away compares pairs and needs a minibatch of 2 or more examples, not 1",
    ):
        G_REGULARIZERS["pull_away"]().apply((), _with_features(fake[:1], fake[:1]))
    vanishing = lambda f: G_REGULARIZERS["pull_away"]().apply((), _with_features(f, f))[0].mean()
    assert np.isfinite(jax.grad(vanishing)(np.zeros((3, 2), np.float32))).all()


def test_entropy_is_that_of_the_softmax():
    logits = np.array([[0.0, 0.0, 0.0], [1.0, -2.0, 0.5], [80.0, 0.0, -80.0]], np.float32)
    real = _with_classes(logits)
    context = players.of_critiques(real, real, y=jnp.full(3, -1))
    value, _ = REGULARIZERS["entropy"]().apply((), context)
    expected = scipy.stats.entropy(scipy.special.softmax(logits.astype(np.float64), axis=1), axis=1)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(value[0], np.log(3), rtol=1e-6)


def test_class_consistency_is_the_distance_of_two_views():
    logits = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    one, other = map(_with_classes, logits)
    context = players.of_critiques(one, one, y=jnp.full(5, -1), discriminate=lambda x, y: other)
    value, _ = REGULARIZERS["class_consistency"]().apply((), context)
    views = scipy.special.softmax(logits.astype(np.float64), axis=-1)
    np.testing.assert_allclose(value, ((views[0] - views[1]) ** 2).sum(-1), rtol=1e-5)


def test_few_labels_are_averaged_over_those_there_are():
    """Whatever stands in the place of a missing label, its example has no part in the loss."""
    logits = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    y = np.array([3, -1, 0, -1, -1, 2])
    real = _with_classes(logits)
    context = players.of_critiques(real, real, y=jnp.asarray(y))
    value, _ = labelled_classes(share=0.5).apply((), context)
    log_p = scipy.special.log_softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(
        value.mean(), -np.mean([log_p[i, y[i]] for i in (0, 2, 5)]), rtol=1e-5
    )
    assert (np.asarray(value)[y < 0] == 0).all()
    slopes = jax.grad(
        lambda logits: labelled_classes(share=0.5).apply(
            (), dataclasses.replace(context, real_critique=_with_classes(logits))
        )[0].mean()
    )(jnp.asarray(logits))  # fmt: skip
    assert (slopes[y < 0] == 0).all() and (slopes[y >= 0] != 0).all()
    with pytest.raises(ConfigError, match=r"classes\.share must be in \(0, 1\], not 0.0"):
        labelled_classes(share=0.0).apply((), context)


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


def test_what_the_critique_lacks_is_refused():
    critique = Critique(jnp.zeros(2))
    bare = players.of_critiques(critique, critique, discriminate=lambda x, y: critique)
    with pytest.raises(
        ConfigError, match="feature_matching needs features from the discriminator, whose "
    ):
        G_REGULARIZERS["feature_matching"]().apply((), bare)
    with pytest.raises(
        ConfigError, match="pull_away needs features from the discriminator, whose "
    ):
        G_REGULARIZERS["pull_away"]().apply((), bare)
    for classes in (
        d_classes,
        g_classes,
        labelled_classes,
        REGULARIZERS["entropy"],
        REGULARIZERS["class_consistency"],
    ):
        with pytest.raises(
            ConfigError,
            match="needs class_logits from the discriminator, whose Critique has only score",
        ):
            classes().apply((), bare)


def test_class_losses_are_negative_log_likelihoods():
    logits = jax.random.normal(jax.random.key(0), (2, 4, 3))
    y = jnp.array([0, 2, 1, 1])
    context = players.of_critiques(*map(_with_classes, logits), y=y)
    log_p = np.log(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True))[:, np.arange(4), y]
    d, _ = d_classes().apply((), context)
    g, _ = g_classes().apply((), context)
    np.testing.assert_allclose(d, -log_p.sum(0), rtol=1e-5)
    np.testing.assert_allclose(g, -log_p[1], rtol=1e-5)
    assert optax.softmax_cross_entropy_with_integer_labels(logits[1], y).shape == (4,)


def test_augmentations_reach_every_shift_and_mirror_half_of_the_images():
    """Each pixel holds its own place, so that the shift can be read off the result."""
    image = jnp.arange(8 * 16.0).reshape(1, 8, 16, 1)
    x = jnp.tile(image, (512, 1, 1, 1))
    shifted = np.asarray(random_shift(jax.random.key(0), x, 0.125))
    centres = shifted[:, 4, 8, 0]
    offsets, counts = np.unique(
        np.stack([centres // 16 - 4, centres % 16 - 8]), axis=1, return_counts=True
    )
    assert offsets.shape[1] == 3 * 5 and np.abs(offsets).max(1).tolist() == [1, 2]
    assert scipy.stats.chisquare(counts).pvalue > 0.01
    flipped = np.asarray(random_flip(jax.random.key(1), x, 0.25))
    mirrored = flipped[:, 0, 0, 0] == 15
    np.testing.assert_array_equal(flipped[mirrored], np.asarray(x[mirrored, :, ::-1]))
    np.testing.assert_array_equal(flipped[~mirrored], np.asarray(x[~mirrored]))
    assert 90 < mirrored.sum() < 166  # 128 expected, standard deviation 10
