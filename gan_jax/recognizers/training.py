"""Training of a recognizer: a pure step over the same batches, in the same compiled loop, as the
GAN's.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax

from gan_jax.data import Resident, batch_at
from gan_jax.modality import seen
from gan_jax.recognizers.augment import (
    cut_out,
    mirrored,
    noisy,
    randomly_turned,
    shifted,
    warped,
)
from gan_jax.recognizers.recipes import Augmentation
from gan_jax.types import Array, Batch, Metrics, PyTree

AVERAGED = 0.1
"""The moving average's half-life is this share of the steps made, so that it forgets the beginning
whatever the length.
"""


def augmented(augmentation: Augmentation, key: Array, x: Array) -> Array:
    """``x [b, h, w, c]`` float32 in [-1, 1], each image changed at random."""
    flip_key, warp_key, shift_key, noise_key, cut_key = jax.random.split(key, 5)
    x = mirrored(flip_key, x, 0.5 if augmentation.flip else 0.0)
    x = warped(warp_key, x, augmentation.rotation, augmentation.scale)
    x = shifted(shift_key, x, augmentation.shift)
    x = cut_out(cut_key, x, augmentation.cutout)
    return noisy(noise_key, x, augmentation.noise)


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A network with what it takes to train it: hashable, a static argument of the jitted step.

    Attributes:
      network: module ``(x [b, ...], *, train) -> (features [b, f], logits [b, k])``.
      optimizer: an optax transformation.
      augmentation: of the training examples.
      augment: ``(augmentation, key, x) -> x``, by which they are changed at random.
      smoothing: share of each label that is spread over all classes (Szegedy et al. 2016, section
        7).
      mixup: parameter of the Beta distribution that two examples and their labels are mixed by
        (Zhang et al. 2018, equation 1); 0: none.
      turns: it learns which way up images are, whatever their labels.
      weights: of the loss of each class; () for equal ones.
    """

    network: nn.Module
    optimizer: optax.GradientTransformation
    augmentation: Augmentation = Augmentation()
    augment: Callable[[Augmentation, Array, Array], Array] = augmented
    smoothing: float = 0.0
    mixup: float = 0.0
    turns: bool = False
    weights: tuple[float, ...] = ()


@flax.struct.dataclass
class NetworkState:
    """Parameters, statistics (batch norm) and optimizer state."""

    params: PyTree
    stats: PyTree
    opt_state: PyTree

    @property
    def variables(self) -> PyTree:
        """As the network's ``apply`` takes them."""
        return {"params": self.params, **self.stats}


@flax.struct.dataclass
class ClassifierState:
    """The step, the constant key of everything random, the network, and the moving average
    ``{"params": ..., **statistics}``.
    """

    step: Array
    key: Array
    network: NetworkState
    average: PyTree


def init_state(classifier: Classifier, key: Array, shape: tuple[int, ...]) -> ClassifierState:
    """The state before the first step, for examples of a shape, such as (h, w, c)."""
    key, init_key = jax.random.split(key)
    variables = classifier.network.init(init_key, jnp.zeros((2, *shape)), train=False)
    stats = {name: value for name, value in variables.items() if name != "params"}
    opt_state = classifier.optimizer.init(variables["params"])
    average = jax.tree.map(jnp.copy, variables)  # the step donates both
    network = NetworkState(variables["params"], stats, opt_state)
    return ClassifierState(jnp.zeros((), jnp.int32), key, network, average)


@functools.partial(jax.jit, static_argnames="classifier", donate_argnames="state")
def train_step(
    classifier: Classifier, state: ClassifierState, batch: Batch
) -> tuple[ClassifierState, Metrics]:
    """One update by the cross-entropy of augmented examples.

    Args:
      classifier: static.
      state: donated: the caller goes on with the one returned.
      batch: ``x [b, ...]`` as stored, or float32 in [-1, 1]; ``y [b]`` int32.

    Returns:
      The new state, and the batch's mean ``loss`` and ``accuracy``, ``()`` float32.
    """
    return _train_step(classifier, state, batch)


@functools.partial(jax.jit, static_argnames="classifier", donate_argnames="state")
def train_steps(
    classifier: Classifier, state: ClassifierState, data: Resident, n: int
) -> tuple[ClassifierState, Metrics]:
    """``n`` steps in one call of one compiled loop, whatever ``n``: step ``i`` takes batch ``i`` of
    the resident data.

    Returns:
      The state that ``n`` calls of `train_step` give, and the means of their metrics over the ``n``
      steps.
    """

    def step(_, carry):
        state, sums = carry
        # The recognizer's minibatches are the GAN's, without the axis of discriminator steps.
        batch = jax.tree.map(lambda a: a[0], batch_at(data, state.step))
        state, metrics = _train_step(classifier, state, batch)
        return state, jax.tree.map(jnp.add, sums, metrics)

    zeros = {"loss": jnp.zeros(()), "accuracy": jnp.zeros(())}
    state, sums = jax.lax.fori_loop(0, n, step, (state, zeros))
    return state, jax.tree.map(lambda total: total / n, sums)


def _train_step(
    classifier: Classifier, state: ClassifierState, batch: Batch
) -> tuple[ClassifierState, Metrics]:
    augment_key, mix_key, dropout_key = jax.random.split(
        jax.random.fold_in(state.key, state.step), 3
    )
    x, y = seen(batch.x), batch.y
    if classifier.turns:
        x, y = randomly_turned(jax.random.fold_in(augment_key, 1), x)
    x = classifier.augment(classifier.augmentation, augment_key, x)

    def objective(params: PyTree):
        run = functools.partial(
            classifier.network.apply,
            {"params": params, **state.network.stats},
            train=True,
            mutable=list(state.network.stats),
            rngs={"dropout": dropout_key},
        )
        if classifier.mixup:
            share, mixed = _mixed(mix_key, x, classifier.mixup)
            (_, logits), stats = run(mixed)
            losses = share * _cross_entropy(classifier, logits, y)
            losses += (1 - share) * _cross_entropy(classifier, logits, y[::-1])
        else:
            (_, logits), stats = run(x)
            losses = _cross_entropy(classifier, logits, y)
        loss = losses.mean()
        return loss, (stats, {"loss": loss, "accuracy": (logits.argmax(-1) == y).mean()})

    gradients, (stats, metrics) = jax.grad(objective, has_aux=True)(state.network.params)
    updates, opt_state = classifier.optimizer.update(
        gradients, state.network.opt_state, state.network.params
    )
    params = optax.apply_updates(state.network.params, updates)
    network = NetworkState(params, stats, opt_state)
    keep = 0.5 ** (1 / (AVERAGED * (state.step + 1).astype(jnp.float32)))
    mix = lambda old, new: keep * old + (1 - keep) * new
    average = jax.tree.map(mix, state.average, network.variables)
    return ClassifierState(state.step + 1, state.key, network, average), metrics


def _mixed(key: Array, x: Array, alpha: float) -> tuple[Array, Array]:
    """Shares ``[b]`` from Beta(alpha, alpha), and every example mixed by its share with the one as
    far from the batch's other end.
    """
    share = jax.random.beta(key, alpha, alpha, (len(x),))
    s = share.reshape(-1, *(1,) * (x.ndim - 1))
    return share, s * x + (1 - s) * x[::-1]


def _cross_entropy(classifier: Classifier, logits: Array, y: Array) -> Array:
    """Of each example ``[b]``, against its smoothed label, with the weight of its class."""
    classes = logits.shape[-1]
    labels = optax.smooth_labels(jax.nn.one_hot(y, classes), classifier.smoothing)
    losses = optax.softmax_cross_entropy(logits, labels)
    return losses * jnp.array(classifier.weights)[y] if classifier.weights else losses
