"""From names to objects: the only place where a string of a `Config` becomes a network, a loss or an optimizer."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax.config import Config, ConfigError, Network, Optimizer, Penalty, one_of
from gan_jax.data import describe, padded_shape
from gan_jax.gan import Gan, init_state
from gan_jax.losses import LOSSES
from gan_jax.models import MODELS
from gan_jax.nn.conditioning import CONDITIONINGS
from gan_jax.nn.norms import NORMS
from gan_jax.regularizers import REGULARIZERS
from gan_jax.train_step import train_step
from gan_jax.types import Batch, Term

PRECISIONS = {"fp32": jnp.float32, "bf16": jnp.bfloat16}
_POSITIVE = (
    "latents",
    "d_steps",
    "batch_size",
    "micro_batches",
    "steps",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "keep",
)


@functools.cache
def build(config: Config) -> Gan:
    """The GAN that a config describes; equal configs give the same object, hence share their compilations.

    One step is traced abstractly, so that what does not fit together is refused here, before anything is compiled.

    Raises:
      ConfigError: in one sentence, naming the field, its value and what would be accepted.
    """
    _check_numbers(config)
    description = describe(config.dataset)
    shape = padded_shape(description.shape, config.size)
    one_of("conditioning", config.conditioning, CONDITIONINGS)
    conditioning = CONDITIONINGS[config.conditioning]
    if conditioning.labels and not description.num_classes:
        raise ConfigError(
            f"conditioning: {config.conditioning!r} needs labels, and {config.dataset!r} has none; accepted: none."
        )
    num_classes = description.num_classes if conditioning.labels else 0
    generator, discriminator = (
        MODELS[one_of(f"{field}.name", getattr(config, field).name, MODELS)] for field in ("generator", "discriminator")
    )
    dtype = PRECISIONS[one_of("precision", config.precision, PRECISIONS)]
    gan = Gan(
        generator=_network(
            "generator", config.generator, generator.generator, shape=shape, num_classes=num_classes, dtype=dtype
        ),
        discriminator=_network(
            "discriminator",
            config.discriminator,
            discriminator.discriminator,
            head=conditioning.head(num_classes),
            dtype=dtype,
        ),
        loss=LOSSES[one_of("loss", config.loss, LOSSES)],
        g_optimizer=_adam("g_optimizer", config.g_optimizer),
        d_optimizer=_adam("d_optimizer", config.d_optimizer),
        shape=shape,
        latents=config.latents,
        num_classes=num_classes,
        d_terms=tuple(_term(i, p) for i, p in enumerate(config.penalties)) + conditioning.d_terms,
        g_terms=conditioning.g_terms,
        joint=config.joint,
        ema=config.ema,
        micro_batches=config.micro_batches,
    )
    _trace(gan, config)
    return gan


def abstract_batch(config: Config, shape: tuple[int, ...], sharding: jax.sharding.Sharding | None = None) -> Batch:
    """A training batch's shapes and dtypes, without data."""
    lead = (config.d_steps, config.batch_size)
    return Batch(
        jax.ShapeDtypeStruct((*lead, *shape), jnp.uint8, sharding=sharding),
        jax.ShapeDtypeStruct(lead, jnp.int32, sharding=sharding),
    )


def _trace(gan: Gan, config: Config) -> None:
    batch = abstract_batch(config, gan.shape)
    state = jax.eval_shape(functools.partial(init_state, gan), jax.random.key(0), batch)
    jax.eval_shape(functools.partial(train_step, gan), state, batch)


def _network(field: str, network: Network, module: type[nn.Module], **given: Any) -> nn.Module:
    """The module with those fields of ``network`` that are set; a field it does not have is refused."""
    known = {f.name for f in dataclasses.fields(module)}
    options = {k: v for k, v in dataclasses.asdict(network).items() if k != "name" and v is not None}
    for name, value in options.items():
        if name not in known:
            accepted = sorted(known & {f.name for f in dataclasses.fields(Network)} - {"name"})
            raise ConfigError(f"{field}.{name}: {network.name} has no such field; accepted: {', '.join(accepted)}.")
        if type(value) is int:
            _at_least(f"{field}.{name}", value, 1)
    if "norm" in options:
        options["norm"] = NORMS[one_of(f"{field}.norm", options["norm"], NORMS)]
    return module(**options, **given)


def _adam(field: str, optimizer: Optimizer) -> optax.GradientTransformation:
    for name in ("lr", "eps"):
        if not 0 < getattr(optimizer, name) < math.inf:
            raise ConfigError(f"{field}.{name}: {getattr(optimizer, name)} is not a number above 0.")
    for name in ("b1", "b2"):
        if not 0 <= getattr(optimizer, name) < 1:
            raise ConfigError(f"{field}.{name}: {getattr(optimizer, name)} is not in [0, 1).")
    return optax.adam(optimizer.lr, b1=optimizer.b1, b2=optimizer.b2, eps=optimizer.eps)


def _term(i: int, penalty: Penalty) -> Term:
    one_of(f"penalties.{i}", penalty.name, REGULARIZERS)
    if not 0 < penalty.weight < math.inf:
        raise ConfigError(f"penalties.{i}.weight: {penalty.weight} is not a number above 0.")
    _at_least(f"penalties.{i}.every", penalty.every, 1)
    return Term(penalty.name, REGULARIZERS[penalty.name](), penalty.weight, penalty.every)


def _check_numbers(config: Config) -> None:
    for field in _POSITIVE:
        _at_least(field, getattr(config, field), 1)
    if not 0 <= config.seed < 2**32:
        raise ConfigError(f"seed: {config.seed} is not a number of 32 bits; accepted: 0 to {2**32 - 1}.")
    if not 0 <= config.ema < math.inf:
        raise ConfigError(f"ema: {config.ema} is not a half-life in images; accepted: 0 (no average) or more.")
    names = [p.name for p in config.penalties]
    if len(set(names)) < len(names):
        raise ConfigError(f"penalties: {', '.join(names)} names one twice; accepted: each at most once.")


def _at_least(field: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"{field}: {value} is too small; accepted: {least} or more.")
