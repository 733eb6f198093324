"""Training of a recognizer: a pure step over the same batches, and with the same house rules, as the GAN's."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax
from tqdm import tqdm

from gan_jax.train_step import to_float
from gan_jax.types import Array, Batch, Metrics, Player, PyTree


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A network with what it takes to train it: hashable, a static argument of the jitted step.

    Attributes:
      network: module ``(x [b, h, w, c], *, train) -> (features [b, f], logits [b, k])``.
      optimizer: an optax transformation.
      shift: augmentation: every image is moved by up to so many pixels each way, black coming in.
      noise: augmentation: to every image uniform noise is added, of an amplitude drawn from [0, noise] on the scale of
        [-1, 1]. Generated images have such flaws, and a judge that never saw any calls them all by one class.
    """

    network: nn.Module
    optimizer: optax.GradientTransformation
    shift: int = 0
    noise: float = 0.0


@flax.struct.dataclass
class ClassifierState:
    """The step, the constant key of everything random, and the network."""

    step: Array
    key: Array
    network: Player


def init_state(classifier: Classifier, key: Array, shape: tuple[int, int, int]) -> ClassifierState:
    """The state before the first step, for images of a shape (h, w, c)."""
    key, init_key = jax.random.split(key)
    variables = classifier.network.init(init_key, jnp.zeros((2, *shape)), train=False)
    stats = {name: value for name, value in variables.items() if name != "params"}
    player = Player(variables["params"], stats, classifier.optimizer.init(variables["params"]))
    return ClassifierState(jnp.zeros((), jnp.int32), key, player)


@functools.partial(jax.jit, static_argnames="classifier", donate_argnames="state")
def train_step(classifier: Classifier, state: ClassifierState, batch: Batch) -> tuple[ClassifierState, Metrics]:
    """One update by the cross-entropy of augmented images.

    Args:
      classifier: static.
      state: donated: the caller goes on with the one returned.
      batch: ``x [b, h, w, c]`` uint8, or float32 in [-1, 1]; ``y [b]`` int32.

    Returns:
      The new state, and the batch's mean ``loss`` and ``accuracy``, ``()`` float32.
    """
    shift_key, noise_key, dropout_key = jax.random.split(jax.random.fold_in(state.key, state.step), 3)
    x = noisy(noise_key, shifted(shift_key, to_float(batch.x), classifier.shift), classifier.noise)

    def objective(params: PyTree):
        variables = {"params": params, **state.network.stats}
        (_, logits), stats = classifier.network.apply(
            variables, x, train=True, mutable=list(state.network.stats), rngs={"dropout": dropout_key}
        )
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, batch.y).mean()
        return loss, (stats, {"loss": loss, "accuracy": (logits.argmax(-1) == batch.y).mean()})

    gradients, (stats, metrics) = jax.grad(objective, has_aux=True)(state.network.params)
    updates, opt_state = classifier.optimizer.update(gradients, state.network.opt_state, state.network.params)
    player = Player(optax.apply_updates(state.network.params, updates), stats, opt_state)
    return ClassifierState(state.step + 1, state.key, player), metrics


def shifted(key: Array, x: Array, shift: int) -> Array:
    """Every image of ``x [b, h, w, c]`` in [-1, 1] moved by its own random whole numbers of pixels, at most ``shift``."""
    padded = jnp.pad(x, ((0, 0), (shift, shift), (shift, shift), (0, 0)), constant_values=-1)
    corners = jax.random.randint(key, (len(x), 2), 0, 2 * shift + 1)
    cut = lambda image, corner: jax.lax.dynamic_slice(image, (*corner, 0), x.shape[1:])
    return jax.vmap(cut)(padded, corners)


def noisy(key: Array, x: Array, noise: float) -> Array:
    """``x [b, h, w, c]`` plus uniform noise, each image's of an amplitude of its own in [0, noise], clipped to [-1, 1]."""
    amplitude_key, pixel_key = jax.random.split(key)
    amplitudes = jax.random.uniform(amplitude_key, (len(x), 1, 1, 1), maxval=noise)
    # Bytes are noise enough, and take a third of the time of floats.
    return jnp.clip(x + amplitudes * to_float(jax.random.bits(pixel_key, x.shape, jnp.uint8)), -1, 1)


def train(
    classifier: Classifier, state: ClassifierState, batches: Iterator[Batch], steps: int, title: str
) -> ClassifierState:
    """Trains on ``steps`` batches, with a progress bar where stderr is a terminal."""
    with tqdm(total=steps, desc=title, unit=" steps", leave=False, disable=None) as bar:
        for step in range(1, steps + 1):
            state, metrics = train_step(classifier, state, next(batches))
            if step % 50 == 0 or step == steps:
                bar.set_postfix(
                    {name: f"{value:.3f}" for name, value in jax.device_get(metrics).items()}, refresh=False
                )
                bar.update(step - bar.n)
    return state
