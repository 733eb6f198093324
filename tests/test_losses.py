"""Objectives and penalties against closed forms and finite differences."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.losses import LOSSES
from gan_jax.regularizers import REGULARIZERS, d_classes, g_classes
from gan_jax.types import Batch, Critique, DContext, GContext


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def test_discriminator_loss_is_the_negative_value_function(x64):
    real, fake = jnp.array([-3.0, 0.1, 2.0]), jnp.array([1.5, -0.2, -4.0])
    d = lambda s: 1 / (1 + np.exp(-np.asarray(s)))
    value = np.log(d(real)) + np.log(1 - d(fake))
    for name in ("minimax", "nonsaturating"):
        np.testing.assert_allclose(LOSSES[name].d(real, fake), -value, rtol=1e-12)
    np.testing.assert_allclose(LOSSES["minimax"].g(real, fake), np.log(1 - d(fake)), rtol=1e-12)
    np.testing.assert_allclose(LOSSES["nonsaturating"].g(real, fake), -np.log(d(fake)), rtol=1e-12)


@pytest.mark.parametrize("name", ["minimax", "nonsaturating"])
def test_at_the_optimum_the_value_is_minus_log_four(name):
    """Goodfellow et al. 2014, theorem 1: where D = 1/2 everywhere, V = -log 4."""
    zero = jnp.zeros(5)
    np.testing.assert_allclose(-LOSSES[name].d(zero, zero), -math.log(4), rtol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("real, fake", [(100.0, -100.0), (-100.0, 100.0), (100.0, 100.0), (-100.0, -100.0)])
def test_losses_and_their_gradients_are_finite_at_extreme_logits(name, real, fake):
    for part in (LOSSES[name].d, LOSSES[name].g):
        value, gradients = jax.value_and_grad(lambda r, f: part(r, f).sum(), argnums=(0, 1))(
            jnp.array([real]), jnp.array([fake])
        )
        assert np.isfinite(value) and np.isfinite(gradients).all()


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_per_example(name):
    real, fake = jax.random.normal(jax.random.key(0), (2, 7))
    for part in (LOSSES[name].d, LOSSES[name].g):
        assert part(real, fake).shape == (7,)


def test_minimax_gradient_vanishes_where_the_nonsaturating_one_does_not():
    """Section 3 of Goodfellow et al. 2014: early on, D rejects samples with confidence."""
    slope = lambda name: float(jax.grad(lambda f: LOSSES[name].g(jnp.zeros(1), f).sum())(jnp.array([-10.0]))[0])
    assert slope("nonsaturating") == pytest.approx(-1, abs=1e-4)
    assert slope("minimax") == pytest.approx(0, abs=1e-4)


def test_hinge_saturates_beyond_its_margins():
    """``max(0, 1 - real) + max(0, 1 + fake)``: the slope is one within the margins and zero beyond; G's is one everywhere."""
    real, fake = jnp.array([-100.0, -3.0, 0.5, 2.0, 100.0]), jnp.array([100.0, 0.5, -0.25, -3.0, -100.0])
    hinge = LOSSES["hinge"]
    np.testing.assert_allclose(hinge.d(real, fake), [202, 5.5, 1.25, 0, 0])
    slopes = jax.grad(lambda r, f: hinge.d(r, f).sum(), argnums=(0, 1))(real, fake)
    np.testing.assert_array_equal(slopes, [[-1, -1, -1, 0, 0], [1, 1, 1, 0, 0]])
    np.testing.assert_array_equal(hinge.g(real, fake), -fake)


class Quartic(nn.Module):
    """A small discriminator that is smooth and not linear."""

    @nn.compact
    def __call__(self, x, y):
        h = nn.tanh(nn.Dense(6, param_dtype=x.dtype)(x.reshape(x.shape[0], -1)))
        return Critique(nn.tanh(nn.Dense(1, param_dtype=x.dtype)(h))[:, 0] * (1 + 0.1 * y))


def _d_context(d, real, fake):
    return DContext(d, None, None, None, real, fake, d(*real), d(*fake), jax.random.key(0))


def test_r1_and_its_parameter_gradient_against_finite_differences(x64):
    rng = np.random.default_rng(0)
    real = Batch(jnp.asarray(rng.normal(size=(3, 2, 2, 1))), jnp.array([0, 1, 2]))
    fake = Batch(jnp.asarray(rng.normal(size=(3, 2, 2, 1))), jnp.array([0, 1, 2]))
    module = Quartic()
    params = module.init(jax.random.key(1), *real)
    flat, unflatten = jax.flatten_util.ravel_pytree(params)

    def penalty(vector):
        return REGULARIZERS["r1"]().apply(
            (), _d_context(lambda x, y: module.apply(unflatten(vector), x, y), real, fake)
        )[0]

    h = 1e-5
    expected = np.zeros(3)
    for b in range(3):
        for i in np.ndindex(2, 2, 1):
            up, down = (module.apply(params, real.x.at[(b, *i)].add(s * h), real.y).score[b] for s in (1, -1))
            expected[b] += 0.5 * ((up - down) / (2 * h)) ** 2
    np.testing.assert_allclose(penalty(flat), expected, rtol=1e-7)

    gradient = jax.grad(lambda v: penalty(v).sum())(flat)
    direction = jnp.asarray(rng.normal(size=flat.shape))
    slope = (penalty(flat + h * direction) - penalty(flat - h * direction)).sum() / (2 * h)
    np.testing.assert_allclose(gradient @ direction, slope, rtol=1e-6)


def test_r1_of_a_linear_discriminator_in_closed_form():
    w = jnp.arange(4.0)
    d = lambda x, y: Critique(x.reshape(x.shape[0], -1) @ w)
    batch = Batch(jnp.ones((5, 2, 2, 1)), jnp.zeros(5, jnp.int32))
    np.testing.assert_allclose(
        REGULARIZERS["r1"]().apply((), _d_context(d, batch, batch))[0], np.full(5, 0.5 * 14), rtol=1e-6
    )


def test_class_losses_are_negative_log_likelihoods():
    logits = jax.random.normal(jax.random.key(0), (2, 4, 3))
    y = jnp.array([0, 2, 1, 1])
    real, fake = Critique(jnp.zeros(4), logits[0]), Critique(jnp.zeros(4), logits[1])
    batch = Batch(jnp.zeros((4, 1, 1, 1)), y)
    log_p = np.log(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True))[:, np.arange(4), y]
    d, _ = d_classes().apply((), DContext(None, None, None, None, batch, batch, real, fake, None))
    g, _ = g_classes().apply((), GContext(None, None, None, None, batch, batch, real, fake, None))
    np.testing.assert_allclose(d, -log_p.sum(0), rtol=1e-5)
    np.testing.assert_allclose(g, -log_p[1], rtol=1e-5)
    assert optax.softmax_cross_entropy_with_integer_labels(logits[1], y).shape == (4,)
