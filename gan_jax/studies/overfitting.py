"""Measures of a discriminator's overfitting, for every member of a population."""

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


class Seen(NamedTuple):
    """Examples ``[n, ...]`` with their labels ``[n]`` int32, as D sees them."""

    x: PyTree
    y: Array


class Scores(NamedTuple):
    """D's scores ``[K, n]`` of training images, of real images that it never saw, and of fakes."""

    training: Array
    held_out: Array
    fake: Array


class Overfitting(NamedTuple):
    """The two measures of Karras et al. 2020, "Training generative adversarial networks with
    limited data", eq. 1, each ``[K]``.

    ``r_v``: ``(E[training] - E[held out]) / (E[training] - E[fake])``. It is 0 if D scores held-out
    images like training images, 1 if it scores them like fakes, and above 1 if it scores them
    lower. ``r_t``: ``E[sign(training)]``, in [-1, 1]; it needs no held-out images, and ADA follows
    it.
    """

    r_v: np.ndarray
    r_t: np.ndarray


def overfitting(scores: Scores) -> Overfitting:
    """The measures of the scores; ``r_v`` is NaN if training images and fakes have equal means."""
    training, held_out, fake = (np.asarray(own, np.float64).mean(1) for own in scores)
    distance = training - fake
    r_v = np.divide(
        training - held_out, distance, out=np.full_like(distance, np.nan), where=distance != 0
    )
    return Overfitting(r_v, np.sign(np.asarray(scores.training)).mean(1))


@functools.partial(jax.jit, static_argnames="gan")
def scores_of_members(
    gan: Gan, states: GanState, training: Seen, held_out: Seen, latents: PyTree, key: Array
) -> Scores:
    """The scores that each member's D gives during training: of augmented images, at the current
    strength, and of fakes from G's current weights, not from their EMA.

    Args:
      gan, states: as for `gan_jax.engine.population.train_population`.
      training, held_out: images as stored.
      latents: of the fakes, ``[n, ...]``; their labels are those of the training images in turn.
      key: determines the augmentations.
    """

    def of_member(own: GanState) -> Scores:
        state = own.replace(step=states.step)
        augments = scalars.bind(gan, state.scalars, state.step).augments
        latest = state.replace(generator=state.generator.replace(average=None))

        def score(i: int, x: PyTree, y: Array) -> Array:
            x, of_set = gan.modality.to_network(x), jax.random.fold_in(key, i)
            for j, augment in enumerate(augments):
                x = augment.apply(jax.random.fold_in(of_set, j), x, augment.strength)
            return discriminate(gan, state, x, y).score.reshape(len(y), -1).mean(1)

        labels = jnp.resize(training.y, len(jax.tree.leaves(latents)[0]))
        fakes = Seen(generate(gan, latest, latents, labels), labels)
        return Scores(*(score(i, *seen) for i, seen in enumerate((training, held_out, fakes))))

    return jax.lax.map(of_member, states.replace(step=None))
