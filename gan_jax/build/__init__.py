"""Turns names into objects: the only place where a string of a `Config` becomes a network, a loss
or an optimizer.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import types
from gan_jax.build.fields import check_labels, check_numbers, class_terms
from gan_jax.build.networks import called_with, chosen, freezing, network, optimizer
from gan_jax.build.trained import Trained
from gan_jax.config import Config, Dynamics, Penalty, differences
from gan_jax.data import (
    check_flip,
    describe,
    frame_of,
    load,
)
from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan, Player, Turns, init_state
from gan_jax.engine.population import alike
from gan_jax.engine.train_step import train_step
from gan_jax.errors import (
    ConfigError,
    fits_memory,
    has_option,
    one_of,
    whole,
    within,
)
from gan_jax.grammar import Part, check_scalar
from gan_jax.modality import Domains, ImagePairs, Images, Modality
from gan_jax.parts import augment, mixing, priors
from gan_jax.parts.conditioning import CONDITIONINGS, Conditioning
from gan_jax.parts.conditions import CONDITIONS
from gan_jax.parts.dynamics import DYNAMICS
from gan_jax.parts.losses import LOSSES
from gan_jax.parts.pairs import Pairing, Read, pairing
from gan_jax.parts.pools import image_pool
from gan_jax.parts.regularizers import G_REGULARIZERS, MEASURES, REGULARIZERS
from gan_jax.types import Augment, Batch, Regularizer, Term

PRECISIONS = {"fp32": jnp.float32, "bf16": jnp.bfloat16}


@functools.cache
def build(config: Config) -> Gan:
    """The GAN that a config describes; equal configs give the same object and so share their
    compilations.

    One step is traced abstractly, so that incompatible parts are refused here, before anything is
    compiled.

    Raises:
      ConfigError: naming the field, its value and what would be accepted.
    """
    gan = assemble(config)
    trace(gan, config)
    return gan


@functools.cache
def assemble(config: Config) -> Gan:
    """The GAN of `build`, without tracing a step: for programs that trace one themselves or do not
    train.

    Raises:
      ConfigError: as `build`, but not for parts that only a step would refuse.
    """
    check_numbers(config)
    description = describe(config.dataset)
    own = frame_of(description, config.framing).modality
    numbers = math.prod(own.shape)
    fits_memory("size", f"an example of the shape {own.shape}", 4 * numbers)
    fits_memory("batch_size", f"{config.batch_size:,} examples", config.batch_size * numbers)
    check_flip(own, config.flip)
    conditioning = CONDITIONINGS[one_of("conditioning", config.conditioning, CONDITIONINGS)]
    trained = Trained(config, assemble)
    read = Read(_source(config, own), description, trained)
    pairs = pairing(config.pairs.name, read, dict(config.pairs.options))
    if conditioning.labels and pairs.condition is not None:
        raise ConfigError(
            f"conditioning {config.conditioning!r} uses labels, but pairs {config.pairs.name!r} "
            f"conditions on {pairs.condition.name}; use conditioning 'none'."
        )
    if conditioning.labels and not description.num_classes:
        raise ConfigError(
            f"conditioning {config.conditioning!r} needs labels, but {config.dataset!r} has none; "
            "use conditioning 'none'."
        )
    check_labels(config, description.num_classes)
    return _measuring(_gan(config, read, pairs, conditioning))


def _source(config: Config, own: Modality) -> Modality:
    """The kind of the examples that are read. ``own``: that of the dataset's examples.

    Raises:
      ConfigError: for a second dataset that the GAN does not use, or whose images have another
        shape.
    """
    for field, (pairs, kind) in _SECOND.items():
        if (name := getattr(config, field)) is None:
            continue
        if config.pairs.name != pairs:
            raise ConfigError(
                f"{field} {name!r} has no effect with pairs {config.pairs.name!r}; use pairs "
                f"{pairs!r}."
            )
        other = frame_of(describe(name), config.framing).modality.shape
        if other != own.shape or not isinstance(own, Images):
            raise ConfigError(
                f"{field} {name!r} has examples of the shape {list(other)}, but "
                f"{config.dataset!r} of {list(own.shape)}; both must be images of one shape: set "
                "size, channels and fit."
            )
        return kind(own.shape)
    return own


_SECOND = {"unpaired": ("domains", Domains), "paired": ("given", ImagePairs)}
"""The fields that name a second dataset, with the pairs that use it, and the kind of what is read
then.
"""


def build_members(
    configs: Sequence[Config], build: Callable[[Config], Gan] = build
) -> tuple[Gan, ...]:
    """The GANs of configs that differ only in seeds and in scalars of the training step; settings
    that do not affect the GAN are ignored. ``build``: `build` or `assemble`.

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
    config: Config, source: Modality, sharding: jax.sharding.Sharding | None = None
) -> Batch:
    """A training batch's shapes and dtypes, without data. ``source``: the kind of its examples."""
    return source.abstract_batch((config.minibatches, config.batch_size), sharding)


class _Chosen(NamedTuple):
    """What both players are made from. ``modality``: the kind of the examples that networks see.
    ``classes``: those that condition G.
    """

    config: Config
    read: Read
    pairs: Pairing
    conditioning: Conditioning
    latents: priors.Latents
    modality: Modality
    classes: int
    dtype: Any


def _gan(config: Config, read: Read, pairs: Pairing, conditioning: Conditioning) -> Gan:
    modality = pairs.example or read.modality
    num_classes = read.description.num_classes if conditioning.g_labels else 0
    dtype = PRECISIONS[one_of("precision", config.precision, PRECISIONS)]
    latents = priors.latents(config.prior.name, config.latents, dict(config.prior.options))
    own = _Chosen(config, read, pairs, conditioning, latents, modality, num_classes, dtype)
    return Gan(
        generator=_generator(own),
        discriminator=_discriminator(own),
        loss=LOSSES[one_of("loss", config.loss, LOSSES)],
        prior=latents.prior,
        modality=modality,
        num_classes=num_classes,
        conditions=_conditions(config, num_classes),
        turns=Turns(g=None if config.g_steps == 1 else config.g_steps, fresh=config.fresh_batch),
        joint=config.joint,
        micro_batches=config.micro_batches,
        dynamics=_dynamics(config.dynamics),
        augments=_augments(config, modality, pairs),
        lookahead=config.lookahead,
        lookahead_rate=config.lookahead_rate,
        frozen=pairs.frozen,
        read=None if pairs.prepare is None else read.modality,
        condition=pairs.condition,
        prepare=pairs.prepare,
    )


def _generator(own: _Chosen) -> Player:
    config, modality = own.config, own.modality
    given = dict(own.pairs.fields)
    if own.pairs.condition is None:
        given = {"num_classes": own.classes}
    return Player(
        network=network(
            "generator", config, modality, own.pairs, own.read.trained,
            dtype=own.dtype, **modality.fields, **given,
        ),
        optimizer=optimizer("g_optimizer", config.g_optimizer),
        terms=(
            *_terms("g_penalties", config.g_penalties, G_REGULARIZERS),
            *class_terms(config),
            *own.latents.terms,
        ),
        average=config.ema,
        warm_up=config.ema_warm_up,
        copied=chosen("generator", config).copied,
        numbers=called_with("generator", config),
        loss_weight=config.g_loss_weight,
        top_k=config.top_k,
    )  # fmt: skip


def _discriminator(own: _Chosen) -> Player:
    config, given = own.config, dict(own.pairs.fields) | _head(own)
    made = network(
        "discriminator", config, own.modality, own.pairs, own.read.trained, dtype=own.dtype, **given
    )
    tuned = optimizer("d_optimizer", config.d_optimizer)
    share = config.labelled_batch / config.batch_size if config.labelled_batch else 1.0
    return Player(
        network=made,
        optimizer=freezing(config, made, own.modality, own.pairs, tuned),
        terms=(
            *_terms("penalties", config.penalties, REGULARIZERS),
            *own.conditioning.d_terms(share),
            *own.latents.terms,
        ),
        average=config.d_ema,
        warm_up=config.ema_warm_up,
        copied=chosen("discriminator", config).copied,
        numbers=called_with("discriminator", config),
        clip=config.clip,
        memory=_pool(own),
        mixing=_mixing(config, own.conditioning),
    )


def _head(own: _Chosen) -> dict[str, nn.Module]:
    """The field of the discriminator with its head, if it takes one."""
    architecture = chosen("discriminator", own.config)
    if architecture.headless:
        return {}
    usual = own.conditioning.head
    head = architecture.head(own.config.conditioning, usual)(own.read.description.num_classes)
    return {"head": own.latents.head(head)}


def _pool(own: _Chosen) -> types.Memory | None:
    config, architecture = own.config, chosen("discriminator", own.config)
    if not config.pool:
        return None
    if own.conditioning.labels or not architecture.body_ignores_conditions:
        raise ConfigError(
            f"pool {config.pool} needs a discriminator that does not look at conditions, as its "
            "fakes come from earlier ones; use pool 0."
        )
    return image_pool(config.pool)


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


def trace(gan: Gan, config: Config, sharding: jax.sharding.Sharding | None = None) -> None:
    """Traces one step abstractly, on batches of the config. Compiling the same step later does not
    trace it again.

    Args:
      gan, config: what is traced.
      sharding: of arrays on the devices of the training, if it has a mesh.

    Raises:
      ConfigError: if the parts do not fit together.
    """
    batch = abstract_batch(config, gan.source, sharding)
    state = jax.eval_shape(functools.partial(init_state, gan), jax.random.key(0), batch)
    on_mesh = lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding)
    jax.eval_shape(functools.partial(train_step, gan), jax.tree.map(on_mesh, state), batch)


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


def _augments(config: Config, modality: Modality, pairs: Pairing) -> tuple[Augment, ...]:
    _check_once("augmentations", config.augmentations)
    for i, a in enumerate(config.augmentations):
        known = augment.AUGMENTS[one_of(f"augmentations.{i}", a.name, augment.AUGMENTS)]
        if isinstance(pairs.condition, Images) and Images in known.modalities:
            raise ConfigError(
                f"augmentations: {a.name} changes images but not the images that they are paired "
                f"with by pairs {config.pairs.name!r}; leave it out."
            )
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
