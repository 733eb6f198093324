"""Small smooth players, their contexts, and derivatives by finite differences, for tests of
penalties.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.types import Batch, Critique, DContext, GContext

IMAGES, VECTORS = (8, 8, 1), (3,)
LATENTS = 2
B = 4


def critique(params, x, y, view=0.0):
    """Two layers of tanh; the label changes the score a little. Some features are class logits,
    which depend on the view.
    """
    features = jnp.tanh(
        jnp.tanh(x.reshape(x.shape[0], -1) @ params["first"] + params["bias"][None])
        @ params["second"]
    )
    return Critique(
        features @ params["head"] * (1 + 0.1 * y),
        features[:, :3] + view * features[:, 2:],
        features,
    )


def generate(params, z, y, shape):
    return jnp.tanh(z @ params["first"] + 0.1 * y[:, None]).reshape(-1, *shape)


def weights(shape, seed=0):
    """Parameters of both players, whose gradients by the input are neither all below nor all above
    1.
    """
    rng, size = np.random.default_rng(seed), math.prod(shape)
    draw = lambda *sides: jnp.asarray(rng.normal(size=sides))
    d = {
        "first": draw(size, 6) / size**0.5,
        "bias": draw(6),
        "second": draw(6, 5),
        "head": 3 * draw(5),
    }
    return d, {"first": draw(LATENTS, size)}


def inputs(shape, seed=1):
    """Latents and real examples."""
    rng = np.random.default_rng(seed)
    z, x = rng.normal(size=(B, LATENTS)), rng.uniform(-1, 1, size=(B, *shape))
    return jnp.asarray(z), Batch(jnp.asarray(x), jnp.arange(B) % 3)


def contexts(d_params, g_params, shape, seed=1, key=0):
    """What the penalties of D and those of G see."""
    z, real = inputs(shape, seed)
    make = lambda z, y: generate(g_params, z, y, shape)
    look = lambda x, y: critique(d_params, x, y)
    fake = Batch(make(z, real.y), real.y)
    seen = z, real, fake, critique(d_params, *real, view=0.3), look(*fake), jax.random.key(key)
    return DContext(look, make, d_params, *seen), GContext(look, make, g_params, *seen)


def d_context(discriminate, real, fake=None, generate=None, latents=None, key=0):
    """For a discriminator ``x -> score`` written in the test; fakes are by default the real
    examples.
    """
    look = lambda x, y: Critique(discriminate(x))
    real, fake = (
        Batch(x, jnp.zeros(len(x), jnp.int32)) for x in (real, real if fake is None else fake)
    )
    return DContext(
        look, generate, None, latents, real, fake, look(*real), look(*fake), jax.random.key(key)
    )


def numeric_gradient_norms(discriminate, batch, h=1e-5):
    """``|dD/dx|`` of each example by central differences."""
    squared = np.zeros(len(batch.x))
    for i in np.ndindex(batch.x.shape[1:]):
        step = np.zeros(batch.x.shape)
        step[(slice(None), *i)] = h
        up, down = (
            np.asarray(discriminate(batch.x + sign * step, batch.y).score) for sign in (1, -1)
        )
        squared += ((up - down) / (2 * h)) ** 2
    return np.sqrt(squared)
