"""D as a classifier: its test error."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.data import Dataset
from gan_jax.engine.gan import Gan
from gan_jax.engine.trained import discriminate
from gan_jax.errors import ConfigError
from gan_jax.metrics.estimate import Estimate, share
from gan_jax.metrics.streaming import stream
from gan_jax.types import Array, GanState

CLASSIFIED_BLOCK = 500
"""Examples that D classifies per call."""


def classifies(gan: Gan) -> bool:
    """Whether D's head returns class logits of a stored example alone."""
    if gan.condition is not None or not gan.modality.from_stored:
        return False
    own = gan.discriminator
    inputs = jax.random.key(0), jnp.zeros((2, *gan.modality.shape)), jnp.zeros(2, jnp.int32)
    see = lambda *a: own.network.init_with_output(*a, train=False, **(own.numbers or {}))
    critique, _ = jax.eval_shape(see, *inputs)
    return "class_logits" in critique.extras


def class_logits(gan: Gan, state: GanState, examples: np.ndarray) -> np.ndarray:
    """D's class logits ``[n, k]`` float32 of examples ``[n, ...]``, as stored or as networks see
    them.

    D is in evaluation mode and uses its EMA weights if it has them.

    Raises:
      ConfigError: for a D that does not classify.
    """
    if not classifies(gan):
        raise ConfigError(
            "class_logits: this discriminator has no class logits; use one with a classifier head."
        )
    see = functools.partial(_class_logits, gan, state)
    return stream(see, examples, block=min(CLASSIFIED_BLOCK, len(examples)))


def error(gan: Gan, state: GanState, dataset: Dataset) -> Estimate:
    """The test error of D: the fraction of examples that it misclassifies, with its 95% Wilson
    interval over examples.

    Examples without a label do not count.

    Raises:
      ConfigError: as `class_logits`, and for a dataset without labels.
    """
    known = np.flatnonzero(dataset.labels >= 0)
    if not len(known):
        raise ConfigError(
            f"dataset {dataset.description.name!r} has no labels with which to test D; use a "
            "labelled one."
        )
    examples = dataset.examples if len(known) == len(dataset.labels) else dataset.examples[known]
    wrong = class_logits(gan, state, examples).argmax(axis=1) != dataset.labels[known]
    return share(float(wrong.mean()), len(known))


@functools.partial(jax.jit, static_argnames="gan")
def wrong(gan: Gan, state: GanState, examples: Array, labels: Array) -> Array:
    """Like `error`, compiled: the test error ``()`` float32 of D on examples ``[n, ...]`` that all
    have labels ``[n]``.
    """
    n, block = len(examples), min(CLASSIFIED_BLOCK, len(examples))
    index = jnp.minimum(jnp.arange(-(-n // block) * block), n - 1).reshape(-1, block)
    seen = jax.lax.map(lambda i: _class_logits(gan, state, examples[i]).argmax(axis=1), index)
    return jnp.mean(seen.reshape(-1)[:n] != labels)


def _class_logits(gan: Gan, state: GanState, examples: Array) -> Array:
    labels = jnp.full(len(examples), -1, jnp.int32)
    return discriminate(gan, state, examples, labels, averaged=True).extras["class_logits"]
