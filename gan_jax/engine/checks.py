"""What the engine refuses, each in one sentence: a step is traced only with batches, outputs of
networks and losses of the shapes that it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import ConfigError
from gan_jax.modality import Modality
from gan_jax.types import Array, Batch, Critique, Fake, Frozen, PyTree


def key(key: Any) -> None:
    """Refuses anything but one random key.

    Raises:
      ConfigError: naming what was given.
    """
    dtype, shape = getattr(key, "dtype", None), getattr(key, "shape", None)
    typed = dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)
    if not (typed and shape == ()) and not (dtype == np.uint32 and shape == (2,)):
        given = repr(key) if dtype is None else f"{dtype}{list(shape)}"
        raise ConfigError(f"key must be a random key such as jax.random.key(SEED), not {given}.")


def batch(batch: Batch) -> None:
    """Refuses a batch whose arrays differ in the leading axes ``[minibatches, b]``.

    Raises:
      ConfigError: naming the given shapes.
    """
    shapes = [tuple(leaf.shape) for leaf in jax.tree.leaves(batch)]
    if len({shape[:2] for shape in shapes}) != 1 or min(map(len, shapes)) < 2:
        given = ", ".join(str(list(shape)) for shape in shapes) or "no arrays"
        raise ConfigError(
            f"batch has {given}; all arrays must have the same leading axes [minibatches, b], as "
            "in the batches of gan_jax.batches."
        )


def minibatches(of_d: int) -> None:
    """Refuses a batch that has no minibatch for the discriminator.

    Args:
      of_d: the number of minibatches that are not reserved for the generator.

    Raises:
      ConfigError: if there is none.
    """
    if of_d < 1:
        raise ConfigError(
            "batch must have at least 2 minibatches, not 1: turns.fresh reserves its last one for "
            "the generator."
        )


def frozen(networks: Iterable[Frozen], variables: Mapping[str, PyTree]) -> None:
    """Refuses variables of other networks than the frozen ones.

    Raises:
      ConfigError: naming the networks.
    """
    given, wanted = sorted(variables), sorted(network.name for network in networks)
    if given != wanted:
        raise ConfigError(
            f"frozen must have the variables of {', '.join(wanted) or 'no network'}, not of "
            f"{', '.join(given) or 'no network'}."
        )


def fake(modality: Modality, made: PyTree) -> Fake:
    """The output of G as a `Fake`.

    Raises:
      ConfigError: if its examples do not have the shape of the modality.
    """
    made = made if isinstance(made, Fake) else Fake(made)
    modality.check("generator", made.x)
    return made


def critique(network: nn.Module, seen: Any, b: int) -> None:
    """Refuses an output of D that is not a `Critique` with scores ``[b, ...]``.

    Raises:
      ConfigError: naming the network and what it returned.
    """
    name = type(network).__name__
    if not isinstance(seen, Critique):
        raise ConfigError(
            f"discriminator {name} must return a gan_jax.Critique, such as "
            f"gan_jax.Critique(score), not {_described(seen)}."
        )
    score = seen.score
    shape = getattr(score, "shape", ())
    if shape[:1] != (b,) or not jnp.issubdtype(score.dtype, jnp.floating):
        raise ConfigError(
            f"discriminator {name} must return a score of floats [{b}, ...] for {b} examples, not "
            f"{_described(score)}."
        )


def losses(name: str, losses: Array, scores: Array) -> None:
    """Refuses losses that do not have the shape of the scores.

    Raises:
      ConfigError: naming the function of the loss and both shapes.
    """
    if jnp.shape(losses) != scores.shape:
        raise ConfigError(
            f"loss: {name} must return one loss per score, of shape {list(scores.shape)}, not "
            f"{list(jnp.shape(losses))}."
        )


def _described(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"an array {value.dtype}{list(value.shape)}"
    return f"a {type(value).__name__}"
