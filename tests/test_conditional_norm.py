"""What comes with class-conditional batch normalization: standing statistics, the vectors of
classes that regularizers leave out, and SNGAN's tables.
"""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict
from gans import random_batch, small_dcgan, small_mlp

from gan_jax.engine.gan import init_state
from gan_jax.engine.trained import generate, with_standing_statistics
from gan_jax.errors import ConfigError
from gan_jax.models import dcgan, sngan
from gan_jax.nn.norms import ConditionalBatchNorm
from gan_jax.parts.regularizers import orthogonal
from gan_jax.types import Critique


def test_standing_statistics_are_means_over_batches_of_the_weights_that_sample():
    """With one batch, samples of it are those of training mode, which normalizes by the batch."""
    network = dcgan.Generator((8, 8, 1), num_classes=10, width=2, base=4)
    gan = small_dcgan({"network": network, "average": 100.0})
    state = init_state(gan, jax.random.key(0), random_batch())
    scaled = state.generator.average | {
        "params": jax.tree.map(lambda w: 3 * w + 0.1, state.generator.params)
    }
    state = state.replace(generator=state.generator.replace(average=scaled))
    key = jax.random.key(1)
    once = with_standing_statistics(gan, state, key, passes=1, n=16)
    keys = jax.random.split(jax.random.split(key, 1)[0], 3)
    z, y = gan.prior.draw(keys[0], 16), jax.random.randint(keys[1], (16,), 0, 10)
    train = network.apply(scaled, z, y, train=True, mutable=["batch_stats"])[0]
    np.testing.assert_allclose(generate(gan, once, z, y), train, rtol=1e-4, atol=1e-5)
    assert np.abs(generate(gan, state, z, y) - train).max() > 0.01
    many = with_standing_statistics(gan, state, key, passes=3, n=16)
    kept = lambda state: jax.tree.leaves(state.generator.average["batch_stats"])
    assert all(np.abs(a - b).max() > 0 for a, b in zip(kept(many), kept(once), strict=True))
    plain = small_mlp()
    with pytest.raises(
        ConfigError, match=r"^standing_statistics can only be used .*, not with mlp\."
    ):
        with_standing_statistics(plain, init_state(plain, key, random_batch()), key)


def test_the_orthogonal_penalty_leaves_the_vectors_of_classes_out():
    w = jnp.arange(12.0).reshape(3, 4) / 10
    seen = Critique(jnp.zeros(2))
    penalty = lambda params: orthogonal().apply(
        (), SimpleNamespace(params=params, fake_critique=seen)
    )[0][0]
    alone = penalty({"dense": {"kernel": w}})
    assert alone > 0 and penalty({"dense": {"kernel": w}, "label": {"embedding": w}}) == alone


def test_labels_choose_gains_and_biases_of_sngan():
    """At first they choose nothing, as all tables are zero; a label moves its own rows alone."""
    g = sngan.Generator((8, 8, 1), 3, width=2, norm=ConditionalBatchNorm)
    z, y = jnp.ones((2, 5)), jnp.array([0, 2])
    variables = jax.jit(functools.partial(g.init, train=False))(jax.random.key(0), z, y)
    generate = jax.jit(functools.partial(g.apply, train=False))
    same = generate(variables, z, y)
    np.testing.assert_array_equal(same[0], same[1])
    norm = variables["params"]["UpBlock_0"]["ConditionalBatchNorm_1"]["bias"]["kernel"]
    assert norm.shape == (3, 2) and "Dense_0" in variables["params"]
    flat = flatten_dict(variables, sep="/")
    flat["params/UpBlock_0/ConditionalBatchNorm_1/bias/kernel"] = norm.at[2].set(1.0)
    other = generate(unflatten_dict(flat, sep="/"), z, y)
    np.testing.assert_array_equal(other[0], same[0])
    assert np.abs(other[1] - same[1]).max() > 1e-4
