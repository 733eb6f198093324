"""R3GAN (Huang et al. 2024, "The GAN is dead; long live the GAN!"): residual blocks with grouped
convolutions and no normalization, in both players alike.

It is made for the loss ``relativistic`` with ``r1`` and ``r2`` at each update.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError
from gan_jax.models.options import option
from gan_jax.models.sides import dtype_at, halvings, widths
from gan_jax.nn.conv import Conv
from gan_jax.nn.resample import doubled, halved
from gan_jax.types import Critique

_WIDTH = "Channels next to the image, twice as many at every smaller side."
_WIDEST = "Most channels of a resolution; the paper's networks have 768, or 1,536 for ImageNet."
_BASE = "Smallest side of the feature maps."
_BLOCKS = "Residual blocks of each resolution; the paper's networks have 2."
_GROUP = "Channels in a group of the 3x3 convolutions."
_EMBEDDING = "Length of the embedding of a label."


EXPANSION = 2
"""Channels inside of a block, as a multiple of those between blocks."""


def _init(gain: float = 1.0) -> nn.initializers.Initializer:
    """From N(0, gain^2 / fan_in)."""
    return nn.initializers.variance_scaling(gain**2, "fan_in", "normal")


class Stage(NamedTuple):
    """The blocks of one resolution: their channels, the groups of their 3x3 convolutions, and how
    many they are.
    """

    width: int
    groups: int
    blocks: int


def stages_of(n: int, width: int, widest: int, group: int, blocks: int) -> tuple[Stage, ...]:
    """The stages of ``n + 1`` resolutions, the smallest sides first.

    Raises:
      ConfigError: for channels that are not divisible into the groups.
    """
    stages = []
    for features in widths(n, width, widest):
        inner = EXPANSION * features
        if inner > group and inner % group:
            raise ConfigError(
                f"group must divide the {inner} channels of a 3x3 convolution, which {group} does "
                "not."
            )
        stages.append(Stage(features, max(1, inner // group), blocks))
    return tuple(stages)


class ResidualBlock(nn.Module):
    """``x`` plus 1x1, leaky ReLU, grouped 3x3, leaky ReLU, 1x1, with twice as many channels inside.

    Attributes:
      stage: where it stands.
      total: blocks of the network, by which its first weights are scaled; the last ones are zero,
        so that a block begins as the identity (Zhang et al. 2019, "Fixup initialization").
    """

    stage: Stage
    total: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        inner = EXPANSION * self.stage.width
        init = _init(math.sqrt(2 / (1 + 0.2**2)) * self.total**-0.25)
        h = Conv(inner, (1, 1), kernel_init=init, dtype=self.dtype, name="conv1")(x)
        h = Conv(
            inner,
            (3, 3),
            feature_group_count=self.stage.groups,
            kernel_init=init,
            dtype=self.dtype,
            name="conv2",
        )(nn.leaky_relu(h, 0.2))
        zeros = nn.initializers.zeros
        last = Conv(
            self.stage.width,
            (1, 1),
            use_bias=False,
            kernel_init=zeros,
            dtype=self.dtype,
            name="conv3",
        )
        return x + last(nn.leaky_relu(h, 0.2))


class Generator(nn.Module):
    """Latents and the label's embedding -> dense -> a learned map of the smallest sides, scaled
    channel by channel -> blocks, and at every further resolution 1x1, up-sampling and blocks -> 1x1
    without tanh, bounded or not.

    Attributes:
      stages: the stages, smallest sides first, where the options do not describe them; as many as
        resolutions.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = option(32, 1, _WIDTH)
    widest: int = option(128, 1, _WIDEST)
    base: int = option(4, 1, _BASE)
    blocks: int = option(2, 1, _BLOCKS)
    group: int = option(16, 1, _GROUP)
    embedding: int = option(64, 1, _EMBEDDING)
    stages: tuple[Stage, ...] = ()
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        n = halvings(self.shape, self.base)
        h, w, channels = self.shape
        stages = _stages(self, n)
        if self.num_classes:
            embed = nn.Dense(self.embedding, use_bias=False, kernel_init=_init(), name="embed")
            latents = jnp.concatenate(
                [latents, embed(jax.nn.one_hot(y, self.num_classes, dtype=latents.dtype))], axis=-1
            )
        scale = nn.Dense(stages[0].width, use_bias=False, kernel_init=_init(), name="linear")
        basis = self.param("basis", nn.initializers.normal(1.0), (h >> n, w >> n, stages[0].width))
        x = scale(latents)[:, None, None] * basis[None]
        for i, stage in enumerate(stages):
            dtype = dtype_at(i, n, self.dtype)
            if i:
                x = doubled(_widened(x.astype(dtype), stage.width, f"up{i}", dtype))
            x = _blocks(x, i, stages, dtype)
        x = Conv(channels, (1, 1), use_bias=False, kernel_init=_init(), dtype=dtype, name="rgb")(x)
        return x.astype(jnp.promote_types(dtype, jnp.float32))


class Discriminator(nn.Module):
    """1x1 -> blocks, and at every smaller resolution down-sampling, 1x1 and blocks -> a learned map
    of weights of the smallest sides, channel by channel -> head.

    Attributes:
      stages: as of the `Generator`, smallest sides first.
    """

    head: nn.Module
    width: int = option(32, 1, _WIDTH)
    widest: int = option(128, 1, _WIDEST)
    base: int = option(4, 1, _BASE)
    blocks: int = option(2, 1, _BLOCKS)
    group: int = option(16, 1, _GROUP)
    stages: tuple[Stage, ...] = ()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        n = halvings(x.shape[1:], self.base)
        stages = _stages(self, n)
        dtype = dtype_at(n, n, self.dtype)
        x = _widened(x.astype(dtype), stages[n].width, "rgb", dtype, always=True)
        for i in reversed(range(n + 1)):
            dtype = dtype_at(i, n, self.dtype)
            if i < n:
                x = _widened(halved(x).astype(dtype), stages[i].width, f"down{i}", dtype)
            x = _blocks(x, i, stages, dtype)
        init = nn.initializers.normal(1 / math.sqrt(x.shape[1] * x.shape[2]))
        basis = self.param("basis", init, x.shape[1:])
        return self.head(jnp.sum(x * basis[None], axis=(1, 2)), y)


class Head(nn.Module):
    """The score is linear in the features, or ``<V y, W h>`` where there are classes; no biases."""

    num_classes: int = 0

    @nn.compact
    def __call__(self, features: jax.Array, y: jax.Array) -> Critique:
        size = features.shape[-1]
        linear = lambda size, name, gain=1.0: nn.Dense(
            size, use_bias=False, kernel_init=_init(gain), name=name
        )
        if self.num_classes:
            labels = jax.nn.one_hot(y, self.num_classes, dtype=features.dtype)
            embedding = linear(size, "embed", 1 / math.sqrt(size))(labels)
            score = jnp.sum(linear(size, "linear")(features) * embedding, axis=-1)
        else:
            score = linear(1, "linear")(features)[:, 0]
        return Critique(score, {"features": features})


def _stages(module: Generator | Discriminator, n: int) -> tuple[Stage, ...]:
    if not module.stages:
        return stages_of(n, module.width, module.widest, module.group, module.blocks)
    if len(module.stages) != n + 1:
        raise ConfigError(
            f"stages must have one entry per resolution, {n + 1} for these images, not "
            f"{len(module.stages)}."
        )
    return module.stages


def _blocks(x: jax.Array, i: int, stages: Sequence[Stage], dtype: Any) -> jax.Array:
    """``x`` after the blocks of stage ``i``, which are submodules of the calling module."""
    total = sum(stage.blocks for stage in stages)
    for j in range(stages[i].blocks):
        x = ResidualBlock(stages[i], total, dtype, name=f"block{i}_{j}")(x)
    return x


def _widened(x: jax.Array, features: int, name: str, dtype: Any, always: bool = False) -> jax.Array:
    """``x`` with as many channels, by a 1x1 convolution where it has others."""
    if x.shape[-1] == features and not always:
        return x
    return Conv(features, (1, 1), use_bias=False, kernel_init=_init(), dtype=dtype, name=name)(x)
