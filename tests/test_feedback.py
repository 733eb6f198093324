"""A number that moves with what the step measures: by how much, within which bounds, and when."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gans import arrays

from gan_jax import checkpoint
from gan_jax.config import Feedback
from gan_jax.engine import scalars
from gan_jax.engine.gan import Player, init_state
from gan_jax.engine.population import alike
from gan_jax.engine.train_step import train_step
from gan_jax.errors import ConfigError
from gan_jax.parts.losses import wasserstein
from gan_jax.studies import dirac
from gan_jax.types import Pair, Regularizer, Term, Tunable

COUNT = Regularizer(
    lambda: jnp.zeros(()),
    lambda memory, context: (0 * context.real_critique.score + memory, memory + 1),
)
"""Its value, and hence the metric ``d/count``, is the number of the step."""
BY_SIGN = Feedback("d/count", target=1.5, rate=0.1, low=0.05, high=0.3, start=0.1, every=2)
IN_PROPORTION = dataclasses.replace(BY_SIGN, proportional=True)
RATES = Pair(optax.sgd(1.0), optax.sgd(0.0))
DATA = dirac.batch()


def following(feedback):
    """A Dirac-GAN whose D stands still: theta moves by the feedback's value in each step."""
    gan = dirac.dirac_gan(wasserstein, RATES, {"terms": (Term("count", COUNT, 0.0),)})
    generator = dataclasses.replace(gan.generator, loss_weight=feedback)
    return dataclasses.replace(gan, generator=generator)


def first(feedback):
    return init_state(following(feedback), jax.random.key(0), DATA)


def moves(feedback, steps):
    state, places = first(feedback), [1.0]
    for _ in range(steps):
        state, _ = train_step(following(feedback), state, DATA)
        places.append(float(dirac.place(state)[0]))
    return np.diff(places), float(state.scalars["generator"]["loss_weight"].value)


@pytest.mark.parametrize(
    "feedback, expected, end",
    [  # the mean metrics of two steps are 0.5, 2.5, 4.5
        (BY_SIGN, [0.1, 0.1, 0.05, 0.05, 0.15, 0.15], 0.25),
        (IN_PROPORTION, [0.1, 0.1, 0.05, 0.05, 0.15, 0.15], 0.3),
        (dataclasses.replace(IN_PROPORTION, rate=-0.1), [0.1, 0.1, 0.2, 0.2, 0.1, 0.1], 0.05),
        (dataclasses.replace(BY_SIGN, every=1, low=-1.0), [0.1, 0.0, -0.1, 0.0, 0.1, 0.2], 0.3),
        (dataclasses.replace(BY_SIGN, target=0.5), [0.1, 0.1, 0.1, 0.1, 0.2, 0.2], 0.3),
    ],
)
def test_it_moves_by_sign_or_in_proportion_within_its_bounds(feedback, expected, end):
    """The step works with the value from before; where the target is met exactly nothing moves."""
    found, last = moves(feedback, 6)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert last == pytest.approx(end, abs=1e-6)


def test_its_value_is_among_the_metrics_of_the_step_that_works_with_it():
    gan, state = following(BY_SIGN), first(BY_SIGN)
    for expected in (0.1, 0.1, 0.05):
        state, metrics = train_step(gan, state, DATA)
        assert float(metrics["feedback/generator/loss_weight"]) == np.float32(expected)
    assert [name for name in metrics if name.startswith("feedback/")] == [
        "feedback/generator/loss_weight"
    ]


def test_its_name_has_those_of_the_parts():
    term = Term("count", COUNT, BY_SIGN)
    player = Player(nn.Module(), Tunable(optax.adam, {"learning_rate": BY_SIGN}), terms=(term,))
    names = scalars.moving(player, scalars.encode(player))
    assert set(names) == {
        "feedback/terms/count/weight", "feedback/optimizer/numbers/learning_rate"
    }  # fmt: skip


def test_its_numbers_are_data():
    moves(BY_SIGN, 1)
    before = train_step._cache_size()
    moves(dataclasses.replace(IN_PROPORTION, target=7.0, rate=3.0, every=5), 1)
    assert train_step._cache_size() == before


def test_a_resumed_run_goes_on_between_two_moves(tmp_path):
    gan, state = following(IN_PROPORTION), first(IN_PROPORTION)
    for step in range(6):
        if step == 3:
            with checkpoint.Writer(tmp_path, keep=1) as writer:
                writer.save(step, state)
        state, _ = train_step(gan, state, DATA)
    like = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding),
        jax.device_put(first(IN_PROPORTION)),
    )
    resumed = checkpoint.restore(tmp_path, 3, like)
    assert float(resumed.scalars["generator"]["loss_weight"].total) == 2.0
    for _ in range(3):
        resumed, _ = train_step(gan, resumed, DATA)
    assert jax.tree.structure(resumed) == jax.tree.structure(state)
    for a, b in zip(arrays(resumed), arrays(state), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_metric_that_is_not_measured_is_refused():
    feedback = dataclasses.replace(BY_SIGN, metric="d/cuont")
    words = r"feedback.metric 'd/cuont' is unknown; did you mean 'd/count'\? Use d/count, "
    with pytest.raises(ConfigError, match=words) as refusal:
        train_step(following(feedback), first(feedback), DATA)
    assert "\n" not in str(refusal.value)


def test_members_follow_the_same_metric():
    other = dataclasses.replace(BY_SIGN, metric="d/loss")
    assert alike(following(BY_SIGN), following(IN_PROPORTION))
    assert not alike(following(BY_SIGN), following(other))
    assert not alike(following(BY_SIGN), following(0.1))


def test_many_numbers_of_a_gan_may_follow():
    """Encoded beside constants, each in its place."""

    class Module(nn.Module):
        pass

    gan = following(BY_SIGN)
    player = dataclasses.replace(gan.discriminator, network=Module(), average=7.0, clip=BY_SIGN)
    gan = dataclasses.replace(gan, discriminator=player)
    bound = scalars.bind(gan, scalars.encode(gan), jnp.zeros((), jnp.int32))
    assert float(bound.discriminator.average) == 7.0
    assert float(bound.discriminator.clip) == float(bound.generator.loss_weight) == np.float32(0.1)
