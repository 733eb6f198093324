"""The networks and optimizers of a config's players."""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.config import Config, Network, Optimizer
from gan_jax.errors import ConfigError, either, has_option, one_of
from gan_jax.grammar import check_scalar
from gan_jax.modality import Modality
from gan_jax.models import DISCRIMINATORS, MODELS, Architecture
from gan_jax.models.options import checked, numbers_of, options_of
from gan_jax.nn.depth import layers
from gan_jax.parts import optimizers
from gan_jax.parts.pairs import Pairing
from gan_jax.types import Scalar, Tunable


def chosen(field: str, config: Config) -> Architecture:
    known = MODELS if field == "generator" else DISCRIMINATORS
    return known[one_of(f"{field}.name", getattr(config, field).name, known)]


def network(
    field: str, config: Config, modality: Modality, pairs: Pairing, trained: Any, **given: Any
) -> nn.Module:
    """The module of a player, with its options that are set. ``trained``: see
    `gan_jax.build.trained.Trained`.
    """
    network: Network = getattr(config, field)
    architecture = chosen(field, config)
    # With a condition that is no label, the head is one that ignores conditions.
    ignored = field == "discriminator" and architecture.body_ignores_conditions
    if not _takes(architecture, pairs.condition) and (pairs.condition is None or not ignored):
        known = MODELS if field == "generator" else DISCRIMINATORS
        fitting = [name for name, a in known.items() if _takes(a, pairs.condition)]
        raise ConfigError(
            f"{field}.name {network.name!r} does not take the conditions of pairs "
            f"{config.pairs.name!r}, which are {pairs.condition or 'class labels'}; use "
            f"{either(fitting)}."
        )
    if not isinstance(modality, architecture.modalities):
        kinds = " and ".join(kind.name for kind in architecture.modalities)
        fitting = [name for name, a in MODELS.items() if isinstance(modality, a.modalities)]
        raise ConfigError(
            f"{field}.name {network.name!r} is for {kinds}, but the examples of "
            f"{config.dataset!r} are {modality}; use {either(fitting)}."
        )
    module = getattr(architecture, field)
    known, numbers, options = options_of(module), numbers_of(module), {}
    for key, value in network.options:
        has_option(field, network.name, key, {**known, **numbers})
        if key in known:
            options[key] = checked(f"{field}.{key}", value, known[key].accepted)
    values = {key: option.default for key, option in known.items()} | options
    return module(**options, **given, **architecture.loaded(values, trained))


def called_with(field: str, config: Config) -> dict[str, Scalar] | None:
    """The numbers that a player's network is called with; None without any."""
    given = dict(getattr(config, field).options)
    known = numbers_of(getattr(chosen(field, config), field))
    for key in known.keys() & given.keys():
        check_scalar(f"{field}.{key}", given[key], known[key].accepted)
    return {key: given.get(key, number.default) for key, number in known.items()} or None


def _takes(architecture: Architecture, condition: Modality | None) -> bool:
    """Whether the players of an architecture take such conditions."""
    return any(
        condition is None if kind is None else isinstance(condition, kind)
        for kind in architecture.conditions
    )


def optimizer(field: str, optimizer: Optimizer) -> Tunable:
    options = dict(optimizer.options)
    numbers = {"learning_rate": options.pop("lr"), **options}
    return optimizers.tunable(field, optimizer.name, numbers)


def freezing(
    config: Config, network: nn.Module, modality: Modality, pairs: Pairing, optimizer: Tunable
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
    y, kind = jax.ShapeDtypeStruct((2,), jnp.int32), pairs.condition
    if kind is not None:
        stored = jax.ShapeDtypeStruct((2, *kind.shape), kind.stored)
        y = jax.eval_shape(kind.to_network, stored)
    found = layers(network, x, y)
    if config.freeze_d >= len(found):
        raise ConfigError(
            f"freeze_d must be from 0 to {len(found) - 1}, not {config.freeze_d}: D has "
            f"{len(found)} layers, and at least one must be trained."
        )
    names = tuple(name for layer in found[: config.freeze_d] for name in layer)
    return dataclasses.replace(optimizer, make=optimizers.Freezing(optimizer.make, names))
