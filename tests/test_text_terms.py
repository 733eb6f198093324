"""Terms of generators that sample tokens, against exact expectations over all texts of a tiny
language, and a training by maximum likelihood.
"""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.engine.gan import Gan, Player, init_state
from gan_jax.engine.train_step import train_step as gan_step
from gan_jax.errors import ConfigError
from gan_jax.modality import Text
from gan_jax.models import iwgan, mlp, scratchgan, seqgan
from gan_jax.nn.heads import UnconditionalHead
from gan_jax.parts.losses import none
from gan_jax.parts.priors import Normal
from gan_jax.parts.regularizers import likelihood, reinforce, rollouts
from gan_jax.types import Batch, Context, Critique, Fake, Term

LENGTH = WORDS = 3
TEXTS = jnp.array(list(itertools.product(range(WORDS), repeat=LENGTH)))
EVERY, LABELS = jax.nn.one_hot(TEXTS, WORDS), jnp.zeros(len(TEXTS), jnp.int32)
WRITER = seqgan.Generator((LENGTH, WORDS), ends=False, width=3, embedding=2)
TOKENS = scratchgan.Discriminator(UnconditionalHead(), width=3, embedding=2)
WHOLE = mlp.Discriminator(UnconditionalHead(), width=8)
LATENTS = jax.random.normal(jax.random.key(0), (2, 2))


def variables_of(network, *inputs):
    made = network.init(jax.random.key(1), *inputs, train=False)
    return jax.tree.map(lambda a: 4 * a, made)


def context_of(d, g_params, z, real=None):
    """As the engine makes it, without augmentation."""
    d_params, y = variables_of(d, EVERY, LABELS), jnp.zeros(len(z), jnp.int32)
    generate = functools.partial(WRITER.apply, g_params, train=True)
    discriminate = functools.partial(d.apply, d_params, train=False)
    fake = generate(z, y)._replace(y=y)
    return Context(
        generate=generate, discriminate=discriminate, see_real=None, see_fake=None, frozen={},
        modality=None, prior=Normal(2), params=g_params, latents=z, real=real, fake=fake,
        real_critique=None, fake_critique=discriminate(fake.x, y), key=jax.random.key(5),
    )  # fmt: skip


def exact_gradient(d, params, discount):
    """``sum p(text) sum_t R_t grad log p_t / length`` over all texts, with loops over tokens."""
    score = np.asarray(d.apply(variables_of(d, EVERY, LABELS), EVERY, LABELS, train=False).score)
    rewards = 2 / (1 + np.exp(-score.astype(np.float64))) - 1
    if rewards.ndim == 1:
        rewards = np.stack([0 * rewards, 0 * rewards, rewards], axis=1)
    returns = np.zeros((len(TEXTS), LENGTH))
    for t in range(LENGTH):
        for s in range(t, LENGTH):
            returns[:, t] += discount ** (s - t) * rewards[:, s]
    flat, unflatten = jax.flatten_util.ravel_pytree(params)
    log_prob = lambda v: WRITER.apply(unflatten(v), EVERY, LABELS, train=True, method="log_prob")
    weights = np.exp(np.asarray(log_prob(flat), np.float64).sum(1))[:, None] * returns / LENGTH
    exact = jax.grad(lambda v: jnp.sum(jnp.float32(weights) * log_prob(v)))(flat)
    if discount == 1:  # then it is the gradient of the expected sum of rewards
        value = lambda v: jnp.exp(log_prob(v).sum(1)) @ jnp.float32(rewards.sum(1)) / LENGTH
        np.testing.assert_allclose(jax.grad(value)(flat), exact, rtol=1e-3, atol=1e-5)
    return np.asarray(exact)


def estimates(apply, d, params, blocks=64, n=512):
    """The gradients of ``-apply(context)`` of independent minibatches, ``[blocks, parameters]``."""
    flat, unflatten = jax.flatten_util.ravel_pytree(params)

    @jax.jit
    @jax.grad
    def gradient(v, key):
        z = jax.random.normal(key, (n, 2))
        return -apply(context_of(d, unflatten(v), z))[0].mean()

    keys = jax.random.split(jax.random.key(2), blocks)
    return np.stack([gradient(flat, key) for key in keys])


def assert_means(found, exact):
    """Whether the means are the exact values, up to the noise of the estimates."""
    assert np.linalg.norm(exact) > 5 * np.linalg.norm(found.std(0)) / np.sqrt(len(found))
    used = found.std(0) > 1e-9
    z = ((found.mean(0) - exact) / (found.std(0, ddof=1) / np.sqrt(len(found)) + 1e-12))[used]
    assert np.abs(z).max() < 5 and np.mean(z**2) < 3
    np.testing.assert_allclose(found.mean(0)[~used], exact[~used], atol=1e-6)


@pytest.mark.parametrize("d, discount", [(TOKENS, 1.0), (TOKENS, 0.4), (WHOLE, 1.0)])
def test_reinforce_has_the_gradient_of_the_expected_rewards(d, discount):
    """With a baseline, which does not change the mean."""
    params, term = variables_of(WRITER, LATENTS, LABELS[:2]), reinforce(discount=discount)
    found = estimates(functools.partial(term.apply, jnp.float32(0.3)), d, params)
    assert_means(found, exact_gradient(d, params, discount))


def test_the_baseline_is_the_average_of_returns_and_takes_variance():
    params = variables_of(WRITER, LATENTS, LABELS[:2])
    z = jax.random.normal(jax.random.key(7), (64, 2))
    context = context_of(TOKENS, params, z)
    term = reinforce(decay=0.75)
    value, after = term.apply(jnp.float32(0.2), context)
    rewards = jnp.tanh(context.fake_critique.score / 2)
    returns = jnp.cumsum(rewards[:, ::-1], axis=1)[:, ::-1]
    expected = -(returns - 0.2) * context.fake.extras["log_prob"]
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after, 0.75 * 0.2 + 0.25 * returns.mean(), rtol=1e-5)


def test_rollouts_are_the_expected_rewards_of_beginnings():
    """The mean over many completions is the conditional expectation, by enumeration."""
    params, n = variables_of(WRITER, LATENTS, LABELS[:2]), 400
    context = context_of(WHOLE, params, jax.random.normal(jax.random.key(7), (16, 2)))
    value, after = jax.jit(lambda: rollouts(n=n).apply(jnp.zeros(()), context))()
    values = -value / context.fake.extras["log_prob"]
    rewards = jnp.tanh(context.discriminate(EVERY, LABELS).score / 2)
    every = jnp.exp(context.generate(EVERY, LABELS, method="log_prob").sum(1))
    for text, own in zip(context.fake.x.argmax(-1), np.asarray(values), strict=True):
        for t in range(LENGTH):
            begun = jnp.all(TEXTS[:, : t + 1] == text[None, : t + 1], axis=1)
            share = every * begun / jnp.sum(every * begun)
            exact = share @ rewards
            deviation = np.sqrt(max(share @ (rewards - exact) ** 2, 0) / n)
            assert abs(own[t] - exact) < 5 * deviation + 1e-4
    np.testing.assert_allclose(after, 0.1 * values.mean(), rtol=1e-4)
    assert np.std(np.asarray(values)) > 0.05


def test_rollouts_have_the_gradient_of_the_expected_reward():
    params, term = variables_of(WRITER, LATENTS, LABELS[:2]), rollouts(n=1)
    found = estimates(functools.partial(term.apply, jnp.float32(0.1)), WHOLE, params)
    assert_means(found, exact_gradient(WHOLE, params, 1.0))


def writing(network=WRITER, *terms, d=WHOLE, loss=none):
    return Gan(
        Player(network, optax.adam(0.02), terms, loss_weight=0.0, average=0.0),
        Player(d, optax.sgd(0.1)), loss, Normal(2), Text((LENGTH, WORDS)),
    )  # fmt: skip


def test_maximum_likelihood_reaches_the_entropy():
    """Of a distribution over 27 texts, through the training loop without a game: D stays."""
    shares = np.random.default_rng(0).dirichlet(np.full(len(TEXTS), 0.5))
    rng = np.random.default_rng(1)
    tokens = np.asarray(TEXTS)[rng.choice(len(TEXTS), 2_000, p=shares)].astype(np.int32)
    counts = np.unique(tokens, axis=0, return_counts=True)[1] / len(tokens)
    entropy = -(counts * np.log(counts)).sum() / LENGTH
    g = dataclasses.replace(WRITER, width=16, embedding=8)
    gan = writing(g, Term("likelihood", likelihood(), 1.0))
    data = Batch(tokens[None], np.zeros((1, len(tokens)), np.int32))
    state = init_state(gan, jax.random.key(0), data)
    untrained = jax.tree.map(np.asarray, state.discriminator.params)
    step = jax.jit(lambda state: gan_step(gan, state, data))
    for _ in range(150):
        state, metrics = step(state)
    assert entropy - 1e-4 < metrics["g/likelihood"] < entropy + 0.02
    jax.tree.map(np.testing.assert_array_equal, untrained, state.discriminator.params)


def test_terms_refuse_what_they_cannot_use():
    z = jnp.ones((2, 2))
    params = variables_of(WRITER, z, LABELS[:2])
    context = context_of(TOKENS, params, z)
    scores = Critique(jnp.zeros((2, 5)))
    with pytest.raises(ConfigError, match=r"each of its 3 tokens .*, not \[5\] scores"):
        reinforce().apply(jnp.zeros(()), dataclasses.replace(context, fake_critique=scores))
    plain = dataclasses.replace(context, fake=Fake(context.fake.x))
    for term, name in ((reinforce(), "reinforce"), (rollouts(), "rollouts")):
        with pytest.raises(ConfigError, match=f"{name} needs log_prob from the generator"):
            term.apply(jnp.zeros(()), plain)
    for numbers in ({"discount": 1.5}, {"decay": 1.0}):
        with pytest.raises(ConfigError, match=f"{next(iter(numbers))} must be in"):
            reinforce(**numbers).apply(jnp.zeros(()), context)
    with pytest.raises(ConfigError, match="n must be at least 1, not 0"):
        rollouts(n=0).apply(jnp.zeros(()), context)
    silent = writing(
        iwgan.Generator((LENGTH, WORDS), width=2), Term("likelihood", likelihood(), 1.0)
    )
    batch = Batch(jnp.zeros((1, 2, LENGTH), jnp.int32), jnp.zeros((1, 2), jnp.int32))
    with pytest.raises(ConfigError, match="likelihood needs a generator that knows"):
        state = init_state(silent, jax.random.key(0), batch)
        gan_step(silent, state, batch)
