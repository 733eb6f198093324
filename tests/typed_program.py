"""A user's program over the public surface, with the types that it relies on. A type checker reads
it (`.ci/run`); nothing runs it.
"""

from collections.abc import Iterator
from typing import assert_type

import flax.linen as nn
import jax
import numpy as np
import optax

import gan_jax
from gan_jax import Batch, Config, Critique, Evaluation, Gan, GanState, Player
from gan_jax.parts.losses import nonsaturating
from gan_jax.parts.priors import Normal


class Generator(nn.Module):
    @nn.compact
    def __call__(self, z: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        return nn.Dense(784)(z).reshape(-1, 28, 28, 1)


class Discriminator(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        return Critique(nn.Dense(1)(x.reshape(len(x), -1))[:, 0])


def a_recipe() -> None:
    config = gan_jax.recipe("digits_dcgan")
    assert_type(config, Config)
    gan = gan_jax.build(config)
    assert_type(gan, Gan)
    data = gan_jax.batches(config)
    assert_type(data, Iterator[Batch])
    state = gan_jax.init_state(gan, jax.random.key(0), next(data))
    assert_type(state, GanState)
    state, metrics = gan_jax.train_step(gan, state, next(data))
    state, metrics = gan_jax.train_steps(gan, state, gan_jax.resident(config), 100)
    images = gan_jax.sample(gan, state, jax.random.key(1), n=100)
    print(images.shape, metrics["d/loss"], state.step)


def own_parts() -> None:
    gan = Gan(
        Player(Generator(), optax.adam(1e-3), average=10_000.0),
        Player(Discriminator(), optax.adam(1e-3)),
        nonsaturating,
        Normal(64),
        gan_jax.Images((28, 28, 1)),
    )
    trained = gan_jax.train(gan, "mnist", steps=1_000, workdir="runs/own")
    assert_type(trained.state, GanState)
    gan_jax.save(trained.state, "states/own")


def own_data(x: np.ndarray, y: np.ndarray) -> None:
    config = Config(dataset=gan_jax.dataset(x, y, name="mine"))
    trained = gan_jax.train(config, steps=1_000, workdir="runs/mine")
    found = gan_jax.evaluate(trained.gan, trained.state, config)
    assert_type(found, Evaluation)
    gan, state = gan_jax.load("runs/mine")
    print(found, gan.num_classes, state.step)
