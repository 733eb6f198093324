"""pix2pix (Isola et al. 2017, "Image-to-image translation with conditional adversarial networks"):
a U-Net translates an image, and a discriminator scores the patches of a pair of images.

The condition ``y`` is an image ``[b, h, w, c']`` float32 in [-1, 1] with the sides of the example.
Biases and paddings are those of the authors' PyTorch code. The paper's generator has the default
options and ``base`` 1; for G, it adds the term ``l1`` with the weight 100.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError
from gan_jax.models.options import option
from gan_jax.models.sides import halvings, widths
from gan_jax.nn.conv import Conv, ConvTranspose
from gan_jax.nn.disturbance import Dropout
from gan_jax.nn.norms import PLAIN_NORMS, BatchNorm, InstanceNorm
from gan_jax.types import Array, Critique, PyTree

_WIDTH = "Channels of the layer next to the image; they double each time the side halves."
_BASE = "Smallest side of the feature maps; the paper's is 1."
_DROPOUT = (
    "Dropout rate of the first three layers of the decoder, in training, and in sampling with the "
    "random stream noise."
)
PATCH_WIDTH = f"{_WIDTH} There are at most 8 times as many."
PATCH_LAYERS = "Convolutions that halve the side; 3 see patches of 70x70 pixels."
NOISY = 3
"""How many layers of the decoder have dropout (section 6.1)."""
init = nn.initializers.normal(0.02)
_resample = {"kernel_size": (4, 4), "strides": (2, 2), "kernel_init": init}


class Generator(nn.Module):
    """U-Net: strided convolutions down to the smallest side, and transposed convolutions back up,
    each of which also takes the map of its side on the way down; tanh if examples are bounded.

    Latents ``z``, arrays ``[b, n]`` or ``()``, are channels of the innermost map, each constant.
    The paper has none: its noise is the dropout.

    Raises:
      ConfigError: if the condition is no image with the sides of the example.
    """

    shape: tuple[int, ...]
    width: int = option(64, 1, _WIDTH)
    widest: int = option(512, 1, "Most channels of a layer.")
    base: int = option(1, 1, _BASE)
    dropout: float = option(0.5, "[0, 1)", _DROPOUT)
    norm: Callable[..., nn.Module] = option(BatchNorm, PLAIN_NORMS, "Normalization of the layers.")
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, z: PyTree, y: Array, *, train: bool) -> Array:
        norm = functools.partial(self.norm, dtype=self.dtype)
        layer = {"use_bias": _biased(self.norm), "dtype": self.dtype, **_resample}
        n = halvings(self.shape, self.base)
        x, maps = check_condition(y, self.shape), []
        for i, features in enumerate(reversed(widths(n - 1, self.width, self.widest))):
            x = Conv(features, padding=1, **layer)(nn.leaky_relu(x, 0.2) if i else x)
            x = norm()(x, train=train) if 0 < i < n - 1 else x
            maps.append(x)
        x = nn.relu(maps.pop())
        for latents in jax.tree.leaves(z):
            constant = jnp.broadcast_to(latents[:, None, None], (*x.shape[:3], latents.shape[-1]))
            x = jnp.concatenate([x, constant.astype(x.dtype)], axis=-1)
        noisy = train or self.has_rng("noise")
        for i, skip in enumerate(reversed(maps)):
            x = ConvTranspose(skip.shape[-1], padding="SAME", **layer)(x)
            x = norm()(x, train=train)
            if i < NOISY and self.dropout:
                x = Dropout(self.dropout)(x, train=noisy)
            x = nn.relu(jnp.concatenate([skip, x], axis=-1))
        x = ConvTranspose(self.shape[-1], padding="SAME", dtype=self.dtype, **_resample)(x)
        x = x.astype(jnp.float32)
        return nn.tanh(x) if self.bounded else x


class Patches(nn.Module):
    """Scores of overlapping patches: ``[b, h, w, c] -> [b, h', w']`` float32.

    Strided convolutions with leaky ReLU 0.2, then two of stride 1; all but the first and the last
    are normalized.

    Raises:
      ConfigError: for more layers than the sides allow.
    """

    width: int
    layers: int
    norm: Callable[..., nn.Module]
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        conv = functools.partial(
            Conv, kernel_size=(4, 4), padding=1, kernel_init=init, dtype=self.dtype
        )
        sides = x.shape[1:3]
        if min(sides) >> self.layers < 3:
            raise ConfigError(
                f"layers of the discriminator must leave sides of at least 3; {self.layers} leave "
                f"{min(sides) >> self.layers} of images of {sides[0]}x{sides[1]}."
            )
        for i in range(self.layers + 1):
            strides, biased = 2 if i < self.layers else 1, i == 0 or _biased(self.norm)
            x = conv(self.width * min(2**i, 8), strides=(strides, strides), use_bias=biased)(x)
            x = self.norm(dtype=self.dtype)(x, train=train) if i else x
            x = nn.leaky_relu(x, 0.2)
        return conv(1)(x)[..., 0].astype(jnp.float32)


class Discriminator(nn.Module):
    """`Patches` of the example and its condition, one behind the other as channels; one score per
    patch, ``[b, h', w']``.

    Raises:
      ConfigError: if the condition is no image with the sides of the example, and for more layers
        than they allow.
    """

    width: int = option(64, 1, PATCH_WIDTH)
    layers: int = option(3, 1, PATCH_LAYERS)
    norm: Callable[..., nn.Module] = option(BatchNorm, PLAIN_NORMS, "Normalization of the layers.")
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, y: Array, *, train: bool) -> Critique:
        pair = jnp.concatenate([x, check_condition(y, x.shape[1:])], axis=-1)
        patches = Patches(self.width, self.layers, self.norm, self.dtype, name="patches")
        return Critique(patches(pair, train=train))


def check_condition(y: PyTree, shape: tuple[int, ...]) -> Array:
    """The condition of examples of a shape (h, w, c), an image with their sides.

    Raises:
      ConfigError: for anything else.
    """
    h, w, _ = shape
    array = hasattr(y, "shape") and hasattr(y, "dtype")
    floats = array and y.ndim == 4 and jnp.issubdtype(y.dtype, jnp.floating)
    if not floats or y.shape[1:3] != (h, w):
        given = f"{y.dtype}{list(y.shape)}" if array else f"a {type(y).__name__}"
        raise ConfigError(
            f"conditions must be images of {h}x{w}, floats [b, {h}, {w}, channels], not {given}."
        )
    return y


def _biased(norm: Callable[..., nn.Module]) -> bool:
    """Whether convolutions before a normalization have a bias: where it has none itself."""
    return norm is InstanceNorm
