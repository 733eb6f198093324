"""Regularizers of features and class logits against closed forms."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import players
import pytest
import scipy.special
import scipy.stats

from gan_jax.errors import ConfigError
from gan_jax.modality import Images, Vectors
from gan_jax.parts.regularizers import (
    G_REGULARIZERS,
    REGULARIZERS,
    d_classes,
    g_classes,
    labelled_classes,
)
from gan_jax.types import Critique


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


def test_low_density_is_the_log_density_above_a_quantile_of_that_of_real_examples():
    """Against a density of normal distributions, in float64."""
    real, fake = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    fake *= np.linspace(0.1, 3, 7, dtype=np.float32)[:, None]  # some of them far away
    term = G_REGULARIZERS["low_density"](quantile=0.25, bandwidth=0.7)
    at = lambda r, f: term.apply((), _with_features(r, f))[0]
    distances = [np.sum((a - b) ** 2) for i, a in enumerate(real) for b in np.delete(real, i, 0)]
    h = 0.7 * np.sqrt(np.mean(distances))

    def log_density(x, centres):
        kernels = [scipy.stats.multivariate_normal(c, h**2).pdf(x) for c in centres]
        return np.log(np.mean(kernels) * (2 * np.pi * h**2) ** 1.5)

    own = [log_density(x, np.delete(real, i, 0)) for i, x in enumerate(real)]
    expected = np.maximum([log_density(x, real) - np.quantile(own, 0.25) for x in fake], 0)
    assert 0 < (expected > 0).sum() < 7
    np.testing.assert_allclose(at(real, fake), expected, rtol=1e-4, atol=1e-5)
    slopes = jax.grad(lambda *a: at(*a).sum(), argnums=(0, 1))(real, fake)
    np.testing.assert_array_equal(slopes[0], 0)
    np.testing.assert_array_equal(np.any(slopes[1], axis=1), expected > 0)
    alike = np.ones((3, 2), np.float32)  # no distance to measure by
    assert np.isfinite(jax.grad(lambda f: at(alike, f).sum())(alike)).all()
    with pytest.raises(ConfigError, match="low_density compares pairs and needs a minibatch of 2"):
        at(real[:1], fake[:1])


def test_entropy_is_that_of_the_softmax():
    logits = np.array([[0.0, 0.0, 0.0], [1.0, -2.0, 0.5], [80.0, 0.0, -80.0]], np.float32)
    real = _with_classes(logits)
    context = players.of_critiques(real, real, y=jnp.full(3, -1))
    value, _ = REGULARIZERS["entropy"]().apply((), context)
    expected = scipy.stats.entropy(scipy.special.softmax(logits.astype(np.float64), axis=1), axis=1)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(value[0], np.log(3), rtol=1e-6)


def test_class_balance_is_the_divergence_of_the_mean_from_equal_classes():
    logits = np.array([[0.0, 3.0, 0.0], [1.0, -2.0, 0.5], [80.0, 0.0, -80.0]], np.float32)
    balance, y = REGULARIZERS["class_balance"](), jnp.full(3, -1)
    at = lambda c: balance.apply((), players.of_critiques(c, c, y=y))[0]
    mean = scipy.special.softmax(logits.astype(np.float64), axis=1).mean(0)
    divergence = scipy.stats.entropy(mean, np.full(3, 1 / 3))
    np.testing.assert_allclose(at(_with_classes(logits)), np.full(3, divergence), rtol=1e-5)
    one_each = _with_classes(100 * np.eye(3, dtype=np.float32))  # sure, and of equal frequency
    np.testing.assert_allclose(at(one_each), 0, atol=1e-6)


def test_class_consistency_is_the_distance_of_two_views():
    logits = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    one, other = map(_with_classes, logits)
    context = players.of_critiques(one, one, y=jnp.full(5, -1), discriminate=lambda x, y: other)
    value, _ = REGULARIZERS["class_consistency"]().apply((), context)
    views = scipy.special.softmax(logits.astype(np.float64), axis=-1)
    np.testing.assert_allclose(value, ((views[0] - views[1]) ** 2).sum(-1), rtol=1e-5)


def test_fixmatch_follows_the_class_of_which_the_first_view_is_sure():
    """Against a loop over the examples; the gradient goes through the second view alone."""
    logits = 3 * np.random.default_rng(0).normal(size=(2, 9, 3)).astype(np.float32)
    views, term = list(map(_with_classes, logits)), REGULARIZERS["fixmatch"](threshold=0.8)
    x = jnp.ones((9, 8, 8, 1))
    seen = []

    def discriminate(x, y):
        seen.append(np.asarray(x))
        return views[1]

    context = players.of_critiques(views[0], views[0], y=jnp.full(9, -1), discriminate=discriminate)
    real = context.real._replace(x=x)
    context = dataclasses.replace(
        context, real=real, modality=Images((8, 8, 1)), key=jax.random.key(0)
    )
    value, _ = term.apply((), context)
    p = scipy.special.softmax(logits.astype(np.float64), axis=-1)
    sure = p[0].max(axis=1) >= 0.8
    assert 0 < sure.sum() < 9
    expected = [-np.log(p[1, i, p[0, i].argmax()]) if sure[i] else 0 for i in range(9)]
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert ((seen[0] == 0).sum((1, 2, 3)) >= 4).all() and (seen[0] <= 1).all()  # squares are cut
    moved = lambda logits: dataclasses.replace(context, real_critique=_with_classes(logits))
    slopes = jax.grad(lambda logits: term.apply((), moved(logits))[0].sum())(jnp.asarray(logits[0]))
    np.testing.assert_array_equal(slopes, 0)
    points = dataclasses.replace(context, modality=Vectors((2,)))
    with pytest.raises(ConfigError, match="fixmatch cuts squares out of images and not out of"):
        term.apply((), points)
    REGULARIZERS["fixmatch"](cutout=0.0).apply((), points)


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
    with pytest.raises(
        ConfigError, match="low_density needs features from the discriminator, whose "
    ):
        G_REGULARIZERS["low_density"]().apply((), bare)
    for classes in (
        d_classes,
        g_classes,
        labelled_classes,
        REGULARIZERS["entropy"],
        REGULARIZERS["class_balance"],
        REGULARIZERS["class_consistency"],
        functools.partial(REGULARIZERS["fixmatch"], cutout=0.0),
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
