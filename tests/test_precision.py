"""bf16: convolutions and products round, all that is kept or summed does not."""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
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
from gan_jax.nn.attention import SelfAttention
from gan_jax.nn.conv import Conv, ConvPool, ConvTranspose, UpConv
from gan_jax.nn.dense import Dense
from gan_jax.nn.equalized import EqualConv
from gan_jax.nn.modulated import StyleConv, ToImage
from gan_jax.nn.norms import NORMS, ConditionalBatchNorm
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


LAYERS = {
    "conv": lambda dtype: Conv(4, (3, 3), dtype=dtype),
    "conv transpose": lambda dtype: ConvTranspose(4, (4, 4), (2, 2), dtype=dtype),
    "up conv": lambda dtype: UpConv(4, dtype=dtype),
    "conv pool": lambda dtype: ConvPool(4, dtype=dtype),
    "dense": lambda dtype: Dense(4, dtype=dtype),
    "equal conv": lambda dtype: EqualConv(4, 3, dtype=dtype),
    "to image": lambda dtype: ToImage(3, dtype=dtype),
    "style conv": lambda dtype: StyleConv(4, dtype=dtype),
    "conditional batch norm": lambda dtype: WITH_CONDITION(dtype=dtype),
    "batch norm": lambda dtype: functools.partial(NORMS["batch"](dtype=dtype), train=True),
    "bias only": lambda dtype: functools.partial(NORMS["none"](dtype=dtype), train=True),
    "attention": lambda dtype: SelfAttention(dtype=dtype),
}
"""Layers by name; their biases, gains and styles are repeated over the places of a map."""
WITH_CONDITION = functools.partial(ConditionalBatchNorm, kernel_init=nn.initializers.normal(1.0))


class Layer(nn.Module):
    """A layer of `LAYERS`, with a condition if it takes one."""

    kind: str
    dtype: Any

    @nn.compact
    def __call__(self, x):
        layer = LAYERS[self.kind](self.dtype)
        style = jax.random.normal(jax.random.key(3), (len(x), 5))
        if self.kind in ("to image", "style conv"):
            return layer(x, style)
        return layer(x, style, train=True) if "conditional" in self.kind else layer(x)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_what_is_repeated_are_summed_in_float32(name):
    """Over 8 maps of 32x32 places. A sum of as many bf16 numbers in bf16 would stop growing after
    some hundred of them.
    """
    x = 1 + 0.5 * jax.random.normal(jax.random.key(0), (8, 32, 32, 8))
    layers = {dtype: Layer(name, dtype) for dtype in (jnp.float32, jnp.bfloat16)}
    variables = layers[jnp.float32].init(jax.random.key(1), x)
    # Single numbers begin with 0, which would hide the gradients of others.
    moved = lambda a: a if a.ndim else a + 0.3
    variables |= {"params": jax.tree.map(moved, variables["params"])}
    rest = {kind: own for kind, own in variables.items() if kind != "params"}

    def gradients(dtype):
        def loss(params):
            layer, given = layers[dtype], {"params": params} | rest
            y, _ = layer.apply(given, x.astype(dtype), mutable=["batch_stats"])
            weights = 1 + 0.5 * jax.random.normal(jax.random.key(2), y.shape)
            return jnp.sum(y.astype(jnp.float32) * weights)

        return jax.tree.leaves_with_path(jax.jit(jax.grad(loss))(variables["params"]))

    for (path, found), (_, exact) in zip(
        gradients(jnp.bfloat16), gradients(jnp.float32), strict=True
    ):
        assert found.dtype == exact.dtype == jnp.float32
        error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
        assert error < 0.02, (jax.tree_util.keystr(path), error)


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
