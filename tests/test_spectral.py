"""Spectral normalization against numpy's singular values, in closed form, and in the step."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import arrays, random_batch, small_mlp

from gan_jax.data import from_arrays
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step, train_steps
from gan_jax.models import mlp
from gan_jax.nn.conv import Conv, ConvPool, ConvTranspose, UpConv
from gan_jax.nn.heads import ConcatHead, ProjectionHead
from gan_jax.nn.spectral import SpectralNorm
from gan_jax.parts.losses import LOSSES
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.types import Term

LAYERS = {
    "Conv": lambda: Conv(6, (3, 3)),
    "ConvTranspose": lambda: ConvTranspose(6, (4, 4), (2, 2)),
    "UpConv": lambda: UpConv(6),
    "ConvPool": lambda: ConvPool(6),
    "Dense": lambda: nn.Dense(6),
}


class Wrapped(nn.Module):
    """A normalized layer in a network, as the architectures use it."""

    layer: str

    @nn.compact
    def __call__(self, x):
        return SpectralNorm(LAYERS[self.layer]())(x)


def trained(module, *inputs, calls=60):
    """Variables after many calls that may change the statistics and not the weights."""
    variables = module.init(jax.random.key(0), *inputs)
    call = jax.jit(functools.partial(module.apply, mutable="spectral"))
    for _ in range(calls):
        variables |= call(variables, *inputs)[1]
    return variables


def singular(kernel):
    u, s, vt = np.linalg.svd(np.asarray(kernel, np.float64).reshape(-1, kernel.shape[-1]))
    return s[0], np.outer(u[:, 0], vt[0]).reshape(kernel.shape)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_kernel_that_acts_has_spectral_norm_one(layer):
    x = jax.random.normal(jax.random.key(1), (2, 4, 4, 3))
    module = Wrapped(layer)
    variables = trained(module, x)
    name, params = variables["params"].popitem()
    assert name == f"{layer}_0"  # the parameters are those of the layer without normalization
    sigma, _ = singular(params["kernel"])
    assert not 0.9 < sigma < 1.1
    expected = LAYERS[layer]().apply({"params": params | {"kernel": params["kernel"] / sigma}}, x)
    np.testing.assert_allclose(
        module.apply(variables | {"params": {name: params}}, x), expected, rtol=1e-4, atol=1e-5
    )


def test_the_gradient_sees_sigma_of_the_weights():
    """Section 2.3: d<G, W/sigma>/dW = (G - <G, W/sigma> v u^T) / sigma, with the first singular
    vectors constant.
    """
    x = jnp.eye(5)  # a dense layer of the identity returns its kernel
    module = Wrapped("Dense")
    variables = trained(module, x)
    cotangent = jax.random.normal(jax.random.key(2), (5, 6))
    value = lambda params: jnp.vdot(module.apply(variables | {"params": params}, x), cotangent)
    gradient = jax.grad(value)(variables["params"])["Dense_0"]["kernel"]
    kernel = np.asarray(variables["params"]["Dense_0"]["kernel"])
    sigma, outer = singular(kernel)
    expected = (cotangent - np.sum(cotangent * kernel / sigma) * outer) / sigma
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_one_call_is_one_round_of_the_power_method():
    """Algorithm 1 in numpy, and in float32 whatever the layer computes in; a call that may not
    change ``u`` sees the same.
    """
    x = jax.random.normal(jax.random.key(1), (2, 5))
    module = SpectralNorm(nn.Dense(6, use_bias=False))
    variables = module.init(jax.random.key(0), x)
    w, u = (
        np.asarray(variables["params"]["layer"]["kernel"]),
        np.asarray(variables["spectral"]["u"]["kernel"]),
    )
    np.testing.assert_allclose(np.linalg.norm(u), 1, rtol=1e-6)
    v = w @ u / np.linalg.norm(w @ u)
    u = v @ w / np.linalg.norm(v @ w)
    outputs, after = module.apply(variables, x, mutable="spectral")
    np.testing.assert_allclose(after["spectral"]["u"]["kernel"], u, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs, x @ w / (v @ w @ u), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(module.apply(variables, x), outputs)
    coarse, after_coarse = SpectralNorm(nn.Dense(6, use_bias=False, dtype=jnp.bfloat16)).apply(
        variables, x, mutable="spectral"
    )
    assert coarse.dtype == jnp.bfloat16
    np.testing.assert_array_equal(
        after_coarse["spectral"]["u"]["kernel"], after["spectral"]["u"]["kernel"]
    )


def test_a_network_is_normalized_whole():
    features, y = jax.random.normal(jax.random.key(1), (2, 5)), jnp.array([1, 2])
    module = SpectralNorm(ConcatHead(3, width=4))
    variables = trained(module, features, y)
    params = jax.tree.map(
        lambda w: w / singular(w)[0] if w.ndim > 1 else w, variables["params"]["layer"]
    )
    expected = ConcatHead(3, width=4).apply({"params": params}, features, y)
    np.testing.assert_allclose(
        module.apply(variables, features, y).score, expected.score, rtol=1e-4, atol=1e-5
    )


def test_the_step_keeps_the_directions_and_is_the_same_in_a_loop_and_under_pmap():
    """With R1, hence through second derivatives; all batches hold the same images."""
    gan = small_mlp(
        d={
            "network": mlp.Discriminator(ProjectionHead(10), width=8, spectral=True),
            "terms": (Term("r1", REGULARIZERS["r1"](), 0.5),),
        },
        loss=LOSSES["hinge"],
    )
    batch = jax.tree.map(lambda a: np.repeat(a[:, :1], 8, axis=1), random_batch(d_steps=1))
    fresh = lambda: init_state(gan, jax.random.key(0), batch)
    before, state, states = (
        arrays(fresh().discriminator.stats),
        fresh(),
        jax.tree.map(lambda a: jnp.stack([a] * 4), fresh()),
    )
    step = jax.pmap(functools.partial(train_step, gan, axis_name="batch"), axis_name="batch")
    for _ in range(2):
        state, _ = train_step(gan, state, batch)
        states, _ = step(states, jax.tree.map(lambda a: np.stack(np.split(a, 4, axis=1)), batch))

    assert (
        len(before) == 4
    )  # two hidden layers; of the head, the score and the embedding of the labels
    for old, new in zip(before, arrays(state.discriminator.stats), strict=True):
        assert len(old) == 1 or np.abs(old - new).max() > 1e-3
        np.testing.assert_allclose(np.linalg.norm(new), 1, rtol=1e-5)
    for device in range(4):
        assert_close(jax.tree.map(lambda a, i=device: a[i], states), state)
    data = from_arrays(batch.x[0], batch.y[0], 0, batch_size=8)
    assert_close(train_steps(gan, fresh(), data, 2)[0], state)


def assert_close(actual, expected):
    for a, e in zip(arrays(actual), arrays(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-5)
