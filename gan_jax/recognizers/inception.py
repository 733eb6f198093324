"""The Inception network of the Fréchet Inception distance: the graph of 2015-12-05, as TensorFlow 1
ran it.

Szegedy et al. 2016 (Inception v3) as published in ``inception-2015-12-05.tgz``, which Heusel et al.
2017 and Salimans et al. 2016 score images with. It is not the Inception v3 of the model zoos: bytes
are resized as TensorFlow 1 did, average pooling leaves padding out of its mean, the last block
pools by the maximum, and there are 1008 classes.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import Precision

from gan_jax.errors import ConfigError
from gan_jax.metrics.streaming import stream
from gan_jax.pictures import to_uint8
from gan_jax.types import Array, PyTree

INCEPTION_BLOCK = 16
"""Images that the network sees at once."""
SIDE = 299
FEATURES = 2048
CLASSES = 1008


class ConvBlock(nn.Module):
    """Convolution, batch normalization with stored statistics, ReLU; products in full float32 on
    every device.
    """

    features: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        strides = (self.stride, self.stride)
        conv = nn.Conv(
            self.features,
            self.kernel,
            strides,
            self.padding,
            use_bias=False,
            precision=Precision.HIGHEST,
            name="conv",
        )
        return nn.relu(nn.BatchNorm(use_running_average=True, epsilon=1e-3, name="bn")(conv(x)))


def _average(x: Array) -> Array:
    return nn.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)


def _maximum(x: Array) -> Array:
    return nn.max_pool(x, (3, 3), padding="SAME")


def _halve(x: Array) -> Array:
    return nn.max_pool(x, (3, 3), (2, 2))


class InceptionA(nn.Module):
    """Call: ``x [b, 35, 35, c] -> [b, 35, 35, 224 + pool_features]``."""

    pool_features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        one = ConvBlock(64, name="branch1x1")(x)
        five = ConvBlock(48, name="branch5x5_1")(x)
        five = ConvBlock(64, (5, 5), name="branch5x5_2")(five)
        three = ConvBlock(64, name="branch3x3dbl_1")(x)
        three = ConvBlock(96, (3, 3), name="branch3x3dbl_2")(three)
        three = ConvBlock(96, (3, 3), name="branch3x3dbl_3")(three)
        pool = ConvBlock(self.pool_features, name="branch_pool")(_average(x))
        return jnp.concatenate([one, five, three, pool], -1)


class InceptionB(nn.Module):
    """Call: ``x [b, 35, 35, 288] -> [b, 17, 17, 768]``."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        one = ConvBlock(384, (3, 3), 2, "VALID", name="branch3x3")(x)
        three = ConvBlock(64, name="branch3x3dbl_1")(x)
        three = ConvBlock(96, (3, 3), name="branch3x3dbl_2")(three)
        three = ConvBlock(96, (3, 3), 2, "VALID", name="branch3x3dbl_3")(three)
        return jnp.concatenate([one, three, _halve(x)], -1)


class InceptionC(nn.Module):
    """Call: ``x [b, 17, 17, 768] -> [b, 17, 17, 768]``; ``width``: channels within the branches of
    7x1 and 1x7.
    """

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        width = self.width
        one = ConvBlock(192, name="branch1x1")(x)
        seven = ConvBlock(width, name="branch7x7_1")(x)
        seven = ConvBlock(width, (1, 7), name="branch7x7_2")(seven)
        seven = ConvBlock(192, (7, 1), name="branch7x7_3")(seven)
        double = ConvBlock(width, name="branch7x7dbl_1")(x)
        double = ConvBlock(width, (7, 1), name="branch7x7dbl_2")(double)
        double = ConvBlock(width, (1, 7), name="branch7x7dbl_3")(double)
        double = ConvBlock(width, (7, 1), name="branch7x7dbl_4")(double)
        double = ConvBlock(192, (1, 7), name="branch7x7dbl_5")(double)
        pool = ConvBlock(192, name="branch_pool")(_average(x))
        return jnp.concatenate([one, seven, double, pool], -1)


class InceptionD(nn.Module):
    """Call: ``x [b, 17, 17, 768] -> [b, 8, 8, 1280]``."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        three = ConvBlock(192, name="branch3x3_1")(x)
        three = ConvBlock(320, (3, 3), 2, "VALID", name="branch3x3_2")(three)
        seven = ConvBlock(192, name="branch7x7x3_1")(x)
        seven = ConvBlock(192, (1, 7), name="branch7x7x3_2")(seven)
        seven = ConvBlock(192, (7, 1), name="branch7x7x3_3")(seven)
        seven = ConvBlock(192, (3, 3), 2, "VALID", name="branch7x7x3_4")(seven)
        return jnp.concatenate([three, seven, _halve(x)], -1)


class InceptionE(nn.Module):
    """Call: ``x [b, 8, 8, c] -> [b, 8, 8, 2048]``; ``pool_max``: pools by the maximum, as the last
    block does.
    """

    pool_max: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        one = ConvBlock(320, name="branch1x1")(x)
        three = ConvBlock(384, name="branch3x3_1")(x)
        wide, high = (
            ConvBlock(384, (1, 3), name="branch3x3_2a"),
            ConvBlock(384, (3, 1), name="branch3x3_2b"),
        )
        three = jnp.concatenate([wide(three), high(three)], -1)
        double = ConvBlock(448, name="branch3x3dbl_1")(x)
        double = ConvBlock(384, (3, 3), name="branch3x3dbl_2")(double)
        wide, high = (
            ConvBlock(384, (1, 3), name="branch3x3dbl_3a"),
            ConvBlock(384, (3, 1), name="branch3x3dbl_3b"),
        )
        double = jnp.concatenate([wide(double), high(double)], -1)
        pool = ConvBlock(192, name="branch_pool")(_maximum(x) if self.pool_max else _average(x))
        return jnp.concatenate([one, three, double, pool], -1)


class InceptionV3(nn.Module):
    """The whole network; its parts are named as in the PyTorch layer lists of torchvision,
    pytorch-fid, torch-fidelity.

    Call: ``x [b, 299, 299, 3]`` float32 in [-1, 1) ``-> (features [b, 2048], logits [b, 1008])``
    float32; the features are the mean over positions before the final layer ("pool_3").
    """

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, Array]:
        x = ConvBlock(32, (3, 3), 2, "VALID", name="Conv2d_1a_3x3")(x)
        x = ConvBlock(32, (3, 3), 1, "VALID", name="Conv2d_2a_3x3")(x)
        x = _halve(ConvBlock(64, (3, 3), name="Conv2d_2b_3x3")(x))
        x = ConvBlock(80, name="Conv2d_3b_1x1")(x)
        x = _halve(ConvBlock(192, (3, 3), 1, "VALID", name="Conv2d_4a_3x3")(x))
        for name, width in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            x = InceptionA(width, name=name)(x)
        x = InceptionB(name="Mixed_6a")(x)
        for name, width in (
            ("Mixed_6b", 128),
            ("Mixed_6c", 160),
            ("Mixed_6d", 160),
            ("Mixed_6e", 192),
        ):
            x = InceptionC(width, name=name)(x)
        x = InceptionD(name="Mixed_7a")(x)
        x = InceptionE(pool_max=False, name="Mixed_7b")(x)
        x = InceptionE(pool_max=True, name="Mixed_7c")(x)
        features = x.mean((1, 2))
        return features, nn.Dense(CLASSES, precision=Precision.HIGHEST, name="fc")(features)


def resize_as_tf1(images: Array, side: int = SIDE) -> Array:
    """Bilinear resizing as ``tf.image.resize_bilinear(align_corners=False)`` of TensorFlow 1 did
    it.

    Output pixel ``i`` lies at ``i * n / side`` of the ``n`` input pixels, so the corners of both
    grids coincide and not their extents; nothing is averaged when an image shrinks.

    Args:
      images: ``[b, h, w, c]`` of any type, of any value range.

    Returns:
      ``[b, side, side, c]`` float32 in the same range.
    """
    x = images.astype(jnp.float32)
    for axis in (2, 1):  # TensorFlow's order: along the rows first
        n = x.shape[axis]
        position = np.arange(side, dtype=np.float32) * (np.float32(n) / np.float32(side))
        low = position.astype(np.int32)
        share = (position - low).reshape([side if i == axis else 1 for i in range(4)])
        before, after = (jnp.take(x, index, axis) for index in (low, np.minimum(low + 1, n - 1)))
        x = before + (after - before) * share
    return x


@dataclasses.dataclass(frozen=True, eq=False)
class Inception:
    """Inception as a `FeatureNetwork`: made by
    `gan_jax.recognizers.inception_weights.load_inception`.

    Attributes:
      variables: of `InceptionV3`.
      block: images at a time.
    """

    variables: PyTree
    key: str
    about: dict[str, Any]
    block: int = INCEPTION_BLOCK

    def features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features ``[n, 2048]`` and logits ``[n, 1008]``, as in `FeatureNetwork`.

        Floats are rounded to the 256 levels of the files that the published scores were computed
        from; one channel is seen as three equal ones.

        Raises:
          ConfigError: for images of other than 1 or 3 channels.
        """
        if images.shape[-1] not in (1, 3):
            raise ConfigError(
                f"images: Inception takes 1 or 3 channels, and these have {images.shape[-1]}."
            )
        return stream(self._see, images, block=self.block)

    def _see(self, images: np.ndarray) -> tuple[Array, Array]:
        images = np.repeat(to_uint8(images), 3 // images.shape[-1], -1)
        return _recognize(InceptionV3(), self.variables, _prepare(images))


# Two programs, so that images of another size do not compile the network again.


@jax.jit
def _prepare(images: Array) -> Array:
    return (resize_as_tf1(images) - 128) / 128


@functools.partial(jax.jit, static_argnums=0)
def _recognize(network: nn.Module, variables: PyTree, x: Array) -> tuple[Array, Array]:
    return network.apply(variables, x)
