"""Objects of a user's own that do not fit, and wrong calls of the engine, are refused in one
sentence when the state is made or the step is traced.
"""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gans import arrays, random_batch, small_mlp

from gan_jax import Config, ConfigError, Critique, Loss, Optimizer, Penalty
from gan_jax.data import Stream, resident_of
from gan_jax.engine import scalars
from gan_jax.engine.gan import Turns, init_state
from gan_jax.engine.train_step import train_step, train_steps

BATCH = random_batch()
KEY = jax.random.key(0)


class Network(nn.Module):
    """Either player: what ``make`` returns of a dense layer of the first input, ``[b, 64]``."""

    make: object

    @nn.compact
    def __call__(self, x, y, *, train):
        return self.make(nn.Dense(64)(x.reshape(len(x), -1)))


def refused(call, words):
    with pytest.raises(ConfigError, match=words) as refusal:
        call()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "side, make, words",
    [
        ("g", lambda h: h.reshape(-1, 8, 8), r"^generator: .* \[8, 8, 1\], not \[8, 8\]"),
        (
            "d",
            lambda h: h[:, 0],
            r"^discriminator Network must return a gan_jax.Critique, .*, not an array float32\[2\]",
        ),
        (
            "d",
            lambda h: {"score": h[:, 0]},
            "^discriminator Network must return a gan_jax.Critique, .*, not a dict",
        ),
        (
            "d",
            lambda h: Critique(h[:, 0].mean()),
            r"must return a score of floats \[2, \.\.\.\] .*, not an array float32\[\]",
        ),
        (
            "d",
            lambda h: Critique(h[:1, 0]),
            r"floats \[2, \.\.\.\] for 2 .*, not an array float32\[1\]",
        ),
        (
            "d",
            lambda h: Critique(h[:, 0] > 0),
            r"floats \[2, \.\.\.\] for 2 .*, not an array bool\[2\]",
        ),
    ],
)
def test_networks_that_do_not_fit_are_refused_when_the_state_is_made(side, make, words):
    gan = small_mlp(**{side: {"network": Network(make)}})
    refused(lambda: jax.eval_shape(lambda: init_state(gan, KEY, BATCH)), words)


def test_a_score_may_have_axes_behind_the_examples():
    column = small_mlp(d={"network": Network(lambda h: Critique(h[:, :1]))})
    state = jax.eval_shape(lambda: init_state(column, KEY, BATCH))
    _, metrics = jax.eval_shape(functools.partial(train_step, column), state, BATCH)
    assert metrics["d/loss"].shape == ()


@pytest.mark.parametrize(
    "loss, words",
    [
        (
            lambda real, fake: real[:, None] - fake[None, :],
            r"one loss per score, of shape \[8\], not \[8, 8\]",
        ),
        (lambda real, fake: 1.0, r"one loss per score, .*, not \[\]"),
        (lambda real, fake: (real - fake).mean(), r"of shape \[8\], not \[\]"),
    ],
)
def test_losses_of_another_shape_are_refused(loss, words):
    gan = small_mlp(loss=Loss(loss, loss))
    state = jax.eval_shape(lambda: init_state(gan, KEY, BATCH))
    refused(lambda: jax.eval_shape(functools.partial(train_step, gan), state, BATCH), words)


@pytest.mark.parametrize("key", [0, np.int32(3), jnp.zeros(2), jax.random.split(KEY)])
def test_a_key_that_is_none_is_refused(key):
    refused(
        lambda: init_state(small_mlp(), key, BATCH),
        r"^key must be a random key such as jax.random.key\(SEED\), not ",
    )


def test_a_key_of_the_old_kind_is_taken():
    jax.eval_shape(lambda: init_state(small_mlp(), jax.random.PRNGKey(0), BATCH))


@pytest.mark.parametrize(
    "batch", [jax.tree.map(lambda a: a[0], BATCH), BATCH._replace(y=BATCH.y[:, :4])]
)
def test_a_batch_without_its_axes_is_refused(batch):
    gan, words = (
        small_mlp(),
        r"^batch has .*; all arrays must have the same leading axes \[minibatches, b\]",
    )
    refused(lambda: init_state(gan, KEY, batch), words)
    state = jax.eval_shape(lambda: init_state(gan, KEY, BATCH))
    refused(lambda: jax.eval_shape(functools.partial(train_step, gan), state, batch), words)


def test_a_batch_without_a_minibatch_for_the_discriminator_is_refused():
    gan = small_mlp(turns=Turns(fresh=True))
    state = jax.eval_shape(lambda: init_state(gan, KEY, BATCH))
    call = lambda: jax.eval_shape(functools.partial(train_step, gan), state, BATCH)
    refused(call, r"^batch must have at least 2 minibatches, not 1: turns.fresh reserves its last")


def test_examples_of_another_shape_are_refused_by_the_step():
    state = jax.eval_shape(lambda: init_state(small_mlp(), KEY, BATCH))
    batch = random_batch(shape=(28, 28, 1))
    call = lambda: jax.eval_shape(functools.partial(train_step, small_mlp()), state, batch)
    refused(call, r"^batch.x: images must have the shape \[8, 8, 1\], not \[28, 28, 1\]")


def test_a_state_that_was_donated_is_refused():
    gan = small_mlp()
    state = init_state(gan, KEY, BATCH)
    train_step(gan, state, BATCH)
    refused(lambda: train_step(gan, state, BATCH), "^state: train_step was given a state whose arr")
    assert "params=<" in repr(state)


class Dropped(nn.Module):
    """A discriminator of flax's own modules."""

    @nn.compact
    def __call__(self, x, y, *, train):
        h = nn.Dropout(0.5, deterministic=not train)(x.reshape(len(x), -1))
        return Critique(nn.Dense(1)(h)[:, 0])


def test_dropout_of_flax_is_random_in_each_step():
    gan = small_mlp(d={"network": Dropped(), "optimizer": optax.sgd(0.0)})
    state, losses = init_state(gan, KEY, BATCH), []
    for _ in range(2):
        state, metrics = train_step(gan, state, BATCH)
        losses.append(float(metrics["d/score_real"]))
    assert losses[0] != losses[1]


def test_functions_of_a_gan_are_compiled_and_mapped():
    gan = small_mlp()
    expected, metrics = train_step(gan, init_state(gan, KEY, BATCH), BATCH)
    state, found = jax.jit(train_step)(gan, init_state(gan, KEY, BATCH), BATCH)
    for a, b in zip(arrays((state, found)), arrays((expected, metrics)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    keys = jnp.stack([KEY, jax.random.key(1)])
    states = jax.vmap(init_state, in_axes=(None, 0, None))(gan, keys, BATCH)
    alone = init_state(gan, jax.random.key(1), BATCH)
    for a, b in zip(arrays(states.generator.params), arrays(alone.generator.params), strict=True):
        np.testing.assert_allclose(a[1], b, rtol=1e-6)


def test_a_compiled_function_of_a_gan_knows_its_scalars():
    """Equal GANs share the program of the step, where scalars are data; here they are not."""
    read = jax.jit(lambda gan: scalars.encode(gan)["generator"]["average"][0])
    slow, fast = (small_mlp(g={"average": own}) for own in (10_000.0, 100.0))
    assert slow == fast
    assert [float(read(gan)) for gan in (slow, fast, slow)] == [10_000, 100, 10_000]


def test_a_state_is_shown_in_a_few_lines():
    gan = small_mlp(g={"optimizer": optax.adam(1e-3)})
    state = init_state(gan, KEY, BATCH)
    text = repr(state)
    assert len(text.splitlines()) == 3 and len(text) < 1500
    size = sum(a.size for a in jax.tree.leaves(state.discriminator.params))
    assert "step=0" in text and "key<fry>[]" in text and f"<{size:,} in 6 arrays: " in text
    jax.eval_shape(lambda state: (repr(state), state)[1], state)  # of tracers, too


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"penalties": ("r1",)}, r"^penalties\.0: r1 needs a weight; write r1:WEIGHT\.$"),
        (
            {"penalties": (("r1", 1.0),)},
            r"^penalties\.0 must be of type Penalty or a text .*, not \('r1', 1\.0\)",
        ),
        ({"penalties": "r1:1"}, "^penalties must be a list, not 'r1:1'"),
        (
            {"g_optimizer": 1e-3},
            "^g_optimizer must be of type Optimizer or a text NAME.*, not 0.001",
        ),
        (
            {"generator": Optimizer()},
            "^generator must be of type Network or a text .*, not Optimizer",
        ),
        ({"batch_size": "64"}, "^batch_size must be an integer, not '64'"),
        ({"batch_size": 64.0}, "^batch_size must be an integer, not 64.0"),
        ({"flip": 1}, "^flip must be True or False, not 1"),
        ({"ema": "long"}, "^ema must be a number, not 'long'"),
        ({"dataset": 3}, "^dataset must be a string, not 3"),
    ],
)
def test_fields_of_another_type_are_refused_by_name(fields, words):
    refused(lambda: Config(**fields), words)
    refused(lambda: dataclasses.replace(Config(), **fields), words)


def test_texts_lists_and_numbers_of_numpy_have_one_meaning():
    given = Config(penalties=["r1:1:4"], g_optimizer="adam:1e-3", seed=np.int64(3), clip=1)
    made = Config(
        penalties=(Penalty("r1", 1.0, 4),), g_optimizer=Optimizer("adam", 1e-3), seed=3, clip=1.0
    )
    assert given == made and hash(given) == hash(made) and type(given.seed) is int


def test_train_steps_refuses_a_donated_state_too():
    gan = small_mlp()
    data = resident_of([Stream(BATCH.x[0], BATCH.y[0], 4)], 0)
    state = init_state(gan, KEY, BATCH)
    train_steps(gan, state, data, 1)
    refused(lambda: train_steps(gan, state, data, 1), "^state: train_steps was given")
