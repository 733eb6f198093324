"""Numbers as data: their values over time, and that changing them never compiles again."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gans import random_batch, small_mlp

from gan_jax.build import build
from gan_jax.config import (
    Augmentation,
    Config,
    Network,
    Optimizer,
    Penalty,
    Schedule,
    from_dict,
    scalar_from_text,
    scalar_to_text,
    to_dict,
)
from gan_jax.engine import scalars
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.parts.optimizers import tunable
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.types import Term

LINEAR, COSINE = Schedule(2.0, 1.0, 10), Schedule(2.0, 1.0, 10, "cosine")


@pytest.mark.parametrize(
    "scalar, step, expected",
    [
        (0.3, 0, 0.3),
        (0.3, 10**6, 0.3),
        (LINEAR, 0, 2.0),
        (LINEAR, 5, 1.5),
        (LINEAR, 10, 1.0),
        (LINEAR, 99, 1.0),
        (COSINE, 2, 1.5 + 0.5 * math.cos(math.pi * 0.2)),
        (COSINE, 50, 1.0),
        (Schedule(3.0, 3.0, 1, warmup=4), 0, 0.75),
        (Schedule(3.0, 3.0, 1, warmup=4), 3, 3.0),
        (Schedule(3.0, 3.0, 1, warmup=4), 30, 3.0),
        (Schedule(2.0, 1.0, 10, "linear", 4), 1, 0.5 * 1.9),
    ],
)
def test_values_over_time(scalar, step, expected):
    encoded = {"a": {"b": scalar}, "c": 7.0}
    found = scalars.values(scalars.encode(encoded), jnp.asarray(step))
    assert float(found["a"]["b"]) == pytest.approx(expected, rel=1e-6) and float(found["c"]) == 7.0


@pytest.mark.parametrize(
    "text", ["0.0002", "linear/1/0.5/100", "cosine/0.0002/5e-05/20000/500", "warmup/0.0002/100"]
)
def test_text_and_back(text):
    assert scalar_to_text(scalar_from_text(text)) == text


@pytest.mark.parametrize(
    "text", ["a", "linear/1/2", "cosin/1/2/3", "warmup/1", "linear/1/2/3/4/5", "linear/1/2/x"]
)
def test_wrong_text_is_refused(text):
    with pytest.raises(ValueError):
        scalar_from_text(text)


CONFIG = Config(
    generator=Network("mlp", width=4),
    discriminator=Network("mlp", width=4),
    latents=3,
    batch_size=4,
    penalties=(Penalty("r1", 1.0, 2),),
    augmentations=(Augmentation("instance_noise", 0.1),),
    clip=1.0,
    top_k=0.5,
    lookahead=2,
)
CHANGED = dataclasses.replace(
    CONFIG,
    penalties=(Penalty("r1", COSINE, 2),),
    augmentations=(Augmentation("instance_noise", LINEAR),),
    clip=0.5,
    top_k=Schedule(1.0, 0.5, 3),
    lookahead_rate=0.1,
    ema=5.0,
    g_optimizer=Optimizer(lr=COSINE, b1=0.1, b2=0.9, eps=1e-3),
    d_optimizer=Optimizer(lr=1e-3, b1=0.1, b2=0.9, eps=1e-3),
)


def test_configs_with_schedules_survive_json():
    assert from_dict(to_dict(CHANGED)) == CHANGED


def test_other_numbers_never_compile_again():
    base = dataclasses.replace(
        CONFIG,
        **{
            f: dataclasses.replace(getattr(CHANGED, f), lr=1.0, b1=0.2)
            for f in ("g_optimizer", "d_optimizer")
        },
    )
    one, other = build(base), build(CHANGED)
    assert one == other and hash(one) == hash(other) and one is not other
    batch = random_batch(b=4)
    before = train_step._cache_size()
    ends = []
    for gan in (one, other):
        state = init_state(gan, jax.random.key(0), batch)
        state, _ = train_step(gan, state, batch)
        ends.append(np.asarray(jax.tree.leaves(state.generator.params)[1]))
    assert train_step._cache_size() == before + 1
    assert not np.allclose(*ends)


def test_a_scheduled_rate_is_that_of_optax():
    schedule = Schedule(0.5, 0.1, 3, warmup=2)
    rate = lambda count: (0.5 - 0.4 * jnp.minimum(count / 3, 1)) * jnp.minimum((count + 1) / 2, 1)
    batches = [random_batch(i) for i in range(4)]
    ends = []
    for optimizer in (tunable("g_optimizer", "sgd", {"learning_rate": schedule}), optax.sgd(rate)):
        gan = small_mlp(g_optimizer=optimizer)
        state = init_state(gan, jax.random.key(0), batches[0])
        for batch in batches:
            state, _ = train_step(gan, state, batch)
        ends.append(state.generator.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), *ends)


def test_a_scheduled_weight_is_that_of_the_moment():
    """SGD's first two steps under a weight of 6, then 3, are those of constant weights."""
    r1 = lambda weight: small_mlp(d_terms=(Term("r1", REGULARIZERS["r1"](), weight),))
    batches = [random_batch(i) for i in range(2)]
    falling = r1(Schedule(6.0, 3.0, 1))
    state = init_state(falling, jax.random.key(0), batches[0])
    for batch in batches:
        state, _ = train_step(falling, state, batch)

    expected = init_state(r1(6.0), jax.random.key(0), batches[0])
    expected, _ = train_step(r1(6.0), expected, batches[0])
    three = init_state(r1(3.0), jax.random.key(0), batches[0]).scalars
    expected, _ = train_step(r1(3.0), expected.replace(scalars=three), batches[1])
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7),
        state.discriminator.params, expected.discriminator.params,
    )  # fmt: skip
