"""Two unpaired datasets, from a config to the scores of both directions."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import arrays
from runs import stopped_after

import gan_jax
from gan_jax import ConfigError
from gan_jax.config import Config, Network, Penalty
from gan_jax.data import load
from gan_jax.evaluation.one_way import one_way
from gan_jax.modality import DOMAINS
from gan_jax.runs.folder import picture
from gan_jax.sampling.conditions import in_turn
from gan_jax.training.loop import train

pytestmark = pytest.mark.usefixtures("signals_as_before")

CONFIG = Config(
    dataset="digits",
    unpaired="digits",
    pairs="domains",
    prior="none",
    generator=Network("cyclegan", width=2, blocks=0, same=True),
    discriminator=Network("cyclegan", width=2, layers=1),
    loss="least_squares",
    g_penalties=(Penalty("cycle", 10.0), Penalty("identity", 5.0)),
    pool=10,
    batch_size=8,
    steps=4,
    log_every=2,
    sample_every=4,
    checkpoint_every=2,
    diagnose_every=0,
)


def test_both_domains_are_drawn_in_orders_of_their_own():
    first = next(gan_jax.batches(CONFIG))
    assert set(first.x) == set(first.y) == set(DOMAINS)
    assert first.x["a"].shape == first.x["b"].shape == (1, 8, 8, 8, 1)
    assert not np.array_equal(first.x["a"], first.x["b"])
    known = load("digits", "train")
    for name in DOMAINS:
        for x, y in zip(first.x[name][0], first.y[name][0], strict=True):
            assert y in known.labels[(known.examples == x).all((1, 2, 3))]
    again = gan_jax.data.batch_at(gan_jax.data.resident(CONFIG), jnp.int32(0))
    rows = next(gan_jax.batches(CONFIG, rows=np.array([1, 6])))
    for name in DOMAINS:
        np.testing.assert_array_equal(again.x[name], first.x[name])
        np.testing.assert_array_equal(rows.x[name], first.x[name][:, [1, 6]])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("domains") / "run"
    train(CONFIG, folder)
    return folder


def test_a_stopped_run_resumes_bit_exactly_with_its_pool(finished, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stopped_after(patch, 2)
        assert train(CONFIG, tmp_path / "run").step < 4
    train(CONFIG, tmp_path / "run")
    (_, whole), (_, resumed) = (gan_jax.load(at) for at in (finished, tmp_path / "run"))
    assert whole.discriminator.memory["count"] == 10
    for a, b in zip(arrays(whole), arrays(resumed), strict=True):
        np.testing.assert_array_equal(a, b)
    assert picture(finished, 4, "").exists()


@pytest.mark.parametrize("to", DOMAINS)
def test_a_direction_is_evaluated_as_a_gan_of_its_own(finished, to):
    gan, state = gan_jax.load(finished)
    one, config = one_way(gan, CONFIG, to)
    asked = in_turn(one, config, 200)
    test = load("digits", "test")
    for label, y in zip(np.arange(20) % 10, asked.y, strict=False):
        of_class = test.examples[test.labels == label] / 127.5 - 1
        assert np.isclose(of_class, y, atol=1e-6).all((1, 2, 3)).any()
    made = gan_jax.sample(one, state, jax.random.key(0), asked.y)
    translate = lambda module, x: module.translate(x, to)
    network, variables = gan.generator.network, state.generator.variables(averaged=True)
    np.testing.assert_allclose(made, network.apply(variables, asked.y, method=translate), atol=1e-5)
    found = gan_jax.evaluate(one, state, config, num_samples=200)
    assert {"frechet_distance", "label_agreement"} <= found.scores.keys()
    assert "translations" in found.pictures and "l1" not in found.scores
    with pytest.raises(ConfigError, match="gan-jax study translation"):
        gan_jax.evaluate(gan, state, CONFIG, num_samples=200)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"unpaired": None}, "pairs domains needs a second dataset; set unpaired"),
        ({"unpaired": "ring8"}, "both must be images of one shape"),
        ({"pairs": "labels"}, "unpaired 'digits' has no effect with pairs 'labels'"),
        ({"pairs": "edges"}, "unpaired 'digits' has no effect with pairs 'edges'"),
        ({"generator": Network("pix2pix")}, "'pix2pix' does not take the conditions.*cyclegan"),
        ({"pool": -1}, "pool must be at least 0, not -1"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        gan_jax.build(dataclasses.replace(CONFIG, **changes))


def test_a_pool_is_for_discriminators_that_do_not_look_at_conditions():
    labels = Config(pool=5, conditioning="projection")
    with pytest.raises(ConfigError, match="pool 5 needs a discriminator that does not look"):
        gan_jax.build(labels)
    plain = gan_jax.build(dataclasses.replace(labels, conditioning="none"))
    assert plain.discriminator.memory is not None
