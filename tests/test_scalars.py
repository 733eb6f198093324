"""Numbers as data: their values over time, and that changing them never compiles again."""

import dataclasses
import json
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
    to_dict,
)
from gan_jax.engine import scalars
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.grammar import Feedback, scalar_from_text, scalar_to_text
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
        (Schedule(2.0, 0.02, 10, "exponential"), 0, 2.0),
        (Schedule(2.0, 0.02, 10, "exponential"), 5, 0.2),
        (Schedule(2.0, 0.02, 10, "exponential"), 12, 0.02),
        (Schedule(2.0, 1.0, 10, begin=5), 5, 2.0),
        (Schedule(2.0, 1.0, 10, begin=5), 10, 1.5),
        (Schedule(2.0, 1.0, 10, begin=5), 15, 1.0),
        (Schedule(2.0, 1.0, 10, "cosine", begin=5), 7, 1.5 + 0.5 * math.cos(math.pi * 0.2)),
        (Schedule(2.0, 1.0, 10, "linear", 4, begin=5), 1, 0.5 * 2.0),  # its rise begins at once
    ],
)
def test_values_over_time(scalar, step, expected):
    gan = small_mlp({"average": scalar, "numbers": {"a": 7.0}}, {"clip": scalar})
    encoded, step = scalars.encode(gan), jnp.asarray(step)
    now, bound = scalars.values(encoded, step), scalars.bind(gan, encoded, step)
    for name in ("generator.average", "discriminator.clip"):
        side, field = name.split(".")
        assert float(now[side][field]) == pytest.approx(expected, rel=1e-6)
        assert getattr(getattr(bound, side), field) == now[side][field]
    assert float(bound.generator.numbers["a"]) == 7.0 and bound.generator.clip is None


@pytest.mark.parametrize(
    "text, scalar",
    [
        ("0.0002", 2e-4),
        ("0.1234567891", 0.1234567891),
        ("linear/1/0.5/100", Schedule(1.0, 0.5, 100)),
        ("cosine/0.0002/5e-05/20000/500", Schedule(2e-4, 5e-5, 20_000, "cosine", 500)),
        ("linear/1/0/1000000/0/5000000", Schedule(1.0, 0.0, 10**6, begin=5 * 10**6)),
        ("exponential/1/0.1/500", Schedule(1.0, 0.1, 500, "exponential")),
        ("warmup/0.0002/100", Schedule(2e-4, 2e-4, 1, warmup=100)),
        ("linear/1/1/2/100", Schedule(1.0, 1.0, 2, warmup=100)),
        ("feedback/d/loss/0.6/-0.01", Feedback("d/loss", 0.6, -0.01)),
        ("feedback/fooling/0.6/1/0/0.8/0.1/4", Feedback("fooling", 0.6, 1.0, 0.0, 0.8, 0.1, 4)),
        ("proportional/d/r1/0.6/1", Feedback("d/r1", 0.6, 1.0, proportional=True)),
    ],
)
def test_text_and_back(text, scalar):
    assert scalar_from_text(text) == scalar and scalar_to_text(scalar) == text


def test_a_feedback_may_leave_its_last_numbers_out():
    assert scalar_from_text("feedback/d/loss/0.6/0.1/0/2") == Feedback("d/loss", 0.6, 0.1, 0.0, 2.0)
    assert scalar_from_text("feedback/a/0.6/0.1/0/2/1") == Feedback("a", 0.6, 0.1, 0.0, 2.0, 1.0)


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "linear/1/2",
        "cosin/1/2/3",
        "warmup/1",
        "linear/1/2/3/4/5/6",
        "linear/1/2/x",
        "feedback/1/2",
        "feedback/a/b",
        "feedback/a/b/c",
    ],
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
    config = dataclasses.replace(
        CHANGED, ema=Feedback("d/loss", 0.6, 0.1), d_optimizer=Optimizer(lr=Feedback("a", 1.0, 2.0))
    )
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


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
        gan = small_mlp(g={"optimizer": optimizer})
        state = init_state(gan, jax.random.key(0), batches[0])
        for batch in batches:
            state, _ = train_step(gan, state, batch)
        ends.append(state.generator.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), *ends)


def test_a_scheduled_weight_is_that_of_the_moment():
    """SGD's first two steps under a weight of 6, then 3, are those of constant weights."""
    r1 = lambda weight: small_mlp(d={"terms": (Term("r1", REGULARIZERS["r1"](), weight),)})
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
