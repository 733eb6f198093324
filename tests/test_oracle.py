"""The language of SeqGAN's oracle, and the exact divergences of the study of it."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest
import scipy.stats

from gan_jax.data.oracle import Oracle
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.errors import ConfigError
from gan_jax.studies import oracle, oracle_study
from gan_jax.studies.oracle_methods import METHODS, by_likelihood
from gan_jax.types import Batch

WORDS = 4
every_text = lambda length: np.array(list(itertools.product(range(WORDS), repeat=length)))


def test_probabilities_sum_to_one_and_are_those_of_the_texts_drawn():
    language, texts, n = Oracle(WORDS, 3), every_text(3), 20_000
    exact = np.exp(language.log_prob(texts).sum(1))
    np.testing.assert_allclose(exact.sum(), 1, rtol=1e-5)
    drawn = language.draw(n, 0, length=3)
    assert drawn.dtype == np.int32
    found = np.bincount(drawn @ WORDS ** np.arange(3)[::-1], minlength=len(texts))
    rare = n * exact < 5
    pooled = lambda a: np.append(a[~rare], a[rare].sum() + 1e-3)
    observed, expected = pooled(found), pooled(n * exact)
    assert scipy.stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-3


def test_texts_depend_on_both_seeds():
    draw = lambda oracle_seed, seed: Oracle(50, oracle_seed).draw(5, seed)
    np.testing.assert_array_equal(draw(0, 0), draw(0, 0))
    assert not np.array_equal(draw(0, 0), draw(0, 1)) and not np.array_equal(draw(0, 0), draw(1, 0))


def test_5000_words_have_the_known_entropy_and_sharp_texts_score_below_it():
    """5.75 nats a token of SeqGAN's own oracle, 5.8 to 6.0 of others drawn in the same way."""
    language = Oracle()
    nll = lambda temperature: -language.log_prob(language.draw(200, 1, temperature=temperature))
    assert 5.6 < nll(1.0).mean() < 6.1 and 3 < nll(0.5).mean() < 3.6


def test_tokens_and_sizes_outside_of_the_language_are_refused():
    with pytest.raises(ConfigError, match="tokens from 0 to 3"):
        Oracle(WORDS).log_prob(np.array([[0, 4]]))
    with pytest.raises(ConfigError, match="words must be at least 2, not 1"):
        Oracle(1)


@pytest.fixture
def options(tmp_path, monkeypatch):
    """Texts of two tokens, all of which can be listed."""
    monkeypatch.setattr(oracle_study, "LENGTH", 2)
    monkeypatch.setattr(oracle_study, "TEXTS", 200)
    oracle_study._texts.cache_clear()
    yield oracle.Options(
        tmp_path / "study", "mle", words=WORDS, oracles=1, seeds=1, likelihood_steps=20,
        samples=4_000,
    )  # fmt: skip
    oracle_study._texts.cache_clear()
    oracle_study._real.cache_clear()
    oracle_study._by_likelihood.cache_clear()


def test_a_game_begins_with_the_weights_of_maximum_likelihood_alone(options, monkeypatch):
    options = dataclasses.replace(options, steps=1, likelihood_steps=2)
    first = oracle_study.trained(METHODS["mle"], 0, 0, options)[1].generator.params
    after, begun = oracle_study._after, []
    at_once = lambda gan, texts, seed, steps, *rest: begun.append(after(gan, texts, seed, 0, *rest))
    monkeypatch.setattr(oracle_study, "_after", at_once)  # no step of the game
    oracle_study.trained(METHODS["straight_through"], 0, 0, options)
    (game,) = begun  # maximum likelihood is not repeated
    assert jax.tree.all(jax.tree.map(np.array_equal, game.generator.params, first))


def test_divergences_are_those_of_all_texts_and_a_study_continues(options, capsys, monkeypatch):
    study = oracle_study.Study(options, ("mle",))
    study.run()
    assert [line["temperature"] for line in study.lines.lines] == [1.0, 0.8, 0.6]
    texts, language = every_text(2), Oracle(WORDS, 0)
    gan, state, _ = oracle_study.trained(METHODS["mle"], 0, 0, options)
    true = language.log_prob(texts).sum(1)
    for line in study.lines.lines:
        there = oracle_study.at_temperature(gan, state, line["temperature"])
        own = np.asarray(oracle_study._log_prob(*there, texts), np.float64).sum(1)
        np.testing.assert_allclose(np.exp(own).sum(), 1, rtol=1e-5)
        kl = lambda p, q: (np.exp(p) * (p - q)).sum() / 2
        excess = (np.exp(true) * true - np.exp(own) * true).sum() / 2
        exact = {"kl": kl(own, true), "kl_reverse": kl(true, own), "nll_excess": excess}
        for name, expected in exact.items():
            value, _, high = line[name]
            # Twice the interval: the entropy in the excess is an estimate, too.
            assert abs(value - expected) < 2 * (high - value), name
        assert exact["kl"] > 0.02 and exact["kl_reverse"] > 0.02
    made = oracle_study.trained
    monkeypatch.setattr(oracle_study, "trained", None)
    again = oracle_study.Study(options, ("mle",))
    again.run()  # nothing is missing
    monkeypatch.setattr(oracle_study, "trained", made)
    assert again.lines.lines == study.lines.lines
    table = (options.workdir / "results.md").read_text()
    assert "| maximum likelihood, LSTM of 32, temperature 0.6 | 1 |" in table
    assert "entropy is 5.75" in table
    with pytest.raises(ConfigError, match=r"different settings \(likelihood_steps"):
        oracle_study.Study(dataclasses.replace(options, likelihood_steps=3), ("mle",))


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.discriminator])
def test_the_games_of_all_methods_trace(name):
    """Also that the weights after maximum likelihood fit."""
    shape = (5, WORDS)
    method = METHODS[name]
    game, first = method.game(shape, 10), method.pretrained or method.generator
    weights = lambda gan: jax.eval_shape(
        lambda: gan.generator.network.init(
            jax.random.key(0), jax.numpy.ones((2, 2)), jax.numpy.zeros(2, "int32"), train=False
        )
    )
    assert weights(by_likelihood(first(shape))) == weights(game)
    y = np.zeros((1, 4), np.int32)
    batch = Batch(np.zeros((1, 4, shape[0]), np.int32), y)
    state = jax.eval_shape(lambda: init_state(game, jax.random.key(0), batch))
    _, metrics = jax.eval_shape(lambda s: train_step(game, s, batch), state)
    assert {"g/loss", "d/loss"} <= metrics.keys()


@pytest.mark.parametrize(
    "wrong, words",
    [
        (["--methods", "seqgam"], "did you mean 'seqgan'"),
        (["--words", "1"], "words must be at least 2, not 1"),
    ],
)
def test_wrong_options_are_refused(wrong, words, capsys):
    with pytest.raises(SystemExit) as ended:
        oracle.main(wrong)
    assert ended.value.code == 2 and words in capsys.readouterr().err
