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
from gan_jax.errors import ConfigError, within
from gan_jax.parts.regularizers.making import memoryless
from gan_jax.types import Array, Context, PyTree

SIMILAR = "similar"
"""Name of a frozen network: conditions ``(y [b, ...], key)`` -> wrong ones that are similar."""


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
def matching(context: Context, *, similar: float = 0.0):
    """Makes D aware of whether an example matches its condition: with the weight 1, the loss of D
    is ``real + (wrong + fake) / 2``, where ``wrong`` is the loss of real examples with wrong
    conditions, which D takes for fakes (Zhang et al. 2017, section 3.2, and their code).

    For each example, the value is ``(softplus(wrong) - softplus(fake)) / 2`` of the scores, so it
    is meant for the losses minimax and nonsaturating, in which ``softplus(fake)`` has the weight 1.
    The wrong conditions are those of the minibatch, all moved on by the same random number of
    places. Where this condition equals the own one, the value is 0: the fake keeps its weight.

    Args:
      similar: the share of wrong conditions that are made from the own one instead, as similar as
        possible: captions with one word changed. Otherwise what most conditions differ in, such as
        a colour, is enough to tell wrong ones, and D never compares the rest.
    """
    within("similar", similar, "[0, 1]")
    conditions = batch_axis.whole(context.real.y)
    n = len(batch_axis.whole(context.real_critique.score))
    if n < 2:
        raise ConfigError(
            f"matching exchanges conditions and needs a minibatch of 2 or more examples, not {n}."
        )
    moved = jax.random.randint(context.key, (), 1, n)
    wrong_y = batch_axis.own(jax.tree.map(lambda a: jnp.roll(a, moved, axis=0), conditions))
    if similar:
        wrong_y = _partly_similar(context, wrong_y, similar)
    fake, wrong = (
        softplus(critique.score)
        for critique in (context.fake_critique, context.discriminate(context.real.x, wrong_y))
    )
    differ = _differ(context.real.y, wrong_y).reshape(-1, *(1,) * (fake.ndim - 1))
    return jnp.where(differ, 0.5 * (wrong - fake), 0)


def _partly_similar(context: Context, wrong_y: PyTree, share: float) -> PyTree:
    """Wrong conditions, a share of which are replaced by similar ones."""
    if SIMILAR not in context.frozen:
        raise ConfigError(
            f"matching similar={share} needs conditions that can be changed a little; use pairs "
            "'captions', or similar=0."
        )
    key, draw_key = jax.random.split(context.key)
    near = context.frozen[SIMILAR](context.real.y, key)
    n = len(jax.tree.leaves(near)[0])
    chosen = batch_axis.draw(jax.random.uniform, draw_key, (n,)) < share
    pick = lambda a, b: jnp.where(chosen.reshape(-1, *(1,) * (a.ndim - 1)), a, b)
    return jax.tree.map(pick, near, wrong_y)


def _differ(one: PyTree, other: PyTree) -> Array:
    """Whether the conditions ``[b, ...]`` of each example differ anywhere, ``[b]``."""
    places = jax.tree.map(lambda a, b: jnp.any(a != b, axis=range(1, a.ndim)), one, other)
    return functools.reduce(operator.or_, jax.tree.leaves(places))
