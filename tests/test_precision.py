"""bf16: convolutions and products round, all that is kept or summed does not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import arrays, random_batch

from gan_jax.build import build
from gan_jax.config import Network, Penalty
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.engine.trained import generate
from gan_jax.nn.norms import NORMS
from gan_jax.recipes import recipe


def one_step(precision):
    config = dataclasses.replace(
        recipe("digits_dcgan"),
        precision=precision,
        generator=Network("dcgan", width=8, base=4),
        discriminator=Network("dcgan", width=8, base=4, spectral=True),
        penalties=(Penalty("r1", 1.0),),
    )
    gan, batch = build(config), random_batch(b=16)
    state, metrics = train_step(gan, init_state(gan, jax.random.key(0), batch), batch)
    z = gan.prior.draw(jax.random.key(1), 4)
    return state, metrics, generate(gan, state, z, jnp.arange(4))


def test_a_step_in_bf16_is_nearly_the_one_in_float32():
    """bf16 holds 8 bits. The first Adam step moves each weight by its rate whatever the gradient,
    so weights are not compared.
    """
    (state, metrics, images), (exact_state, exact, exact_images) = (
        one_step("bf16"),
        one_step("fp32"),
    )
    for name, value in metrics.items():
        assert value != exact[name], f"{name} was not computed in bf16"
        np.testing.assert_allclose(value, exact[name], rtol=0.05, atol=0.01, err_msg=name)
    np.testing.assert_allclose(images, exact_images, atol=0.05)
    kinds = lambda *trees: [(a.shape, a.dtype) for a in arrays(trees)]
    assert kinds(state, metrics, images) == kinds(exact_state, exact, exact_images)


@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_batch_statistics_are_those_of_float32(offset):
    """A channel's mean of 30 leaves bf16 a resolution of 1/8; the sums are exact for what the layer
    gets.
    """
    x = (offset + jax.random.normal(jax.random.key(0), (256, 4, 4, 3))).astype(jnp.bfloat16)
    norm = NORMS["batch"](dtype=jnp.bfloat16)
    variables = norm.init(jax.random.key(1), x, train=True)
    y, after = norm.apply(variables, x, train=True, mutable="batch_stats")
    exact = np.asarray(x, np.float64)
    mean, variance = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
    statistics = after["batch_stats"]["BatchNorm_0"]
    np.testing.assert_allclose(statistics["mean"], 0.1 * mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(statistics["var"], 0.9 + 0.1 * variance, rtol=1e-3)
    scale = variables["params"]["BatchNorm_0"]["scale"]
    np.testing.assert_allclose(
        np.asarray(y, np.float32),
        (exact - mean) / variance**0.5 * np.asarray(scale),
        rtol=0.01,
        atol=0.01,
    )
    assert y.dtype == jnp.bfloat16
