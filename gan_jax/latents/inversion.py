"""Inversion: the points of a latent space whose images are closest to given ones, by gradient
descent.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.engine.gan import Gan
from gan_jax.errors import whole, within
from gan_jax.latents.spaces import Spread, W, to_images
from gan_jax.metrics import nearest_neighbours
from gan_jax.metrics.streaming import stream
from gan_jax.types import Array, GanState, PyTree

BLOCK = 200
"""Descents, of all images and restarts, in a call of the compiled program."""
Look = Callable[[Array], Array]
"""Differentiable features ``[b, f]`` of images ``[b, ...]`` as networks see them."""


@dataclasses.dataclass(frozen=True)
class Objective:
    """The loss of an image and the descent. Terms of the loss, each a mean over its numbers:

    - squared error of the pixels, in [-1, 1];
    - ``features`` times the squared distance of the features, relative to the squared norm of the
      target's;
    - ``anchor`` times the squared distance from the mean of the space, in standard deviations.

    Adam moves the points, in standard deviations of each coordinate, ``steps`` times; its learning
    rate falls from ``rate`` to 0 along a cosine.
    """

    features: float = 0.1
    anchor: float = 1e-3
    steps: int = 100
    rate: float = 0.1

    def check(self) -> None:
        """Refuses numbers out of range.

        Raises:
          ConfigError: naming the number.
        """
        whole("inversion.steps", self.steps, 1)
        within("inversion.rate", self.rate, "(0, inf)")
        within("inversion.features", self.features, "[0, inf)")
        within("inversion.anchor", self.anchor, "[0, inf)")


class Inversion(NamedTuple):
    """``points [n, ...]`` and their ``images [n, ...]`` as networks return them; ``losses [n,
    restarts]`` of all restarts, of which the lowest decided.
    """

    points: np.ndarray
    images: np.ndarray
    losses: np.ndarray


def invert(
    gan: Gan,
    state: GanState,
    images: np.ndarray,
    y: PyTree,
    starts: np.ndarray,
    around: Spread,
    *,
    space: str = W,
    look: Look | None = None,
    objective: Objective = Objective(),
) -> Inversion:
    """Inverts many images, each from several starts, in one compiled program.

    Args:
      gan, state: as for `gan_jax.generate`.
      images: ``[n, ...]``, as stored or as networks see them.
      y: the labels ``[n]`` int32, or other conditions ``[n, ...]``, with which they are generated.
      starts: ``[n, restarts, ...]``, points of the space, such as those of `nearest_starts`.
      around: mean and standard deviation of the space.
      space: ``z``, ``w`` or ``w+`` (Abdal et al. 2019, "Image2StyleGAN": a ``w`` for each layer).
      look: differentiable features for the feature term; None leaves it out. The same object shares
        the compiled program.
      objective: the loss and the descent.

    Raises:
      ConfigError: for numbers of the objective out of range.
    """
    objective.check()
    solve = functools.partial(
        _solve, gan, state, around=around, space=space, look=look, objective=objective
    )
    block = min(len(images), max(1, BLOCK // starts.shape[1]))
    return stream(solve, *jax.device_get((images, y, starts)), block=block)


@functools.partial(jax.jit, static_argnames=("gan", "space", "look", "objective"))
def _solve(
    gan: Gan,
    state: GanState,
    images: Array,
    y: PyTree,
    starts: Array,
    *,
    around: Spread,
    space: str,
    look: Look | None,
    objective: Objective,
) -> Inversion:
    n, restarts = starts.shape[:2]
    each = lambda a: jnp.repeat(a, restarts, axis=0)
    target, y = each(gan.modality.to_network(images)), jax.tree.map(each, y)
    wanted = None if look is None else look(target)
    mean, std = (jnp.asarray(a)[None] for a in around)
    render = lambda u: to_images(gan, state, mean + std * u, y, space)
    mean_square = lambda a: jnp.mean(jnp.square(a).reshape(n * restarts, -1), axis=1)

    def losses(u: Array) -> Array:
        made = render(u)
        loss = mean_square(made - target) + objective.anchor * mean_square(u)
        if look is not None:
            error = mean_square(look(made) - wanted) / jnp.maximum(mean_square(wanted), 1e-12)
            loss = loss + objective.features * error
        return loss

    adam = optax.adam(optax.cosine_decay_schedule(objective.rate, objective.steps))

    def step(_: int, now: tuple[Array, optax.OptState]) -> tuple[Array, optax.OptState]:
        u, memory = now
        gradient = jax.grad(lambda u: losses(u).sum())(u)  # images do not depend on each other
        updates, memory = adam.update(gradient, memory, u)
        return u + updates, memory

    u = (starts.reshape(n * restarts, *starts.shape[2:]) - mean) / std
    u, _ = jax.lax.fori_loop(0, objective.steps, step, (u, adam.init(u)))
    found = losses(u).reshape(n, restarts)
    best = jnp.arange(n) * restarts + jnp.argmin(found, axis=1)
    return Inversion((mean + std * u)[best], render(u)[best], found)


def nearest_starts(
    images: np.ndarray,
    labels: np.ndarray,
    points: np.ndarray,
    samples: np.ndarray,
    sample_labels: np.ndarray,
    restarts: int,
) -> np.ndarray:
    """The points of the samples that are nearest to each image by pixels, among those of its label:
    better starts than random points or the mean.

    Args:
      images, labels: ``[n, ...]`` and ``[n]``.
      points, samples, sample_labels: random points ``[m, ...]``, their images in the same form as
        ``images``, and their labels ``[m]``, all 0 for an unconditional GAN.
      restarts: number of starts per image, at most the number of samples of a label.

    Returns:
      ``[n, restarts, ...]``, the nearest first.
    """
    starts = np.empty((len(images), restarts, *points.shape[1:]), np.float32)
    for label in np.unique(labels):
        mine, same = labels == label, np.flatnonzero(sample_labels == label)
        index, _ = nearest_neighbours(images[mine], samples[same], restarts)
        starts[mine] = points[same[index]]
    return starts
