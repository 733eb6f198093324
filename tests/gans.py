"""Small GANs built from objects, for tests of the engine that need neither names nor data."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan, Player
from gan_jax.modality import Images
from gan_jax.models import MODELS, dcgan, mlp
from gan_jax.nn.heads import ProjectionHead, UnconditionalHead
from gan_jax.parts.losses import LOSSES, nonsaturating
from gan_jax.parts.priors import Normal
from gan_jax.parts.regularizers import G_REGULARIZERS
from gan_jax.types import Batch, GanState, PlayerState

SHAPE = (8, 8, 1)
SGD = optax.sgd(0.1)
"""One object, so that equal GANs share their compilations."""
GAMES = {name: loss for name, loss in LOSSES.items() if name != "none"}
OF_TEXTS = ("reinforce", "rollouts", "likelihood")
OWN = (
    "kl", "encoded", "classified", "levels", "cycle", "identity", "semantic", "layer_features",
    "mel", *OF_TEXTS,
)  # fmt: skip
G_PENALTIES = {name: make for name, make in G_REGULARIZERS.items() if name not in OWN}
"""Those for every generator: not of conditioning augmentation, the levels of a stack, cycles,
vocoders, or texts.
"""
OF_LABELS = {
    name: own
    for name, own in MODELS.items()
    if None in own.conditions and issubclass(Images, own.modalities)
}
"""The architectures of images that take class labels."""


def random_batch(seed=0, d_steps=1, b=8, shape=SHAPE):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (d_steps, b, *shape), dtype=np.uint8)
    return Batch(x, rng.integers(0, 10, (d_steps, b)).astype(np.int32))


def small_mlp(g=None, d=None, **changes):
    """``g``, ``d``: changed fields of the players; the rest are fields of the `Gan`."""
    generator = Player(mlp.Generator(SHAPE, width=16), SGD, average=10_000.0)
    discriminator = Player(mlp.Discriminator(UnconditionalHead(), width=16), SGD)
    fields = dict(
        generator=dataclasses.replace(generator, **(g or {})),
        discriminator=dataclasses.replace(discriminator, **(d or {})),
        loss=nonsaturating,
        prior=Normal(4),
        modality=Images(SHAPE),
    )
    return Gan(**(fields | changes))


def small_dcgan(g=None, d=None, **changes):
    """Batch norm in both players, conditional, trained by SGD: Adam would turn rounding of small
    gradients into full steps.
    """
    return small_mlp(
        {"network": dcgan.Generator(SHAPE, num_classes=10, width=8, base=2)} | (g or {}),
        {"network": dcgan.Discriminator(ProjectionHead(10), width=8, base=2)} | (d or {}),
        **({"num_classes": 10} | changes),
    )


def state_of(gan, step=0):
    """A state with D's first weights, if it has any, of a generator without weights."""
    examples = jnp.zeros((2, *gan.modality.shape)), jnp.zeros(2, jnp.int32)
    weights = gan.discriminator.network.init(jax.random.key(0), *examples, train=False)
    players = PlayerState({}, {}, ()), PlayerState(weights.get("params", {}), {}, ())
    return GanState(jnp.int32(step), jax.random.key(0), *players, scalars.encode(gan))


def arrays(tree):
    """All leaves as numpy arrays, random keys by their data."""
    is_key = lambda a: jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key)
    data = lambda a: jax.random.key_data(a) if is_key(a) else a
    return [np.asarray(data(a)) for a in jax.tree.leaves(tree)]


_COMPILED = {}


def optimized(function, static, *arguments):
    """``function(static, *arguments)`` of a jitted function, compiled with all of LLVM's
    optimizations, for tests that compute more than they compile.
    """
    leaves, structure = jax.tree.flatten(jax.tree.map(jax.typeof, arguments))
    key = function, static, structure, tuple(leaves)
    if key not in _COMPILED:
        options = {"xla_backend_optimization_level": 3}
        _COMPILED[key] = function.lower(static, *arguments).compile(compiler_options=options)
    return _COMPILED[key](*arguments)
