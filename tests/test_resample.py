"""Filters of `gan_jax.nn.resample` against XLA's convolutions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax.nn.resample import blurred, doubled, halved

TAPS = np.outer([1.0, 3, 3, 1], [1, 3, 3, 1]) / 64
MAPS = {
    "doubled": (doubled, dict(gain=4, up=2, pad=2)),
    "halved": (halved, dict(gain=1, down=2, pad=1)),
    "blurred, pad 1": (lambda x: blurred(x, 1, gain=4.0), dict(gain=4, pad=1)),
    "blurred, pad 2": (lambda x: blurred(x, 2), dict(gain=1, pad=2)),
    "blurred, pad 0": (lambda x: blurred(x, 0), dict(gain=1, pad=0)),
}


def stock(x, *, gain, pad, up=1, down=1):
    """A convolution with a group for each channel."""
    c = x.shape[-1]
    kernel = jnp.broadcast_to(gain * TAPS.astype(x.dtype)[..., None, None], (4, 4, 1, c))
    pads = ((pad, pad),) * 2
    order = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, kernel, (down,) * 2, pads, (up,) * 2, dimension_numbers=order, feature_group_count=c
    )


def normal(*shape):
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape))


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("ours, how", MAPS.values(), ids=MAPS)
def test_values_and_two_derivatives_as_stock(ours, how):
    """In reverse and in forward mode, of a nonlinear function of the map."""
    x, u = normal(3, 6, 8, 2), normal(4, 3, 6, 8, 2)[1]

    def derivatives(f):
        first = jax.grad(lambda x: jnp.sum(f(x) ** 3))
        second = jax.grad(lambda x: jnp.vdot(first(x), u))
        return f(x), first(x), second(x), jax.jvp(first, (x,), (u,))[1]

    run = jax.jit(lambda: (derivatives(ours), derivatives(functools.partial(stock, **how))))
    for a, b in zip(*run(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * np.abs(b).max())


@pytest.mark.parametrize("ours, how", MAPS.values(), ids=MAPS)
def test_members_of_a_population(ours, how):
    x = normal(3, 6, 4, 5, 2)
    members = jax.vmap(ours, in_axes=3, out_axes=1)(x)
    for i in range(5):
        np.testing.assert_allclose(members[:, i], ours(x[:, :, :, i]), rtol=1e-12)


def test_half_precision_stays():
    assert doubled(normal(1, 4, 4, 1).astype(jnp.bfloat16)).dtype == jnp.bfloat16
    assert blurred(normal(1, 4, 4, 1).astype(jnp.bfloat16), 1, gain=4.0).dtype == jnp.bfloat16


def test_the_gradient_of_a_blur_is_a_blur():
    """A sum of four slices, not of padded maps, which the CPU would write one after the other."""
    run = jax.jit(jax.grad(lambda x: jnp.sum(jnp.sin(blurred(x, 2)))))
    text = run.lower(jax.ShapeDtypeStruct((4, 16, 16, 8), jnp.float32)).as_text()
    assert text.count("stablehlo.pad") == 4
