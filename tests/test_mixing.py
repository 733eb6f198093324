"""Fakes among the real examples: which ones D sees, how many, and their adaptive probability."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import arrays, random_batch, small_mlp

from gan_jax import checkpoint
from gan_jax.build import abstract_batch, build
from gan_jax.config import Config, Network, from_dict, to_dict
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.errors import ConfigError
from gan_jax.parts.losses import nonsaturating
from gan_jax.parts.mixing import pseudo_real
from gan_jax.sweeps import Population
from gan_jax.types import Batch, Fake, Loss, Mixing, Regularizer, Term

B = 500
REAL = Batch(jnp.arange(B * 2.0).reshape(B, 2), jnp.arange(B))
FAKE = Fake(-1 - REAL.x, -1 - REAL.y, {"w": jnp.zeros(B)})


def test_with_probability_0_nothing_changes_and_with_1_all_are_fakes():
    key = jax.random.key(3)
    for a, b in zip(pseudo_real(key, REAL, FAKE, jnp.float32(0)), REAL, strict=True):
        np.testing.assert_array_equal(a, b)
    x, y = pseudo_real(key, REAL, FAKE, jnp.float32(1))
    np.testing.assert_array_equal(x, np.roll(FAKE.x, 1, axis=0))
    np.testing.assert_array_equal(y, np.roll(FAKE.y, 1))


def test_the_share_of_fakes_is_the_probability_and_they_keep_their_conditions():
    """Of 500 draws with p = 0.3, within three standard deviations; no fake is at its own place."""
    x, y = map(np.asarray, pseudo_real(jax.random.key(0), REAL, FAKE, jnp.float32(0.3)))
    fakes = y < 0
    assert abs(fakes.mean() - 0.3) < 3 * np.sqrt(0.3 * 0.7 / B)
    np.testing.assert_array_equal(x[~fakes], np.asarray(REAL.x)[~fakes])
    np.testing.assert_array_equal(x[fakes], np.roll(FAKE.x, 1, axis=0)[fakes])
    np.testing.assert_array_equal(y[fakes], np.roll(FAKE.y, 1)[fakes])
    other = np.asarray(pseudo_real(jax.random.key(1), REAL, FAKE, jnp.float32(0.3)).y) < 0
    assert np.any(other != fakes)


SEEN = Regularizer(
    tuple,
    lambda memory, context: (
        jnp.mean(context.real.x, axis=(1, 2, 3)) - jnp.mean(context.fake.x, axis=(1, 2, 3)),
        memory,
    ),
)
"""The mean of what a term sees as real, less that of the fakes."""
BATCH = random_batch()


def mixed(strength, **changes):
    terms = {"terms": (Term("seen", SEEN, 0.0),)}
    player = {} if strength is None else {"mixing": Mixing("apa", pseudo_real, strength)}
    return small_mlp(terms, terms | player, **changes)


def after_a_step(gan):
    return train_step(gan, init_state(gan, jax.random.key(0), BATCH), BATCH)


def test_a_step_without_fakes_is_that_without_a_mixing_bit_by_bit():
    (without, _), (with_none, _) = after_a_step(mixed(None)), after_a_step(mixed(0.0))
    for a, b in zip(arrays(without.players), arrays(with_none.players), strict=True):
        np.testing.assert_array_equal(a, b)


def test_with_fakes_alone_d_sees_the_same_on_both_sides_and_g_what_was_read():
    """Scores, and examples in the context of the regularizers; only D has the mixing."""
    _, metrics = after_a_step(mixed(1.0, loss=Loss(lambda r, f: r - r, nonsaturating.g)))
    np.testing.assert_allclose(metrics["d/score_real"], metrics["d/score_fake"], atol=1e-6)
    assert abs(metrics["d/seen"]) < 1e-6 < abs(metrics["g/seen"])


ADAPTIVE = Config(
    mixing="apa",
    generator=Network("mlp", width=8, depth=1),
    discriminator=Network("mlp", width=8, depth=1),
    latents=2,
    batch_size=50_000,
)


def test_the_probability_follows_d_and_goes_on_where_it_was(tmp_path):
    """It moves every four steps, by 4 x 50,000 / 500,000; a resumed run has it bit by bit."""
    name, found = "feedback/discriminator/mixing/strength", []
    drift = Loss(lambda real, fake: jnp.square(real - 3), nonsaturating.g)  # D likes everything
    gan = dataclasses.replace(build(ADAPTIVE), loss=drift)
    state = init_state(gan, jax.random.key(0), BATCH)
    for step in range(12):
        if step == 6:
            with checkpoint.Writer(tmp_path, keep=1) as writer:
                writer.save(step, state)
        state, metrics = train_step(gan, state, BATCH)
        found.append(float(metrics[name]))
    assert len(set(found[:4])) == len(set(found[4:8])) == len(set(found[8:])) == 1
    assert found[0] == 0 and np.abs(np.diff(found[::4])).max() == pytest.approx(0.4)
    like = init_state(gan, jax.random.key(1), BATCH)
    like = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), jax.device_put(like)
    )
    resumed = checkpoint.restore(tmp_path, 6, like)
    for _ in range(6):
        resumed, _ = train_step(gan, resumed, BATCH)
    for a, b in zip(arrays(resumed), arrays(state), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_population_may_differ_in_the_probability():
    config = dataclasses.replace(ADAPTIVE, mixing="apa:0.1", batch_size=8)
    assert from_dict(to_dict(config)) == config
    members = Population(1, (("mixing.strength", (0.1, 0.2)),)).members(config)
    gans = [build(member) for member in members]
    assert gans[0] == gans[1] and gans[1].discriminator.mixing.strength == 0.2
    assert abstract_batch(config, gans[0].source).x.shape == (1, 8, 8, 8, 1)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"mixing": "apa:1.5"}, r"mixing.strength must be in \[0, 1\], not 1.5\."),
        ({"mixing": "none:0.5"}, r"mixing.strength is not an option of none; it has none\."),
        ({"mixing": "adda"}, r"mixing.name 'adda' is unknown; "),
        ({"mixing": "apa", "dynamics": "simultaneous"}, r"mixing requires dynamics alternating: "),
        (
            {
                "mixing": "apa", "conditioning": "semi_supervised", "labels": 10,
                "labelled_batch": 2,
            },
            r"mixing 'apa' conflicts with conditioning 'semi_supervised', in which D learns",
        ),
    ],
)  # fmt: skip
def test_wrong_mixings_are_refused(changes, message):
    config = dataclasses.replace(ADAPTIVE, batch_size=8, **changes)
    with pytest.raises(ConfigError, match=message) as refusal:
        build(config)
    assert "\n" not in str(refusal.value)
