"""Terms of GANs whose conditions are more than a label, such as captions (StackGAN: Zhang et al.
2017, "StackGAN: text to photo-realistic image synthesis with stacked generative adversarial
networks").
"""

from __future__ import annotations

import functools
import operator

import jax
import jax.numpy as jnp
from jax.nn import softplus

from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError
from gan_jax.parts.regularizers.making import memoryless
from gan_jax.types import Array, Context, PyTree


@memoryless
def kl(context: Context):
    """``KL(N(mu, sigma^2) || N(0, 1))`` in nats of each example's conditioning augmentation, the
    mean over its dimensions (Zhang et al. 2017, equation 2; their code has the weight 2).

    G returns it as ``extras["kl"] [b]``.
    """
    if "kl" not in context.fake.extras:
        raise ConfigError(
            "kl needs conditioning augmentation, but the generator has none; use a generator that "
            "has it, such as stackgan with augmentation=True."
        )
    return context.fake.extras["kl"]


@memoryless
def matching(context: Context):
    """Makes D aware of whether an example matches its condition: with the weight 1, the loss of D
    is ``real + (wrong + fake) / 2``, where ``wrong`` is the loss of real examples with wrong
    conditions, which D takes for fakes (Zhang et al. 2017, section 3.2, and their code).

    For each example, the value is ``(softplus(wrong) - softplus(fake)) / 2`` of the scores, so it
    is meant for the losses minimax and nonsaturating, in which ``softplus(fake)`` has the weight 1.
    The wrong conditions are those of the minibatch, all moved on by the same random number of
    places. Where this condition equals the own one, the value is 0: the fake keeps its weight.
    """
    conditions = batch_axis.whole(context.real.y)
    n = len(batch_axis.whole(context.real_critique.score))
    if n < 2:
        raise ConfigError(
            f"matching exchanges conditions and needs a minibatch of 2 or more examples, not {n}."
        )
    moved = jax.random.randint(context.key, (), 1, n)
    wrong_y = batch_axis.own(jax.tree.map(lambda a: jnp.roll(a, moved, axis=0), conditions))
    fake, wrong = (
        softplus(critique.score)
        for critique in (context.fake_critique, context.discriminate(context.real.x, wrong_y))
    )
    differ = _differ(context.real.y, wrong_y).reshape(-1, *(1,) * (fake.ndim - 1))
    return jnp.where(differ, 0.5 * (wrong - fake), 0)


def _differ(one: PyTree, other: PyTree) -> Array:
    """Whether the conditions ``[b, ...]`` of each example differ anywhere, ``[b]``."""
    places = jax.tree.map(lambda a, b: jnp.any(a != b, axis=range(1, a.ndim)), one, other)
    return functools.reduce(operator.or_, jax.tree.leaves(places))
