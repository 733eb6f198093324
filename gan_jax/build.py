"""From names to objects: the only place where a string of a `Config` becomes a network, a loss or
an optimizer.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax import types
from gan_jax.config import Augmentation, Config, Dynamics, Network, Optimizer, Penalty
from gan_jax.data import check_flip, describe, example_dtype, padded_shape
from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan, init_state
from gan_jax.engine.train_step import train_step
from gan_jax.errors import ConfigError, one_of
from gan_jax.models import MODELS
from gan_jax.nn.norms import NORMS
from gan_jax.parts.augment import AUGMENTS, STRENGTHS
from gan_jax.parts.conditioning import CONDITIONINGS
from gan_jax.parts.dynamics import DYNAMICS
from gan_jax.parts.losses import LOSSES
from gan_jax.parts.optimizers import tunable
from gan_jax.parts.regularizers import G_REGULARIZERS, REGULARIZERS
from gan_jax.types import Augment, Batch, Regularizer, Scalar, Term, Tunable

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
    """The GAN that a config describes; equal configs give the same object, hence share their
    compilations.

    One step is traced abstractly, so that what does not fit together is refused here, before
    anything is compiled.

    Raises:
      ConfigError: in one sentence, naming the field, its value and what would be accepted.
    """
    _check_numbers(config)
    description = describe(config.dataset)
    shape = padded_shape(description.shape, config.size)
    check_flip(shape, config.flip)
    one_of("conditioning", config.conditioning, CONDITIONINGS)
    conditioning = CONDITIONINGS[config.conditioning]
    if conditioning.labels and not description.num_classes:
        raise ConfigError(
            f"conditioning: {config.conditioning!r} needs labels, and {config.dataset!r} has none; accepted: none."
        )
    _check_labels(config, description.num_classes)
    num_classes = description.num_classes if conditioning.g_labels else 0
    generator, discriminator = (
        MODELS[one_of(f"{field}.name", getattr(config, field).name, MODELS)]
        for field in ("generator", "discriminator")
    )
    dtype = PRECISIONS[one_of("precision", config.precision, PRECISIONS)]
    gan = Gan(
        generator=_network(
            "generator",
            config.generator,
            generator.generator,
            shape=shape,
            num_classes=num_classes,
            dtype=dtype,
        ),
        discriminator=_network(
            "discriminator",
            config.discriminator,
            discriminator.discriminator,
            head=conditioning.head(description.num_classes),
            dtype=dtype,
        ),
        loss=LOSSES[one_of("loss", config.loss, LOSSES)],
        g_optimizer=_optimizer("g_optimizer", config.g_optimizer),
        d_optimizer=_optimizer("d_optimizer", config.d_optimizer),
        shape=shape,
        latents=config.latents,
        num_classes=num_classes,
        d_terms=_terms("penalties", config.penalties, REGULARIZERS)
        + conditioning.d_terms(config.labelled_batch / config.batch_size if config.labels else 1.0),
        g_terms=_terms("g_penalties", config.g_penalties, G_REGULARIZERS) + conditioning.g_terms,
        joint=config.joint,
        ema=config.ema,
        micro_batches=config.micro_batches,
        dynamics=_dynamics(config.dynamics),
        augments=_augments(config.augmentations),
        clip=config.clip,
        top_k=config.top_k,
        lookahead=config.lookahead,
        lookahead_rate=config.lookahead_rate,
        d_ema=config.d_ema,
        g_loss_weight=config.g_loss_weight,
    )
    _trace(gan, config)
    return gan


def abstract_batch(
    config: Config, shape: tuple[int, ...], sharding: jax.sharding.Sharding | None = None
) -> Batch:
    """A training batch's shapes and dtypes, without data."""
    lead = (config.d_steps, config.batch_size)
    return Batch(
        jax.ShapeDtypeStruct((*lead, *shape), example_dtype(shape), sharding=sharding),
        jax.ShapeDtypeStruct(lead, jnp.int32, sharding=sharding),
    )


def _trace(gan: Gan, config: Config) -> None:
    batch = abstract_batch(config, gan.shape)
    state = jax.eval_shape(functools.partial(init_state, gan), jax.random.key(0), batch)
    jax.eval_shape(functools.partial(train_step, gan), state, batch)


def _network(field: str, network: Network, module: type[nn.Module], **given: Any) -> nn.Module:
    """The module with those fields of ``network`` that are set; a field it does not have is
    refused.
    """
    known = {f.name for f in dataclasses.fields(module)}
    options = {
        k: v for k, v in dataclasses.asdict(network).items() if k != "name" and v is not None
    }
    for name, value in options.items():
        if name not in known:
            accepted = sorted(known & {f.name for f in dataclasses.fields(Network)} - {"name"})
            raise ConfigError(
                f"{field}.{name}: {network.name} has no such field; accepted: {', '.join(accepted)}."
            )
        if type(value) is int:
            _at_least(f"{field}.{name}", value, 1)
        if type(value) is float:
            _scalar(f"{field}.{name}", value, "[0, 1)" if name == "dropout" else "[0, inf)")
    if "norm" in options:
        options["norm"] = NORMS[one_of(f"{field}.norm", options["norm"], NORMS)]
    return module(**options, **given)


def _optimizer(field: str, optimizer: Optimizer) -> Tunable:
    intervals = {
        "lr": "(0, inf)",
        "eps": "(0, inf)",
        "momentum": "(-1, 1)",
        "weight_decay": "[0, inf)",
    }
    numbers = {
        f.name: getattr(optimizer, f.name)
        for f in dataclasses.fields(optimizer)
        if f.name != "name"
    }
    numbers = {name: value for name, value in numbers.items() if value is not None}
    for name, value in numbers.items():
        _scalar(f"{field}.{name}", value, intervals.get(name, "[0, 1)"))
    return tunable(
        field, optimizer.name, {"learning_rate" if k == "lr" else k: v for k, v in numbers.items()}
    )


def _terms(
    field: str, penalties: tuple[Penalty, ...], known: dict[str, Callable[..., Regularizer]]
) -> tuple[Term, ...]:
    names = [p.name for p in penalties]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"{field}: {', '.join(names)} names one twice; accepted: each at most once."
        )
    return tuple(_term(f"{field}.{i}", penalty, known) for i, penalty in enumerate(penalties))


def _term(field: str, penalty: Penalty, known: dict[str, Callable[..., Regularizer]]) -> Term:
    make = known[one_of(field, penalty.name, known)]
    _scalar(f"{field}.weight", penalty.weight, "[0, inf)")
    _at_least(f"{field}.every", penalty.every, 1)
    accepted = [p for p in inspect.signature(make).parameters if p != "context"]
    for number, value in penalty.numbers:
        if number not in accepted or not math.isfinite(value):
            raise ConfigError(
                f"{field}: {penalty.name} has no number {number}={value}; accepted: {', '.join(accepted) or 'none'}."
            )
    return Term(penalty.name, make(**dict(penalty.numbers)), penalty.weight, penalty.every)


def _augments(augmentations: tuple[Augmentation, ...]) -> tuple[Augment, ...]:
    names = [a.name for a in augmentations]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"augmentations: {', '.join(names)} names one twice; accepted: each at most once."
        )
    for i, augmentation in enumerate(augmentations):
        one_of(f"augmentations.{i}", augmentation.name, AUGMENTS)
        _scalar(f"augmentations.{i}.strength", augmentation.strength, STRENGTHS[augmentation.name])
    return tuple(Augment(a.name, AUGMENTS[a.name], a.strength) for a in augmentations)


def _dynamics(dynamics: Dynamics) -> types.Dynamics | None:
    make = DYNAMICS[one_of("dynamics.name", dynamics.name, DYNAMICS)]
    if dynamics.weight is None:
        return make()
    if "weight" not in inspect.signature(make).parameters:
        raise ConfigError(f"dynamics.weight: {dynamics.name} has no weight; accepted: None.")
    _scalar("dynamics.weight", dynamics.weight, "[0, inf)")
    return make(weight=dynamics.weight)


def _scalar(field: str, value: Scalar, interval: str) -> None:
    low, high = (float(bound) for bound in interval[1:-1].split(","))
    scalars.check(field, value, low, high, interval)


def _check_numbers(config: Config) -> None:
    for field in _POSITIVE:
        _at_least(field, getattr(config, field), 1)
    if not 0 <= config.seed < 2**32:
        raise ConfigError(
            f"seed: {config.seed} is not a number of 32 bits; accepted: 0 to {2**32 - 1}."
        )
    for field in ("ema", "d_ema"):
        _scalar(field, getattr(config, field), "[0, inf)")
    if config.g_loss_weight is not None:
        _scalar("g_loss_weight", config.g_loss_weight, "[0, inf)")
    if config.clip is not None:
        _scalar("clip", config.clip, "(0, inf)")
    if config.top_k is not None:
        _scalar("top_k", config.top_k, "(0, 1]")
    for field in ("lookahead", "diagnose_every", "diagnose_modes", "eval_every"):
        _at_least(field, getattr(config, field), 0)
    _scalar("lookahead_rate", config.lookahead_rate, "[0, 1]")


def _check_labels(config: Config, num_classes: int) -> None:
    """Refuses few labels where all are needed or none is looked at, and numbers of them that cannot
    be had.
    """
    if not config.labels and not config.labelled_batch and not config.label_seed:
        return
    known = [name for name, conditioning in CONDITIONINGS.items() if conditioning.few]
    if config.conditioning not in known:
        raise ConfigError(
            f"labels: conditioning {config.conditioning!r} does not learn from a part of the labels; "
            f"accepted: 0, or the conditioning {' or '.join(known)}."
        )
    if config.labels < 1 or config.labels % num_classes:
        raise ConfigError(
            f"labels: {config.labels} are not as many of each of {num_classes} classes; accepted: multiples of {num_classes}."
        )
    if not 1 <= config.labelled_batch < config.batch_size:
        raise ConfigError(
            f"labelled_batch: {config.labelled_batch} of the {config.batch_size} examples of a batch; "
            f"accepted: 1 to {config.batch_size - 1}, where labels is not 0."
        )
    if not 0 <= config.label_seed < 2**32:
        raise ConfigError(
            f"label_seed: {config.label_seed} is not a number of 32 bits; accepted: 0 to {2**32 - 1}."
        )


def _at_least(field: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"{field}: {value} is too small; accepted: {least} or more.")
