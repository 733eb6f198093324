"""Gradient penalties against finite differences in float64, closed forms, and the laws of what is
random in them.
"""

import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest
import scipy.stats

from gan_jax.types import Fake

GRADIENT_PENALTIES = {
    "r1": ({}, lambda norms: norms**2 / 2),
    "r2": ({}, lambda norms: norms**2 / 2),
    "gp": ({"target": 5.0}, lambda norms: (norms - 5) ** 2),
    "gp_one_sided": ({"target": 5.0}, lambda norms: np.maximum(norms - 5, 0) ** 2),
    "zero_centred": ({}, lambda norms: norms**2),
    "max_gp": ({}, lambda norms: np.full_like(norms, norms.max() ** 2)),
    "dragan": ({"target": 5.0, "noise": 0.0}, lambda norms: (norms - 5) ** 2),
}


@pytest.mark.parametrize("name", GRADIENT_PENALTIES)
def test_gradient_penalties_against_finite_differences(x64, name):
    """At real examples that are the fakes as well, so that what lies between them is known."""
    d_params, _ = players.weights(players.VECTORS)
    _, real = players.inputs(players.VECTORS)
    discriminate = lambda x, y: players.critique(d_params, x, y)
    see, seen = lambda x: discriminate(x, real.y), discriminate(*real)
    context = players.context(
        discriminate=discriminate, see_real=see, see_fake=see, real=real, fake=Fake(*real),
        real_critique=seen, fake_critique=seen, key=jax.random.key(0),
    )  # fmt: skip
    norms = players.numeric_gradient_norms(discriminate, real)
    assert norms.min() < 5 < norms.max()
    numbers, formula = GRADIENT_PENALTIES[name]
    np.testing.assert_allclose(players.penalty(name, context, **numbers), formula(norms), rtol=1e-7)


@pytest.mark.parametrize("name", GRADIENT_PENALTIES)
@pytest.mark.parametrize("slope", [2.0, 8.0])
def test_gradient_penalties_of_a_linear_discriminator(name, slope):
    """Its gradient is the same everywhere, whatever real, generated or noisy examples are looked
    at.
    """
    w = slope * jnp.array([0.6, 0.0, -0.8, 0.0])
    real, fake = jax.random.normal(jax.random.key(0), (2, 5, 2, 2, 1))
    context = players.d_context(lambda x: x.reshape(len(x), -1) @ w, real, fake)
    numbers, formula = GRADIENT_PENALTIES[name]
    numbers = numbers | {"noise": 0.5} if "noise" in numbers else numbers
    np.testing.assert_allclose(
        players.penalty(name, context, **numbers), formula(np.full(5, slope)), rtol=1e-5
    )


@pytest.mark.parametrize("name", GRADIENT_PENALTIES)
def test_gradient_penalties_are_differentiable_where_the_gradient_is_zero(name):
    x = jnp.ones((3, 2))
    gradient = jax.grad(
        lambda w: players.penalty(name, players.d_context(lambda x: x @ w, x)).sum()
    )(jnp.zeros(2))
    np.testing.assert_array_equal(gradient, 0)


HALF_SQUARE = lambda x: (
    0.5 * jnp.sum(jnp.square(x), axis=range(1, x.ndim))
)  # its gradient is x itself


@pytest.mark.parametrize("name", ["gp", "gp_one_sided", "zero_centred"])
def test_points_between_real_and_fake_are_uniform(name):
    along = jnp.zeros((2000, 2)).at[:, 0].set(1.0)
    context = players.d_context(HALF_SQUARE, 3 * along, 1 * along)
    where = np.sqrt(
        players.penalty(name, context, **({} if name == "zero_centred" else {"target": 0.0}))
    )
    assert scipy.stats.kstest((where - 1) / 2, "uniform").pvalue > 0.01


def test_dragan_noise_is_normal():
    context = players.d_context(HALF_SQUARE, jnp.zeros((2000, 3)))
    squares = players.penalty("dragan", context, target=0.0, noise=0.2)
    assert scipy.stats.kstest(np.asarray(squares) / 0.2**2, scipy.stats.chi2(3).cdf).pvalue > 0.01
