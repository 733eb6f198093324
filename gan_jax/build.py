"""Turns names into objects: the only place where a string of a `Config` becomes a network, a loss
or an optimizer.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import types
from gan_jax.config import Config, Dynamics, Network, Optimizer, Penalty, differences
from gan_jax.data import (
    Description,
    check_flip,
    describe,
    example_dtype,
    frame_of,
    load,
)
from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan, Player, Turns, init_state
from gan_jax.engine.population import alike
from gan_jax.engine.train_step import train_step
from gan_jax.errors import (
    ConfigError,
    at_least,
    either,
    fits_memory,
    has_option,
    is_seed,
    one_of,
    whole,
    within,
)
from gan_jax.grammar import Part, check_scalar
from gan_jax.modality import Modality, of_shape
from gan_jax.models import DISCRIMINATORS, MODELS, Architecture
from gan_jax.models.options import checked, options_of
from gan_jax.nn.depth import layers
from gan_jax.parts import augment, mixing, optimizers, priors
from gan_jax.parts.conditioning import CONDITIONINGS, Conditioning
from gan_jax.parts.conditions import CONDITIONS
from gan_jax.parts.dynamics import DYNAMICS
from gan_jax.parts.losses import LOSSES
from gan_jax.parts.regularizers import G_REGULARIZERS, MEASURES, REGULARIZERS
from gan_jax.recognizers.pretrained import pretrained
from gan_jax.types import Augment, Batch, Regularizer, Term, Tunable

PRECISIONS = {"fp32": jnp.float32, "bf16": jnp.bfloat16}
_LEAST = dict.fromkeys(
    ("latents", "d_steps", "batch_size", "micro_batches", "steps", "log_every", "sample_every",
     "checkpoint_every", "keep"), 1,
) | dict.fromkeys(
    ("lookahead", "freeze_d", "diagnose_every", "diagnose_modes", "eval_every"), 0,
)  # fmt: skip
"""The smallest value of each field that is a count."""
_INTERVALS = {
    "ema": "[0, inf)",
    "d_ema": "[0, inf)",
    "g_loss_weight": "[0, inf)",
    "ema_warm_up": "(0, inf)",
    "g_steps": "[1, inf)",
    "clip": "(0, inf)",
    "top_k": "(0, 1]",
    "lookahead_rate": "[0, 1]",
}
"""The interval of each field that is a `Scalar` of the training step."""


@functools.cache
def build(config: Config) -> Gan:
    """The GAN that a config describes; equal configs give the same object and so share their
    compilations.

    One step is traced abstractly, so that incompatible parts are refused here, before anything is
    compiled.

    Raises:
      ConfigError: naming the field, its value and what would be accepted.
    """
    _check_numbers(config)
    description = describe(config.dataset)
    shape = frame_of(description, config.framing).shape
    numbers = math.prod(shape)
    fits_memory("size", f"an example of the shape {shape}", 4 * numbers)
    fits_memory("batch_size", f"{config.batch_size:,} examples", config.batch_size * numbers)
    check_flip(shape, config.flip)
    conditioning = CONDITIONINGS[one_of("conditioning", config.conditioning, CONDITIONINGS)]
    if conditioning.labels and not description.num_classes:
        raise ConfigError(
            f"conditioning {config.conditioning!r} needs labels, but {config.dataset!r} has none; "
            "use conditioning 'none'."
        )
    _check_labels(config, description.num_classes)
    gan = _measuring(_gan(config, description, shape, conditioning))
    trace(gan, config)
    return gan


def build_members(configs: Sequence[Config]) -> tuple[Gan, ...]:
    """The GANs of configs that differ only in seeds and in scalars of the training step; settings
    that do not affect the GAN are ignored.

    Raises:
      ConfigError: if there is no config, or if one differs from the first in another field, naming
        the field.
    """
    if not configs:
        raise ConfigError("members: there are no configs; pass at least one.")
    gans = tuple(build(config) for config in configs)
    for config, gan in zip(configs, gans, strict=True):
        if not alike(gan, gans[0]):
            fields = ", ".join(differences(configs[0], config))
            raise ConfigError(
                f"members differ in {fields}; they may differ only in seeds and in numbers of the "
                "training step that are set in all of them."
            )
    return gans


def abstract_batch(
    config: Config, shape: tuple[int, ...], sharding: jax.sharding.Sharding | None = None
) -> Batch:
    """A training batch's shapes and dtypes, without data."""
    lead = (config.minibatches, config.batch_size)
    return Batch(
        jax.ShapeDtypeStruct((*lead, *shape), example_dtype(shape), sharding=sharding),
        jax.ShapeDtypeStruct(lead, jnp.int32, sharding=sharding),
    )


def _gan(
    config: Config, description: Description, shape: tuple[int, ...], conditioning: Conditioning
) -> Gan:
    num_classes = description.num_classes if conditioning.g_labels else 0
    dtype = PRECISIONS[one_of("precision", config.precision, PRECISIONS)]
    modality = of_shape(shape)
    share = config.labelled_batch / config.batch_size if config.labels else 1.0
    g_network = _network(
        "generator", config, modality,
        shape=shape, num_classes=num_classes, bounded=modality.bounded, dtype=dtype,
    )  # fmt: skip
    latents = priors.latents(config.prior.name, config.latents, dict(config.prior.options))
    architecture = _architecture("discriminator", config)
    head = architecture.head(config.conditioning, conditioning.head)(description.num_classes)
    d_network = _network("discriminator", config, modality, head=latents.head(head), dtype=dtype)
    return Gan(
        generator=Player(
            network=g_network,
            optimizer=_optimizer("g_optimizer", config.g_optimizer),
            terms=(
                *_terms("g_penalties", config.g_penalties, G_REGULARIZERS),
                *conditioning.g_terms,
                *latents.terms,
            ),
            average=config.ema,
            warm_up=config.ema_warm_up,
            copied=_architecture("generator", config).copied,
            loss_weight=config.g_loss_weight,
            top_k=config.top_k,
        ),
        discriminator=Player(
            network=d_network,
            optimizer=_freezing(
                config, d_network, modality, _optimizer("d_optimizer", config.d_optimizer)
            ),
            terms=(
                *_terms("penalties", config.penalties, REGULARIZERS),
                *conditioning.d_terms(share),
                *latents.terms,
            ),
            average=config.d_ema,
            warm_up=config.ema_warm_up,
            copied=architecture.copied,
            clip=config.clip,
            mixing=_mixing(config, conditioning),
        ),
        loss=LOSSES[one_of("loss", config.loss, LOSSES)],
        prior=latents.prior,
        modality=modality,
        num_classes=num_classes,
        conditions=_conditions(config, num_classes),
        turns=Turns(g=None if config.g_steps == 1 else config.g_steps, fresh=config.fresh_batch),
        joint=config.joint,
        micro_batches=config.micro_batches,
        dynamics=_dynamics(config.dynamics),
        augments=_augments(config, modality),
        lookahead=config.lookahead,
        lookahead_rate=config.lookahead_rate,
    )


def _mixing(config: Config, conditioning: Conditioning) -> types.Mixing | None:
    images = config.d_steps * config.batch_size
    made = mixing.mixing(config.mixing.name, images, dict(config.mixing.options))
    if made is not None and conditioning.few:
        raise ConfigError(
            f"mixing {made.name!r} conflicts with conditioning {config.conditioning!r}, in which D "
            "learns the labels of real examples and fakes have none; use mixing none."
        )
    return made


def _conditions(config: Config, num_classes: int) -> Callable[[jax.Array, Any], Any]:
    make = CONDITIONS[one_of("fake_labels", config.fake_labels, CONDITIONS)]
    if config.fake_labels != "batch" and not num_classes:
        raise ConfigError(
            f"fake_labels {config.fake_labels!r} needs a generator that sees labels, but with "
            f"conditioning {config.conditioning!r} it sees none; use fake_labels 'batch'."
        )

    def counts() -> tuple[int, ...]:
        labels = load(config.dataset, config.split, config.framing).labels
        return tuple(np.bincount(labels, minlength=num_classes).tolist())

    return make(num_classes, counts)


def trace(gan: Gan, config: Config) -> None:
    """Traces one step abstractly, on batches of the config.

    Raises:
      ConfigError: if the parts do not fit together.
    """
    batch = abstract_batch(config, gan.modality.shape)
    state = jax.eval_shape(functools.partial(init_state, gan), jax.random.key(0), batch)
    jax.eval_shape(functools.partial(train_step, gan), state, batch)


def _architecture(field: str, config: Config) -> Architecture:
    known = MODELS if field == "generator" else DISCRIMINATORS
    return known[one_of(f"{field}.name", getattr(config, field).name, known)]


def _network(field: str, config: Config, modality: Modality, **given: Any) -> nn.Module:
    """The module of a player, with its options that are set."""
    network: Network = getattr(config, field)
    architecture = _architecture(field, config)
    if not isinstance(modality, architecture.modalities):
        kinds = " and ".join(kind.name for kind in architecture.modalities)
        fitting = [name for name, a in MODELS.items() if isinstance(modality, a.modalities)]
        raise ConfigError(
            f"{field}.name {network.name!r} is for {kinds}, but the examples of "
            f"{config.dataset!r} are {modality}; use {either(fitting)}."
        )
    module = getattr(architecture, field)
    known, options = options_of(module), {}
    for key, value in network.options:
        has_option(field, network.name, key, known)
        options[key] = checked(f"{field}.{key}", value, known[key].accepted)
    values = {key: option.default for key, option in known.items()} | options
    classifier = functools.partial(pretrained, config.dataset, config.framing)
    return module(**options, **given, **architecture.loaded(values, classifier))


def _optimizer(field: str, optimizer: Optimizer) -> Tunable:
    options = dict(optimizer.options)
    numbers = {"learning_rate": options.pop("lr"), **options}
    return optimizers.tunable(field, optimizer.name, numbers)


def _freezing(
    config: Config, network: nn.Module, modality: Modality, optimizer: Tunable
) -> Tunable:
    """D's optimizer, which leaves out the layers frozen by ``freeze_d``."""
    if not config.freeze_d:
        return optimizer
    if config.clip is not None:
        raise ConfigError(
            f"freeze_d {config.freeze_d} conflicts with clip, which changes the weights of all "
            "layers; use one of them."
        )
    x = jax.ShapeDtypeStruct((2, *modality.shape), jnp.float32)
    found = layers(network, x, jax.ShapeDtypeStruct((2,), jnp.int32))
    if config.freeze_d >= len(found):
        raise ConfigError(
            f"freeze_d must be from 0 to {len(found) - 1}, not {config.freeze_d}: D has "
            f"{len(found)} layers, and at least one must be trained."
        )
    names = tuple(name for layer in found[: config.freeze_d] for name in layer)
    return dataclasses.replace(optimizer, make=optimizers.Freezing(optimizer.make, names))


def _terms(
    field: str, penalties: tuple[Penalty, ...], known: dict[str, Callable[..., Regularizer]]
) -> tuple[Term, ...]:
    _check_once(field, penalties)
    return tuple(_term(f"{field}.{i}", penalty, known) for i, penalty in enumerate(penalties))


def _term(field: str, penalty: Penalty, known: dict[str, Callable[..., Regularizer]]) -> Term:
    make = known[one_of(field, penalty.name, known)]
    numbers = dict(penalty.options)
    weight, every = numbers.pop("weight"), numbers.pop("every")
    check_scalar(f"{field}.weight", weight, "[0, inf)")
    whole(f"{field}.every", every, 1)
    for key, value in numbers.items():
        has_option(field, penalty.name, key, ["weight", "every", *keywords(make)])
        within(f"{field}.{key}", value, "(-inf, inf)")
    return Term(penalty.name, make(**numbers), weight, every)


def _augments(config: Config, modality: Modality) -> tuple[Augment, ...]:
    _check_once("augmentations", config.augmentations)
    images = config.d_steps * config.batch_size
    return tuple(
        augment.augment(f"augmentations.{i}", a.name, modality, images, dict(a.options))
        for i, a in enumerate(config.augmentations)
    )


def _measuring(gan: Gan) -> Gan:
    """The GAN with those measures of D that its feedbacks follow."""
    d, metrics = gan.discriminator, scalars.followed(gan)
    own = {term.name for term in d.terms}
    terms = tuple(
        Term(name, make(), 0.0)
        for name, make in MEASURES.items()
        if f"d/{name}" in metrics and name not in own
    )
    return dataclasses.replace(gan, discriminator=dataclasses.replace(d, terms=d.terms + terms))


def _dynamics(dynamics: Dynamics) -> types.Dynamics | None:
    make = DYNAMICS[one_of("dynamics.name", dynamics.name, DYNAMICS)]
    for key, value in dynamics.options:
        has_option("dynamics", dynamics.name, key, keywords(make))
        check_scalar(f"dynamics.{key}", value, "[0, inf)")
    return make(**dict(dynamics.options))


def keywords(make: Callable) -> dict[str, Any]:
    """The options of a part, given the function that makes it, with their defaults."""
    return {name: p.default for name, p in inspect.signature(make).parameters.items()}


def _check_once(field: str, parts: tuple[Part, ...]) -> None:
    names = [part.name for part in parts]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"{field}: {', '.join(names)} contains a duplicate; use each name at most once."
        )


def _check_numbers(config: Config) -> None:
    for field, least in _LEAST.items():
        at_least(field, getattr(config, field), least)
    is_seed("seed", config.seed)
    for field, interval in _INTERVALS.items():
        if getattr(config, field) is not None:
            check_scalar(field, getattr(config, field), interval)


def _check_labels(config: Config, num_classes: int) -> None:
    """Refuses the label options where the conditioning ignores them, and impossible numbers of
    labels.
    """
    if not config.labels and not config.labelled_batch and not config.label_seed:
        return
    known = [name for name, conditioning in CONDITIONINGS.items() if conditioning.few]
    if config.conditioning not in known:
        raise ConfigError(
            f"labels, label_seed and labelled_batch have no effect with conditioning "
            f"{config.conditioning!r}; leave them at 0 or use conditioning {either(known)}."
        )
    if config.labels < 1 or config.labels % num_classes:
        raise ConfigError(
            f"labels must be a positive multiple of the {num_classes} classes, not {config.labels}."
        )
    if not 1 <= config.labelled_batch < config.batch_size:
        raise ConfigError(
            f"labelled_batch must be from 1 to {config.batch_size - 1} (batch_size - 1), not "
            f"{config.labelled_batch}."
        )
    is_seed("label_seed", config.label_seed)
