"""Distances between images for image-to-image translation: to the real example of the condition,
and to the condition itself.

All are means over pixels and channels, per example. Of a pytree of images, they are the mean over
its leaves, as the loss is the mean over the scores of all leaves.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from gan_jax.errors import ConfigError
from gan_jax.modality import DOMAINS
from gan_jax.parts.regularizers.levels import CLASSIFIER
from gan_jax.parts.regularizers.making import memoryless
from gan_jax.types import Array, Context, PyTree


@memoryless
def l1(context: Context):
    """``|x - G(z, y)|`` for the real example ``x`` of the condition ``y`` (Isola et al. 2017,
    equation 3; their weight is 100).
    """
    return _to_real("l1", context, jnp.abs)


@memoryless
def l2(context: Context):
    """``(x - G(z, y))^2`` for the real example ``x`` of the condition ``y``."""
    return _to_real("l2", context, jnp.square)


@memoryless
def cycle(context: Context):
    """``|F(G(a)) - a|`` and ``|G(F(b)) - b|`` (Zhu et al. 2017, equation 2; their weight is 10)."""
    return _distance(_extra("cycle", context, "back"), context.fake.y, jnp.abs)


@memoryless
def identity(context: Context):
    """``|F(a) - a|`` and ``|G(b) - b|``: a generator leaves images of its own domain as they are
    (Zhu et al. 2017, section 5.2; their weight is 5).
    """
    return _distance(_extra("identity", context, "same"), context.fake.y, jnp.abs)


@memoryless
def semantic(context: Context):
    """Cross entropy, in nats, of the class that the classifier of the labelled domain sees in each
    translation, and the one that it sees in the image that was translated; the sum of both
    directions (Hoffman et al. 2018, "CyCADA: cycle-consistent adversarial domain adaptation",
    equation 4).
    """
    if CLASSIFIER not in context.frozen:
        raise ConfigError(
            "semantic needs the classifier of a labelled domain; use pairs domains:labelled=a or "
            "domains:labelled=b."
        )
    classify, (a, b) = context.frozen[CLASSIFIER], DOMAINS
    seen = lambda x: jnp.argmax(classify(x), axis=1)
    kept = lambda one, other: optax.softmax_cross_entropy_with_integer_labels(
        classify(context.fake.x[other]), seen(context.fake.y[one])
    )
    return kept(a, b) + kept(b, a)


def _to_real(name: str, context: Context, measure: Callable[[Array], Array]) -> Array:
    """The distance of each fake to the real example at its position."""
    same_conditions(name, context)
    return _distance(context.fake.x, context.real.x, measure)


def same_conditions(name: str, context: Context) -> None:
    """Refuses a term that compares each fake with the real example at its position, unless these
    have the same conditions.

    Raises:
      ConfigError: naming the term.
    """
    own, others = (jax.tree.leaves(batch.y) for batch in (context.fake, context.real))
    if len(own) != len(others) or any(a is not b for a, b in zip(own, others, strict=True)):
        raise ConfigError(
            f"{name} compares a fake with the real example of its condition: it requires "
            "fake_labels batch, and no mixing or memory of the generator."
        )


def _distance(x: PyTree, target: PyTree, measure: Callable[[Array], Array]) -> Array:
    mean = lambda a, b: jnp.mean(measure(a - b), axis=range(1, a.ndim))
    leaves = jax.tree.leaves(jax.tree.map(mean, x, target))
    return jnp.mean(jnp.stack(leaves), axis=0)


def _extra(name: str, context: Context, wanted: str) -> PyTree:
    """An entry of the extras of the fakes.

    Raises:
      ConfigError: if the generator does not return it.
    """
    if wanted not in context.fake.extras:
        raise ConfigError(
            f"{name} needs {wanted} from the generator, whose Fake has only "
            f"{', '.join(['x', *sorted(context.fake.extras)])}."
        )
    return context.fake.extras[wanted]
