"""InfoGAN: the bound on the mutual information against closed forms, the order of the codes, and a
GAN whose codes become the modes of its data.
"""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest
import scipy.stats
from sklearn.metrics import normalized_mutual_info_score

import gan_jax
from gan_jax.build import build, build_members
from gan_jax.config import Config, Network, Optimizer, Penalty
from gan_jax.data.truths import TRUTHS
from gan_jax.engine.population import init_population, member, train_population
from gan_jax.engine.trained import discriminate, generate
from gan_jax.errors import ConfigError
from gan_jax.evaluation import latent_pictures
from gan_jax.evaluation import pictures as evaluation_pictures
from gan_jax.latents import slerp
from gan_jax.metrics.mixtures import nearest_modes
from gan_jax.nn.heads import CodesHead, UnconditionalHead
from gan_jax.parts.priors import Codes, Normal, infogan
from gan_jax.parts.regularizers import (
    G_REGULARIZERS,
    REGULARIZERS,
    categorical_codes,
    continuous_codes,
)
from gan_jax.sampling.images import _loop
from gan_jax.sweeps import Population
from gan_jax.types import Critique, held


def bound(regularizer, latents, logits=(), mean=None, log_deviation=None):
    """The lower bound on the mutual information, in nats, for each example."""
    nothing = jnp.zeros((len(latents), 0))
    mean, log_deviation = (nothing if a is None else a for a in (mean, log_deviation))
    codes = {"logits": logits, "mean": mean, "log_deviation": log_deviation}
    critique = Critique(jnp.zeros(len(latents)), {"codes": codes})
    context = players.of_critiques(critique, critique, latents=latents)
    return -np.asarray(regularizer.apply((), context)[0])


@pytest.mark.parametrize("k, error", [(2, 0.25), (4, 0.2), (10, 0.0)])
def test_the_bound_of_a_noisy_channel_is_its_mutual_information(k, error):
    """A code of ``k`` categories is seen with probability ``1 - error``, otherwise as one of the
    others; Q is the posterior. Every pair of sent and seen code occurs as often as it is likely.
    """
    joint = ((1 - error) * np.eye(k) + error / (k - 1) * (1 - np.eye(k))) / k
    times = np.round(joint * k * 60 * (k - 1)).astype(int)  # whole numbers for these errors
    sent, seen = (np.repeat(a, times.ravel()) for a in np.divmod(np.arange(k * k), k))
    posterior = joint[:, seen].T * k
    latents = jnp.concatenate([jnp.full((len(sent), 3), 7.0), jax.nn.one_hot(sent, k)], axis=1)
    found = bound(categorical_codes(), latents, (jnp.log(posterior + 1e-30),))
    ratio = np.where(joint > 0, joint * k * k, 1)
    np.testing.assert_allclose(found.mean(), np.sum(joint * np.log(ratio)), rtol=1e-5)


def test_the_bound_of_continuous_codes_is_a_log_density_and_an_entropy():
    """Two codes behind noise and a one-hot code, with deviations of their own."""
    rng = np.random.default_rng(0)
    code, mean, log_deviation = rng.uniform(-1, 1, (3, 5, 2)).astype(np.float32)
    latents = np.concatenate([rng.normal(size=(5, 3)), np.eye(5)[:, :4], code], axis=1)
    logits = (jnp.zeros((5, 4)),)
    found = bound(continuous_codes(), jnp.asarray(latents), logits, mean, log_deviation)
    density = scipy.stats.norm.logpdf(code, mean, np.exp(log_deviation))
    np.testing.assert_allclose(found, (density + np.log(2)).sum(1), rtol=1e-5)


def test_each_categorical_code_has_its_own_prediction():
    """Of two codes, one predicted for certain and one not at all: log 3 + 0, in this order."""
    three, two = jax.nn.one_hot(jnp.array([0, 2]), 3), jax.nn.one_hot(jnp.array([1, 0]), 2)
    latents = jnp.concatenate([jnp.ones((2, 4)), three, two], axis=1)
    found = bound(categorical_codes(), latents, (50 * three, jnp.zeros((2, 2))))
    np.testing.assert_allclose(found, [np.log(3)] * 2, rtol=1e-5)


@pytest.mark.parametrize("learned", [False, True])
def test_the_head_predicts_all_codes_from_the_features(learned):
    head = CodesHead(UnconditionalHead(), (3, 2), 2, learned_deviation=learned, width=4)
    features, y = jax.random.normal(jax.random.key(0), (5, 6)), jnp.zeros(5, jnp.int32)
    critique, variables = head.init_with_output(jax.random.key(1), features, y)
    codes = critique.extras["codes"]
    assert [a.shape for a in codes["logits"]] == [(5, 3), (5, 2)]
    assert codes["mean"].shape == codes["log_deviation"].shape == (5, 2)
    assert np.any(codes["log_deviation"] != 0) == learned
    bare = {"params": variables["params"]["head"]}
    expected = UnconditionalHead().apply(bare, features, y)
    np.testing.assert_array_equal(critique.score, expected.score)


def test_the_prior_draws_noise_then_one_hot_codes_then_uniform_ones():
    prior = infogan(3, categories=4, codes=2, continuous=2).prior
    assert prior == Codes(3, (4, 4), 2)
    z = np.asarray(prior.draw(jax.random.key(0), 4_000))
    codes, continuous = z[:, 3:11].reshape(-1, 2, 4), z[:, 11:]
    assert np.all(codes.sum(2) == 1) and set(np.unique(codes)) == {0, 1}
    pairs = np.einsum("bi,bj->ij", *np.moveaxis(codes, 1, 0))
    assert scipy.stats.chisquare(pairs.ravel()).pvalue > 1e-3  # independent, all equally likely
    uniform = scipy.stats.uniform(-1, 2)
    assert all(scipy.stats.kstest(c, uniform.cdf).pvalue > 1e-3 for c in continuous.T)
    assert all(scipy.stats.kstest(c, "norm").pvalue > 1e-3 for c in z[:, :3].T)


PRIOR = infogan(3, categories=4, codes=2, continuous=2).prior
IS_CODE = np.isin(np.arange(13), np.arange(3, 11))


def test_paths_keep_the_categorical_codes_of_their_first_end():
    """With another prior, all latents change."""
    z = PRIOR.draw(jax.random.key(0), 16)
    paths = slerp(z[:8], z[8:], jnp.linspace(0, 1, 5))
    found = np.asarray(held(PRIOR, paths, z[:8]))
    assert np.all((found == z[:8, None])[..., IS_CODE])
    np.testing.assert_array_equal(found[..., ~IS_CODE], paths[..., ~IS_CODE])
    np.testing.assert_array_equal(held(Normal(13), paths, z[:8]), paths)


@pytest.mark.parametrize("regularizer", [REGULARIZERS["zcr"], G_REGULARIZERS["zcr"]])
@pytest.mark.parametrize("prior, kept", [(PRIOR, IS_CODE), (Normal(13), np.zeros(13, bool))])
def test_latent_consistency_does_not_change_categorical_codes(regularizer, prior, kept):
    z, seen = PRIOR.draw(jax.random.key(0), 16), []
    generate = lambda z, y: seen.append(z) or z
    context = players.d_context(lambda x: x.sum(1), z, generate=generate, latents=z)
    regularizer().apply((), dataclasses.replace(context, prior=prior))
    np.testing.assert_array_equal(seen[0] == z, np.tile(kept, (16, 1)))


def test_interpolations_keep_categorical_codes(monkeypatch):
    """In the pictures of evaluations, those of the latent space, and animations."""
    found = []
    record = lambda gan, state, z, labels: found.append(z) or np.zeros((len(z), 8, 8, 1), np.uint8)
    monkeypatch.setattr(evaluation_pictures, "generated", record)
    gan = types.SimpleNamespace(prior=PRIOR, num_classes=0, condition=None)
    drawn = types.SimpleNamespace(
        gan=gan, state=None, config=None, key=jax.random.key(0), truncation=None
    )
    evaluation_pictures._interpolation(drawn)
    subject = types.SimpleNamespace(
        gan=gan,
        spaces=("z",),
        config=None,
        latents=lambda n: PRIOR.draw(jax.random.key(0), n),
        conditions=lambda n: np.zeros(n, np.int32),
        points=lambda z, y, space: z,
        of_paths=lambda paths, y, space: found.append(paths.reshape(-1, 13)),
    )
    latent_pictures.interpolation(subject)
    stops = PRIOR.draw(jax.random.key(0), 12).reshape(4, 3, 13)
    found.append(jnp.swapaxes(_loop(PRIOR, stops), 0, 1).reshape(-1, 13))
    for z, ways in zip(found, (10, 10, 3), strict=True):
        ways = np.asarray(z).reshape(ways, -1, 13)
        assert set(np.unique(ways[..., IS_CODE])) == {0, 1}
        assert np.all((ways == ways[:, :1])[..., IS_CODE])
        assert np.all(np.ptp(ways, axis=1)[:, ~IS_CODE] > 0)


RING = Config(
    dataset="ring8",
    prior="infogan:8",
    latents=4,
    generator=Network("mlp", width=32),
    discriminator=Network("mlp", width=32),
    penalties=(Penalty("r1", 0.1),),
    g_optimizer=Optimizer(lr=2e-3, b1=0.0, b2=0.99),
    d_optimizer=Optimizer(lr=2e-3, b1=0.0, b2=0.99),
    ema=1_000.0,
    steps=1_000,
)


def test_codes_become_the_modes_of_the_data():
    """Three seeds with the bound and three without it, trained as one population: with it, the code
    of a sample, the code that D predicts for it, and its mode on the ring determine each other.
    """
    population = Population(3, (("prior.weight", (1.0, 0.0)),))
    gans = build_members(population.members(RING))
    states = init_population(gans, jax.random.split(jax.random.key(0), 6))
    states, metrics = train_population(gans[0], states, gan_jax.resident(RING), RING.steps)
    z, y = gans[0].prior.draw(jax.random.key(1), 512), jnp.zeros(512, jnp.int32)
    code, found = np.argmax(z[:, 4:], axis=1), []
    for i in range(6):
        state = member(states, i)
        points = generate(gans[0], state, z, y)
        (logits,) = discriminate(gans[0], state, points, y).extras["codes"]["logits"]
        modes = nearest_modes(points, TRUTHS["ring8"]).nearest
        seen = (modes, np.argmax(logits, axis=1))
        found.append([normalized_mutual_info_score(code, labels) for labels in seen])
    with_bound, without = np.array(found).reshape(2, 3, 2)
    assert np.all(with_bound > 0.95) and np.all(without < 0.8), found
    assert np.all(metrics["g/categorical_codes"][:3] < -1.5)


@pytest.mark.parametrize(
    "prior, message",
    [
        ("infogan:1", r"prior.categories must be at least 2, not 1\."),
        ("infogan:codes=0", r"prior: infogan has neither codes nor continuous codes; use at least"),
        ("infogan:continuous=1.5", r"prior.continuous must be an integer, at least 0, not 1.5\."),
        ("infogan:learned_deviation=1", r"prior.learned_deviation must be True or False, not 1\."),
        ("infogan:weight=-1", r"prior.weight must be in \[0, inf\), not -1\."),
        ("infogan:codes=1000000000000", r"prior.categories: 10,000,000,000,000 numbers of the "),
        ("normal:4", r"prior.categories is not an option of normal; it has none\."),
        ("infogen", r"prior.name 'infogen' is unknown; did you mean 'infogan'\? Use infogan, "),
    ],
)
def test_wrong_priors_are_refused(prior, message):
    with pytest.raises(ConfigError, match=message) as refusal:
        build(dataclasses.replace(RING, prior=prior))
    assert "\n" not in str(refusal.value)
