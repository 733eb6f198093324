"""Small smooth players, their contexts, and derivatives by finite differences, for tests of
penalties.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.modality import of_shape
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.types import Batch, Context, Critique, Fake

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
    class_logits = features[:, :3] + view * features[:, 2:]
    score = features @ params["head"] * (1 + 0.1 * y)
    return Critique(score, {"class_logits": class_logits, "features": features})


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


def context(**fields):
    """With None for every field that is not given."""
    return Context(**(dict.fromkeys(f.name for f in dataclasses.fields(Context)) | fields))


def contexts(d_params, g_params, shape, seed=1, key=0):
    """What the penalties of D and those of G see."""
    z, real = inputs(shape, seed)
    kl = lambda z: jnp.square(z @ g_params["first"]).mean(1)  # as if of augmented conditions
    make = lambda z, y: Fake(generate(g_params, z, y, shape), y, {"kl": kl(z)})
    look = lambda x, y, view=0.0: critique(d_params, x, y, view)
    fake = make(z, real.y)
    see_real, see_fake = lambda x: look(x, real.y, view=0.3), lambda x: look(x, real.y)
    d = context(
        generate=make, discriminate=look, see_real=see_real, see_fake=see_fake, params=d_params,
        modality=of_shape(shape), latents=z, real=real, fake=fake, real_critique=see_real(real.x),
        fake_critique=see_fake(fake.x), key=jax.random.key(key),
    )  # fmt: skip
    return d, dataclasses.replace(d, params=g_params)


def d_context(discriminate, real, fake=None, generate=None, latents=None, key=0):
    """For a discriminator ``x -> score`` written in the test; fakes are by default the real
    examples.
    """
    see = lambda x: Critique(discriminate(x))
    fake, y = real if fake is None else fake, jnp.zeros(len(real), jnp.int32)
    return context(
        generate=generate and (lambda z, y: Fake(generate(z, y), y)),
        discriminate=lambda x, y: see(x), see_real=see, see_fake=see,
        modality=of_shape(real.shape[1:]), latents=latents, real=Batch(real, y), fake=Fake(fake, y),
        real_critique=see(real), fake_critique=see(fake), key=jax.random.key(key),
    )  # fmt: skip


def of_critiques(real, fake, **fields):
    """For penalties that look at critiques, or labels ``y``, alone."""
    y = fields.pop("y", jnp.zeros(len(fake.score), jnp.int32))
    x = jnp.zeros((len(fake.score), 1))
    seen = {"real_critique": real, "fake_critique": fake}
    return context(real=Batch(x, y), fake=Fake(x, y), **seen, **fields)


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


def penalty(name, context, **numbers):
    """The first value of a regularizer of D by name."""
    regularizer = REGULARIZERS[name](**numbers)
    return regularizer.apply(regularizer.init(), context)[0]
