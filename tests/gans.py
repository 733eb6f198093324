"""Small GANs built from objects, for tests of the engine that need neither names nor data."""

import jax
import numpy as np
import optax

from gan_jax.engine.gan import Gan
from gan_jax.models import dcgan, mlp
from gan_jax.nn.heads import ProjectionHead, UnconditionalHead
from gan_jax.parts.losses import nonsaturating
from gan_jax.types import Batch

SHAPE = (8, 8, 1)


def random_batch(seed=0, d_steps=1, b=8, shape=SHAPE):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (d_steps, b, *shape), dtype=np.uint8)
    return Batch(x, rng.integers(0, 10, (d_steps, b)).astype(np.int32))


def small_mlp(**changes):
    fields = dict(
        generator=mlp.Generator(SHAPE, width=16),
        discriminator=mlp.Discriminator(UnconditionalHead(), width=16),
        loss=nonsaturating,
        g_optimizer=optax.sgd(0.1),
        d_optimizer=optax.sgd(0.1),
        shape=SHAPE,
        latents=4,
    )
    return Gan(**(fields | changes))


def small_dcgan(**changes):
    """Batch norm in both players, conditional, trained by SGD: Adam would turn rounding of
    near-zero gradients into full steps.
    """
    fields = dict(
        generator=dcgan.Generator(SHAPE, num_classes=10, width=8, base=2),
        discriminator=dcgan.Discriminator(ProjectionHead(10), width=8, base=2),
        num_classes=10,
    )
    return small_mlp(**(fields | changes))


def arrays(tree):
    """All leaves as numpy arrays, random keys by their data."""
    data = lambda a: (
        jax.random.key_data(a) if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key) else a
    )
    return [np.asarray(data(a)) for a in jax.tree.leaves(tree)]
