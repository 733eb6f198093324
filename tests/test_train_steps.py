"""The compiled loop: the batches of the host's iterator, the results of single steps, one
compilation for any length.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import arrays, small_mlp

import gan_jax
from gan_jax.data import batch_at
from gan_jax.parts.priors import Normal
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.types import Term

CONFIG = dataclasses.replace(gan_jax.recipe("digits_dcgan"), batch_size=96, d_steps=2)


@pytest.mark.parametrize("flip", [False, True])
def test_the_device_gathers_the_batches_of_the_host(flip):
    """Over more than two epochs, bit for bit; 1,442 examples are no multiple of the batch."""
    config = dataclasses.replace(CONFIG, flip=flip, seed=2**40 + 1)
    data, gather = gan_jax.resident(config), jax.jit(batch_at)
    for i, expected in zip(range(18), gan_jax.batches(config), strict=False):
        actual = gather(data, jnp.int32(i))
        np.testing.assert_array_equal(actual.x, expected.x)
        np.testing.assert_array_equal(actual.y, expected.y)
        assert actual.x.dtype == jnp.uint8 and actual.y.dtype == jnp.int32


def test_flips_mirror_about_half_of_the_images_and_nothing_else():
    plain, flipped = (
        next(gan_jax.batches(dataclasses.replace(CONFIG, flip=flip))) for flip in (False, True)
    )
    np.testing.assert_array_equal(plain.y, flipped.y)
    plain, flipped = plain.x.reshape(-1, 8, 8, 1), flipped.x.reshape(-1, 8, 8, 1)
    same = (plain == flipped).all((1, 2, 3))
    assert (plain[~same][:, :, ::-1] == flipped[~same]).all()
    assert 0.35 < same.mean() < 0.65


def test_n_steps_at_once_are_n_single_steps():
    """Within 1e-5: the compiler fuses the two programs differently; in float32 an MLP's differ by
    rounding only.
    """
    gan = small_mlp(d={"terms": (Term("r1", REGULARIZERS["r1"](), 0.5, every=3),)})
    data, batches = gan_jax.resident(CONFIG), gan_jax.batches(CONFIG)
    state = gan_jax.init_state(gan, jax.random.key(0), next(gan_jax.batches(CONFIG)))
    history = []
    for _, batch in zip(range(7), batches, strict=False):
        state, metrics = gan_jax.train_step(gan, state, batch)
        history.append(metrics)
    looped = gan_jax.init_state(gan, jax.random.key(0), next(gan_jax.batches(CONFIG)))
    looped, means = gan_jax.train_steps(gan, looped, data, 7)
    for a, b in zip(arrays(looped), arrays(state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    for name, mean in means.items():
        np.testing.assert_allclose(mean, np.mean([m[name] for m in history]), rtol=1e-4)


def test_where_a_call_ends_does_not_matter_and_no_length_compiles_anew():
    gan, data = small_mlp(prior=Normal(3)), gan_jax.resident(CONFIG)
    ends = []
    for lengths in ((5,), (2, 3), (1, 1, 3)):
        state = gan_jax.init_state(gan, jax.random.key(0), next(gan_jax.batches(CONFIG)))
        before = gan_jax.train_steps._cache_size()
        for n in lengths:
            state, _ = gan_jax.train_steps(gan, state, data, n)
        ends.append(arrays(state))
        assert gan_jax.train_steps._cache_size() == (before + 1 if lengths == (5,) else before)
    for other in ends[1:]:
        assert all((a == b).all() for a, b in zip(ends[0], other, strict=True))


def test_a_training_too_long_to_number_its_images_is_refused():
    with pytest.raises(gan_jax.ConfigError, match=r"2\^32"):
        gan_jax.resident(dataclasses.replace(CONFIG, steps=2**30))
