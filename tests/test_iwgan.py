"""The networks of WGAN-GP for text against the layer lists of their paper."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gans import arrays

from gan_jax.engine.gan import Gan, Player, init_state
from gan_jax.engine.train_step import train_step
from gan_jax.modality import Text
from gan_jax.models import iwgan
from gan_jax.nn.heads import ProjectionHead, UnconditionalHead
from gan_jax.parts.losses import wasserstein
from gan_jax.parts.priors import Normal
from gan_jax.parts.regularizers import gp
from gan_jax.types import Batch, Term

LABELS = jnp.zeros(2, jnp.int32)


def traced(network, *inputs):
    """The abstract output and the number of parameters."""
    init = lambda *own: network.init_with_output(jax.random.key(0), *own, train=False)
    made, variables = jax.eval_shape(init, *inputs)
    return made, sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def test_the_published_networks_have_these_parameters():
    """32 characters of 96, 512 channels, 5 blocks of two convolutions of 5 taps."""
    length, words, width = 32, 96, 512
    blocks = 5 * 2 * (5 * width * width + width)
    made, count = traced(iwgan.Generator((length, words), width=512), jnp.zeros((2, 128)), LABELS)
    dense, last = (128 + 1) * length * width, (width + 1) * words
    assert made.shape == (2, length, words) and count == dense + blocks + last == 15_275_104
    d = iwgan.Discriminator(UnconditionalHead(), width=512)
    seen, count = traced(d, jnp.zeros((2, length, words)), LABELS)
    assert seen.score.shape == (2,)
    assert count == (words + 1) * width + blocks + length * width + 1 == 13_178_369


@pytest.mark.parametrize("shape", [(11, 27), (9, 14)])
def test_probabilities_and_the_straight_through_estimate(shape):
    """G returns distributions; straight through, one-hot vectors whose gradient is theirs."""
    z, y = jax.random.normal(jax.random.key(0), (4, 8)), jnp.arange(4) % 2
    soft = iwgan.Generator(shape, 2, width=4, blocks=1)
    hard = iwgan.Generator(shape, 2, width=4, blocks=1, output=iwgan.straight_through)
    variables = soft.init(jax.random.key(1), z, y, train=False)
    made = soft.apply(variables, z, y, train=True)
    assert made.shape == (4, *shape) and np.allclose(made.sum(-1), 1, atol=1e-5)
    tokens = hard.apply(variables, z, y, train=True)
    np.testing.assert_allclose(tokens, np.eye(shape[1])[np.argmax(made, -1)], atol=1e-6)
    assert not np.array_equal(made, soft.apply(variables, z, 1 - y, train=True))
    weights = jax.random.normal(jax.random.key(2), made.shape)
    slope = lambda g: jax.grad(lambda v: jnp.sum(weights * g.apply(v, z, y, train=True)))(variables)
    for one, other in zip(arrays(slope(soft)), arrays(slope(hard)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_step_with_a_gradient_penalty_and_spectral_normalization():
    text = Text((7, 5))
    d = iwgan.Discriminator(ProjectionHead(2), width=4, blocks=1, spectral=True)
    gan = Gan(
        Player(iwgan.Generator(text.shape, 2, width=4, blocks=1), optax.sgd(0.1)),
        Player(d, optax.sgd(0.1), (Term("gp", gp(), 10.0),)),
        wasserstein, Normal(3), text, num_classes=2,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, (1, 4, 7)), rng.integers(0, 2, (1, 4))
    batch = Batch(x.astype(np.int32), y.astype(np.int32))
    state = init_state(gan, jax.random.key(0), batch)
    before = arrays(state.players)
    after, metrics = train_step(gan, state, batch)
    assert all(np.isfinite(value) for value in metrics.values())
    same = [np.array_equal(*two) for two in zip(before, arrays(after.players), strict=True)]
    assert not any(same[: len(arrays(after.generator.params))])
