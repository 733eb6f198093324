"""Generative adversarial networks in JAX: build one, train it step by step, sample from it.

>>> config = gan_jax.recipe("digits_dcgan")
>>> gan = gan_jax.build(config)
>>> data = gan_jax.batches(config)
>>> state = gan_jax.init_state(gan, jax.random.key(0), next(data))
>>> state, metrics = gan_jax.train_step(gan, state, next(data))
>>> images = gan_jax.sample(gan, state, jax.random.key(1), n=100)
"""

from gan_jax.build import build
from gan_jax.config import Augmentation, Config, Network, Optimizer, Penalty, Schedule
from gan_jax.data import batches, describe, resident
from gan_jax.engine.gan import Gan, init_state
from gan_jax.engine.population import (
    build_members,
    init_population,
    member,
    train_population,
    with_seeds,
)
from gan_jax.engine.train_step import generate, sample, train_step, train_steps
from gan_jax.errors import ConfigError
from gan_jax.evaluation.judge import Evaluation, evaluate
from gan_jax.recipes import recipe
from gan_jax.runs.folder import load
from gan_jax.sweeps import Population
from gan_jax.types import (
    Augment,
    Batch,
    Critique,
    DContext,
    GanState,
    GContext,
    Loss,
    Regularizer,
    Term,
    Tunable,
)

__version__ = "0.1.0"

__all__ = [
    "Augment", "Augmentation", "Batch", "Config", "ConfigError", "Critique", "DContext", "Evaluation", "GContext", "Gan", "GanState",
    "Loss", "Network", "Optimizer", "Penalty", "Population", "Regularizer", "Schedule", "Term", "Tunable", "batches", "build",
    "build_members", "describe", "evaluate", "generate", "init_population", "init_state", "load", "member", "recipe", "resident", "sample",
    "train_population", "train_step", "train_steps", "with_seeds",
]  # fmt: skip
