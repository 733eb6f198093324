"""A residual network for images of 16 to 64 pixels (He et al. 2016, "Deep residual learning",
section 4.2).
"""

from __future__ import annotations

import flax.linen as nn

from gan_jax.nn.conv import Conv, ConvPool
from gan_jax.types import Array

_init = nn.initializers.he_normal()


class ResNet(nn.Module):
    """3x3 stages of residual blocks, halving the side and doubling the channels down to 8 pixels or
    fewer; their mean; a hidden layer.

    With ``stem`` "full", ``width`` 16 and 3, 5, ... blocks this is the paper's network of 20, 32,
    ... layers for CIFAR, but for the hidden layer. Halving is a 3x3 convolution and a mean over
    windows of two, which is one convolution (`ConvPool`).

    Call: ``x [b, h, w, c]`` float32 in [-1, 1] ``-> (features [b, features], logits [b,
    num_classes])`` float32; the features are the hidden layer after its ReLU. In training mode it
    changes the statistics "batch_stats".

    Attributes:
      width: channels of the first stage.
      features: units of the hidden layer.
      blocks: residual blocks a stage.
      half: the first convolution halves the side already; a quarter of the time, for images of few
        details.
      dropout: share of activations dropped before the hidden layer; above 0 it needs the random
        stream "dropout".
    """

    num_classes: int
    width: int = 16
    features: int = 64
    blocks: int = 3
    half: bool = False
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> tuple[Array, Array]:
        width = self.width
        x = self._normed(self._conv(width, self.half)(x), train)
        for _ in range(self.blocks):
            x = self._block(nn.relu(x), width, False, train)
        while min(x.shape[1:3]) > 8 or width == self.width:
            width *= 2
            x = self._block(nn.relu(x), width, True, train)
            for _ in range(self.blocks - 1):
                x = self._block(nn.relu(x), width, False, train)
        x = nn.relu(x).mean((1, 2))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        features = nn.relu(self._normed(nn.Dense(self.features, use_bias=False)(x), train))
        return features, nn.Dense(self.num_classes)(features)

    def _block(self, x: Array, width: int, down: bool, train: bool) -> Array:
        """Two convolutions beside a skip, which where the side halves is a mean over windows of two
        and a 1x1 convolution.
        """
        h = nn.relu(self._normed(self._conv(width, down)(x), train))
        h = self._normed(self._conv(width, False)(h), train)
        if down:
            x = nn.avg_pool(x, (2, 2), (2, 2))
            x = self._normed(Conv(width, (1, 1), use_bias=False, kernel_init=_init)(x), train)
        return h + x

    @staticmethod
    def _conv(width: int, down: bool) -> nn.Module:
        return (ConvPool if down else Conv)(width, (3, 3), use_bias=False, kernel_init=_init)

    @staticmethod
    def _normed(x: Array, train: bool) -> Array:
        return nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
