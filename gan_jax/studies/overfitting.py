"""How far a discriminator has learned its training images by heart, for every member of a
population.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan
from gan_jax.engine.trained import discriminate, generate
from gan_jax.types import Array, GanState, PyTree


class Scores(NamedTuple):
    """D's scores ``[K, n]`` of training images, of real images that it never saw, and of fakes."""

    training: Array
    held_out: Array
    fake: Array


class Overfitting(NamedTuple):
    """The two measures of Karras et al. 2020, "Training generative adversarial networks with
    limited data", eq. 1, each ``[K]``: 0 without overfitting, 1 where nothing was learned but the
    training images.

    ``r_v``: ``(E[training] - E[held out]) / (E[training] - E[fake])``: the share of D's distance
    between training images and fakes that held-out images do not share. ``r_t``:
    ``E[sign(training)]``, which needs no held-out images, and which ADA follows.
    """

    r_v: np.ndarray
    r_t: np.ndarray


def overfitting(scores: Scores) -> Overfitting:
    """The measures of the scores; ``r_v`` is NaN where D does not tell training images from
    fakes.
    """
    training, held_out, fake = (np.asarray(own, np.float64).mean(1) for own in scores)
    distance = training - fake
    r_v = np.divide(
        training - held_out, distance, out=np.full_like(distance, np.nan), where=distance != 0
    )
    return Overfitting(r_v, np.sign(np.asarray(scores.training)).mean(1))


@functools.partial(jax.jit, static_argnames="gan")
def scores_of_members(
    gan: Gan, states: GanState, training: Array, held_out: Array, latents: PyTree, key: Array
) -> Scores:
    """The scores that each member's D gives in training: of images under its augmentations at
    their present strength, and of fakes from G's weights themselves, not from their average.

    Args:
      gan, states: as for `gan_jax.engine.population.train_population`; unconditional.
      training, held_out: images ``[n, *shape]`` as stored.
      latents: of the fakes, ``[n, ...]``.
      key: determines the augmentations.
    """

    def of_member(own: GanState) -> Scores:
        state = own.replace(step=states.step)
        augments = scalars.bind(gan, state.scalars, state.step).augments
        latest = state.replace(generator=state.generator.replace(average=None))

        def seen(i: int, x: PyTree, y: Array) -> Array:
            x, of_set = gan.modality.to_network(x), jax.random.fold_in(key, i)
            for j, augment in enumerate(augments):
                x = augment.apply(jax.random.fold_in(of_set, j), x, augment.strength)
            return discriminate(gan, state, x, y).score.reshape(len(y), -1).mean(1)

        none = lambda x: jnp.zeros(len(jax.tree.leaves(x)[0]), jnp.int32)
        fakes = generate(gan, latest, latents, none(latents))
        sets = (training, held_out, fakes)
        return Scores(*(seen(i, x, none(x)) for i, x in enumerate(sets)))

    return jax.lax.map(of_member, states.replace(step=None))
