"""Generators that write token by token: probabilities, samples and gradients against enumeration of
all texts of a tiny language, and against finite differences.
"""

import dataclasses
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from gan_jax.errors import ConfigError
from gan_jax.models import relgan, scratchgan, seqgan, transformer
from gan_jax.models.writing import ESTIMATORS
from gan_jax.nn import sequences
from gan_jax.nn.heads import ClassifierHead, ProjectionHead, UnconditionalHead

LENGTH, WORDS = 3, 4
SHAPE = LENGTH, WORDS
TEXTS = np.array(list(itertools.product(range(WORDS), repeat=LENGTH)))
GENERATORS = {
    "lstm": scratchgan.Generator(SHAPE, 2, width=6, layers=2, embedding=5, tied=True),
    "seqgan": seqgan.Generator(SHAPE, 2, width=4, embedding=3),
    "transformer": transformer.Generator(SHAPE, 2, width=8, layers=2, heads=2, embedding=5),
    "relgan": relgan.Generator(SHAPE, 2, heads=2, size=3, slots=2, embedding=5),
}
one_hot = lambda tokens: jax.nn.one_hot(tokens, WORDS)


def variables_of(g, scale=3.0):
    """Larger than at first, so that probabilities differ."""
    z, y = jnp.ones((2, 2)), jnp.zeros(2, jnp.int32)
    made = jax.jit(lambda z: g.init(jax.random.key(1), z, y, train=False))(z)
    return jax.tree.map(lambda a: scale * a, made)


@functools.partial(jax.jit, static_argnums=0)
def every_log_prob(g, variables, y, temperature):
    asked = {"train": False, "method": "log_prob", "temperature": temperature}
    return g.apply(variables, one_hot(TEXTS), y, **asked)


def log_probs(g, variables, label, temperature=1.0):
    """Of the tokens of all texts."""
    y = jnp.full(len(TEXTS), label)
    return np.asarray(every_log_prob(g, variables, y, temperature), np.float64)


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("name", GENERATORS)
def test_probabilities_of_all_texts_sum_to_one(name, ends):
    g = dataclasses.replace(GENERATORS[name], ends=ends)
    variables = variables_of(g)
    plain, other = log_probs(g, variables, 0), log_probs(g, variables, 1)
    sharp = log_probs(g, variables, 0, temperature=0.5)
    for found in (plain, other, sharp):
        np.testing.assert_allclose(np.exp(found.sum(1)).sum(), 1, rtol=1e-5)
    assert np.abs(plain - other)[:, 0].max() > 0.1
    first = np.exp(2 * plain[:: WORDS**2, 0])
    np.testing.assert_allclose(np.exp(sharp[:: WORDS**2, 0]), first / first.sum(), rtol=1e-4)
    broken = [any(a == 0 and b != 0 for a, b in itertools.pairwise(text)) for text in TEXTS]
    assert np.all((plain.sum(1) < -1e8) == (np.array(broken) & ends))


@pytest.mark.parametrize(
    "name, estimator", [*((name, "reinforce") for name in GENERATORS), ("lstm", "relaxed")]
)
def test_samples_have_these_probabilities(name, estimator):
    """Pearson's test of the frequencies of all texts; outside of training at a temperature. What is
    reported as their log-probability is that of the texts.
    """
    g = dataclasses.replace(GENERATORS[name], ends=False, estimator=ESTIMATORS[estimator])
    variables, n = variables_of(g, 2.0), 20_000
    z, y = jax.random.normal(jax.random.key(3), (n, 2)), jnp.ones(n, jnp.int32)
    made = jax.jit(lambda z: g.apply(variables, z, y, train=False, temperature=1.5))(z)
    assert set(np.unique(made.x)) == {0, 1} and np.all(made.x.sum(-1) == 1)
    places = np.asarray(made.x.argmax(-1)) @ WORDS ** np.arange(LENGTH)[::-1]
    found = np.bincount(places, minlength=len(TEXTS))
    exact = log_probs(g, variables, 1, temperature=1.5).sum(1)
    np.testing.assert_allclose(made.extras["log_prob"].sum(1), exact[places], atol=2e-4)
    rare = n * np.exp(exact) < 5
    pooled = lambda a: np.append(a[~rare], a[rare].sum() + 1e-3)
    observed, expected = pooled(found), pooled(n * np.exp(exact))
    assert scipy.stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-3


def test_the_same_latents_give_the_same_text_and_others_another():
    g = GENERATORS["lstm"]
    variables, y = variables_of(g, 1.0), jnp.zeros(64, jnp.int32)
    z = jax.random.uniform(jax.random.key(0), (64, 3), minval=-1)
    draw = jax.jit(lambda z, train: g.apply(variables, z, y, train=train).x, static_argnums=1)
    np.testing.assert_array_equal(draw(z, False), draw(z, False))
    np.testing.assert_array_equal(draw(z, False), draw(z, True))
    moved = draw(z.at[:, 1].add(1e-6), False)
    assert 5 < np.sum(np.any(np.asarray(moved != draw(z, False)), axis=(1, 2))) < 64
    np.testing.assert_array_equal(draw(z, False), draw(z.at[:, 2].add(1), False))
    for wrong in ((), jnp.zeros((4, 1))):
        with pytest.raises(ConfigError, match="samples tokens needs at least 2 latents"):
            g.apply(variables, wrong, jnp.zeros(4, jnp.int32), train=False)


def test_a_transformer_reads_the_same_with_its_cache():
    network = sequences.Causal(5, 8, 2, 2)
    x = jax.random.normal(jax.random.key(0), (3, 5, 4))
    variables = network.init(jax.random.key(1), x, method="whole")
    every = network.apply(variables, x, method="whole")
    read = lambda network, x: sequences.scanned(network, network.begin(len(x)), x)[1]
    np.testing.assert_allclose(network.apply(variables, x, method=read), every, atol=1e-5)
    later = network.apply(variables, x.at[:, 3].add(1.0), method="whole")
    np.testing.assert_allclose(later[:, :3], every[:, :3], atol=1e-6)
    assert np.abs(later[:, 3:] - every[:, 3:]).min(axis=(0, 2)).max() > 0


def test_completed_texts_keep_their_beginning():
    g = dataclasses.replace(GENERATORS["lstm"], ends=False)
    variables, n = variables_of(g), 4_000
    z, y = jax.random.normal(jax.random.key(0), (n, 2)), jnp.zeros(n, jnp.int32)
    kept, text = jnp.arange(n) % (LENGTH + 1), jnp.array([2, 1, 3])
    x = jnp.broadcast_to(one_hot(text)[None], (n, *SHAPE))
    complete = functools.partial(g.apply, train=True, method="completed")
    made = jax.jit(complete)(variables, (z, x, kept), y).argmax(-1)
    own = jnp.arange(LENGTH)[None] < kept[:, None]
    assert np.all(np.where(own, made == text[None], True))
    np.testing.assert_array_equal(made[0], g.apply(variables, z, y, train=True).x[0].argmax(-1))
    begun = np.all(TEXTS[:, :2] == np.asarray(text)[:2], axis=1)
    exact = np.exp(log_probs(g, variables, 0)[begun, 2])
    last = np.bincount(np.asarray(made)[kept == 2][:, 2], minlength=WORDS)
    assert scipy.stats.chisquare(last, exact / exact.sum() * last.sum()).pvalue > 1e-3


@pytest.mark.parametrize("softness", [1.0, 0.3])
def test_relaxed_gradients_are_those_of_finite_differences(x64, softness):
    """Of what D says of the relaxed texts, with the noise fixed; straight through, the gradient is
    that of the relaxed texts, for the slope of D at the one-hot ones.
    """
    g = seqgan.Generator(SHAPE, estimator=ESTIMATORS["relaxed"], width=3, dtype=jnp.float64)
    params = jax.tree.map(jnp.float64, variables_of(g, 2.0))
    z, y = jax.random.normal(jax.random.key(0), (5, 2)), jnp.zeros(5, jnp.int32)
    d = jax.random.normal(jax.random.key(2), (5, *SHAPE))
    flat, unflatten = jax.flatten_util.ravel_pytree(params)
    drawn = lambda g, v: g.apply(unflatten(v), z, y, train=True, softness=softness).x
    value = jax.jit(lambda v: jnp.sum(jnp.tanh(d * drawn(g, v))))
    slope = jax.jit(jax.grad(value))(flat)
    assert jnp.abs(slope).max() > 1e-2
    for direction in jax.random.normal(jax.random.key(3), (3, flat.size)):
        step = 1e-6 * direction
        difference = (value(flat + step) - value(flat - step)) / 2e-6
        np.testing.assert_allclose(difference, slope @ direction, rtol=1e-5)
    hard = dataclasses.replace(g, estimator=ESTIMATORS["straight_through"])
    np.testing.assert_array_equal(
        np.round(drawn(hard, flat), 12), one_hot(drawn(g, flat).argmax(-1))
    )
    linear = lambda g: jax.jit(jax.grad(lambda v: jnp.sum(d * drawn(g, v))))
    slopes = [linear(g)(flat) for g in (g, hard)]
    np.testing.assert_allclose(*slopes, rtol=1e-9)


DISCRIMINATORS = {
    "lstm": (lambda head: scratchgan.Discriminator(head, width=4, dropout=0.1), (LENGTH,)),
    "transformer": (lambda head: transformer.Discriminator(head, width=8, heads=2), (LENGTH,)),
    "seqgan": (lambda head: seqgan.Discriminator(head, share=0.02), ()),
    "relgan": (lambda head: relgan.Discriminator(head, 6, 2, 4), (6,)),
}


@pytest.mark.parametrize("head", [UnconditionalHead(), ProjectionHead(2), ClassifierHead(2)])
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminators_score_texts_tokens_or_representations(name, head):
    make, scores = DISCRIMINATORS[name]
    x, y = one_hot(jnp.array([[1, 2, 3], [1, 2, 0]])), jnp.zeros(2, jnp.int32)
    d = make(head)
    variables = d.init(jax.random.key(0), x, y, train=False)
    seen = d.apply(variables, x, y, train=False)
    assert seen.score.shape == (2, *scores)
    assert seen.extras["features"].ndim == 2 and len(seen.extras["features"]) == 2
    assert not np.allclose(seen.score[0], seen.score[1])
    if isinstance(head, ProjectionHead):
        assert not np.allclose(seen.score, d.apply(variables, x, y + 1, train=False).score)
    if isinstance(head, ClassifierHead):
        assert seen.extras["class_logits"].shape == (2, 2)
    if name in ("lstm", "transformer"):  # the beginnings are equal
        np.testing.assert_allclose(seen.score[0, :2], seen.score[1, :2], rtol=1e-5)


def count(network, *inputs):
    init = lambda *own: network.init(jax.random.key(0), *own, train=False)["params"]
    return sum(math.prod(a.shape) for a in jax.tree.leaves(jax.eval_shape(init, *inputs)))


def test_the_published_networks_have_these_parameters():
    """20 tokens of 5,000: SeqGAN's networks, its D with windows up to 20, and RelGAN's."""
    words, z, y = 5_000, jnp.zeros((2, 2)), jnp.zeros(2, jnp.int32)
    lstm, embedded = 4 * (32 * (32 + 32) + 32), (words + 1) * 32
    assert count(seqgan.Generator((20, words)), z, y) == embedded + lstm + 33 * words
    x = jnp.zeros((2, 20, words))
    filters = sum(n * (window * 64 + 1) for window, n in seqgan.FILTERS.items())
    highway = 2 * 1_720 * (1_720 + 1)
    assert count(seqgan.Discriminator(UnconditionalHead()), x, y) == (
        words * 64 + filters + highway + 1_720 + 1
    )
    d = relgan.Discriminator(UnconditionalHead(), filters=300)
    filters, highway = 300 * sum(w + 1 for w in relgan.WINDOWS), 2 * 1_200 * (1_200 + 1)
    assert count(d, x, y) == words * 64 + filters + highway + 1_201 * 100 + 101
    g, width = relgan.Generator((20, words), size=256), 512
    memory = 33 * width + 2 * (width + 1) * 2 * width + (width + 1) * 3 * width
    memory += 2 * (width + 1) * width + 4 * width
    assert count(g, z, y) == embedded + memory + (width + 1) * words


def test_widths_that_the_heads_do_not_divide_are_refused():
    g = transformer.Generator(SHAPE, width=6)
    with pytest.raises(ConfigError, match=r"generator\.width must be a multiple of the 4 heads"):
        count(g, jnp.zeros((2, 2)), jnp.zeros(2, jnp.int32))
