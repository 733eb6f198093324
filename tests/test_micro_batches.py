"""Gradient accumulation: the large batch's update for networks without batch norm, on one device or
several.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gans import arrays, random_batch, small_dcgan, small_mlp
from jax.sharding import NamedSharding, PartitionSpec

import gan_jax
from gan_jax.devices import parallel
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.types import Regularizer, Term

R1 = Term("r1", REGULARIZERS["r1"](), 0.5, every=2)
BATCHES = [random_batch(i, d_steps=2, b=16) for i in range(3)]


def run(gan, batches=BATCHES, place=lambda tree, spec: tree):
    state = place(init_state(gan, jax.random.key(0), batches[0]), PartitionSpec())
    for batch in batches:
        state, metrics = train_step(gan, state, place(batch, PartitionSpec(None, "batch")))
    return state, metrics


def assert_close(actual, expected, tolerance):
    for a, e in zip(arrays(actual), arrays(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("parts", [2, 4])
def test_parts_give_the_update_of_the_whole_batch(parts, joint):
    gan = small_mlp(d={"terms": (R1,)}, joint=joint)
    assert_close(run(dataclasses.replace(gan, micro_batches=parts)), run(gan), 1e-5)


def test_parts_on_several_devices_give_it_too_and_no_example_travels():
    """Four devices by sharding and by pmap; the only communication is the sum of gradients and
    means.
    """
    gan = small_mlp(d={"terms": (R1,)}, micro_batches=2)
    expected = run(small_mlp(d={"terms": (R1,)}))
    mesh = parallel.mesh(16, 2)
    place = lambda tree, spec: jax.device_put(tree, NamedSharding(mesh, spec))
    assert_close(run(gan, place=place), expected, 1e-5)
    state = place(init_state(gan, jax.random.key(0), BATCHES[0]), PartitionSpec())
    program = (
        train_step.lower(gan, state, place(BATCHES[0], PartitionSpec(None, "batch")))
        .compile()
        .as_text()
    )
    assert " all-reduce" in program
    assert not any(
        word in program for word in (" all-gather", " all-to-all", " collective-permute")
    )

    states = jax.tree.map(
        lambda a: jnp.stack([a] * 4), init_state(gan, jax.random.key(0), BATCHES[0])
    )
    step = jax.pmap(
        functools.partial(gan_jax.train_step, gan, axis_name="batch"), axis_name="batch"
    )
    for batch in BATCHES:
        states, metrics = step(
            states, jax.tree.map(lambda a: np.stack(np.split(a, 4, axis=1)), batch)
        )
    assert_close(jax.tree.map(lambda a: a[0], (states, metrics)), expected, 1e-5)


def test_statistics_and_memories_are_updated_part_after_part():
    count = Regularizer(
        lambda: jnp.zeros((), jnp.int32),
        lambda memory, context: (0 * context.real_critique.score, memory + 1),
    )
    state, _ = run(small_mlp(d={"terms": (Term("count", count, 1.0),)}, micro_batches=4))
    assert state.discriminator.terms["count"].memory == 3 * 2 * 4

    still = {"optimizer": optax.sgd(0.0)}
    gan = small_dcgan(still, still, micro_batches=2)
    state = init_state(gan, jax.random.key(0), BATCHES[0])
    z = jax.random.normal(
        jax.random.fold_in(jax.random.fold_in(jax.random.fold_in(state.key, 0), 2), 0), (16, 4)
    )
    variables = jax.tree.map(jnp.copy, {"params": state.generator.params, **state.generator.stats})
    for part in range(2):  # every second example
        _, stats = gan.generator.network.apply(
            variables, z[part::2], BATCHES[0].y[-1, part::2], train=True, mutable=["batch_stats"]
        )
        variables |= stats
    assert_close(
        train_step(gan, state, BATCHES[0])[0].generator.stats["batch_stats"],
        variables["batch_stats"],
        1e-5,
    )


def test_memory_of_activations_shrinks():
    """Compiled for 16 times the batch in 16 parts: much less than 16 times the temporary memory."""
    batch = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), random_batch(b=512))
    temporary = {}
    for parts in (1, 16):
        gan = small_dcgan(micro_batches=parts)
        state = jax.eval_shape(functools.partial(init_state, gan), jax.random.key(0), batch)
        temporary[parts] = (
            train_step.lower(gan, state, batch).compile().memory_analysis().temp_size_in_bytes
        )
    assert temporary[16] < temporary[1] / 4


def test_what_cannot_be_divided_is_refused():
    config = dataclasses.replace(gan_jax.recipe("digits_dcgan"), batch_size=64, micro_batches=3)
    with pytest.raises(
        gan_jax.ConfigError, match="micro_batches 3 must divide the minibatch of 64 examples"
    ):
        gan_jax.build(config)
    with pytest.raises(gan_jax.ConfigError, match="micro_batches must be at least 1, not 0"):
        gan_jax.build(dataclasses.replace(config, micro_batches=0))
    with pytest.raises(
        gan_jax.ConfigError, match="4 devices times 32 micro_batches; use a multiple of 128"
    ):
        parallel.mesh(64, 32)
