"""Terms of stacked GANs: a generator makes what the encoder recognizes as its condition (Huang et
al. 2017, "Stacked generative adversarial networks", equation 3).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from gan_jax.errors import ConfigError, either
from gan_jax.parts.regularizers.making import memoryless
from gan_jax.types import Context

ENCODER, CLASSIFIER = "encoder", "classifier"
"""Names of frozen networks: examples ``x -> h [b, f]``, and ``h -> logits [b, k]``."""


@memoryless
def encoded(context: Context):
    """Mean squared error between the encoding of the fake and its condition ``h [b, f]``."""
    h = _frozen(context, ENCODER, "encoded", "features", "between")(context.fake.x)
    return jnp.mean(jnp.square(h - context.fake.y), axis=1)


@memoryless
def classified(context: Context):
    """Cross entropy, in nats, of the class that the classifier sees in the fake ``h [b, f]``, and
    its label ``y [b]``.
    """
    logits = _frozen(context, CLASSIFIER, "classified", "hidden")(context.fake.x)
    return optax.softmax_cross_entropy_with_integer_labels(logits, context.fake.y)


@memoryless
def levels(context: Context):
    """Of both levels in one game: the cross entropy, in nats, of the class that the classifier sees
    in the hidden layer and its label, and the mean squared error between the encoding of the image
    and the hidden layer that it was made from, which only the image follows.
    """
    if not isinstance(context.fake.x, dict):
        raise ConfigError("levels needs both levels of a stacked GAN; use pairs 'levels'.")
    h, y = context.fake.x["hidden"], context.fake.y
    logits = _frozen(context, CLASSIFIER, "levels", "levels")(h)
    seen = _frozen(context, ENCODER, "levels", "levels")(context.fake.x["image"])
    apart = jnp.mean(jnp.square(seen - jax.lax.stop_gradient(h)), axis=1)
    return optax.softmax_cross_entropy_with_integer_labels(logits, y) + apart


def _frozen(context: Context, name: str, term: str, *pairs: str):
    if name not in context.frozen:
        raise ConfigError(f"{term} needs a frozen {name}; use pairs {either(pairs)}.")
    return context.frozen[name]
