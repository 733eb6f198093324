"""A small convolutional classifier for images of 8 pixels and more."""

from __future__ import annotations

import flax.linen as nn

from gan_jax.nn.conv import Conv, ConvPool
from gan_jax.types import Array

LARGE = 32
"""Sides above are halved by convolutions of stride 2, so that large images take little longer."""


class Cnn(nn.Module):
    """3x3 convolutions, halving the side and doubling the channels down to 4 pixels, then one
    hidden layer.

    Call: ``x [b, h, w, c]`` float32 in [-1, 1] ``-> (features [b, features], logits [b,
    num_classes])`` float32; the features are the hidden layer after its ReLU. In training mode it
    needs the random stream "dropout" and changes the statistics "batch_stats".

    Attributes:
      width: channels of the first convolution.
      features: units of the hidden layer.
      dropout: share of activations dropped before the hidden layer.
    """

    num_classes: int
    width: int = 24
    features: int = 64
    dropout: float = 0.5

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> tuple[Array, Array]:
        width, plain = self.width, {"use_bias": False, "kernel_init": nn.initializers.he_normal()}
        while min(x.shape[1:3]) > LARGE:
            x = self._activate(Conv(width, (4, 4), (2, 2), **plain)(x), train)
        while min(x.shape[1:3]) > 4:
            x = self._activate(ConvPool(width, **plain)(x), train)
            width *= 2
        x = self._activate(Conv(width, (3, 3), **plain)(x), train)
        x = nn.Dropout(self.dropout, deterministic=not train)(x.reshape(len(x), -1))
        features = self._activate(nn.Dense(self.features, use_bias=False)(x), train)
        return features, nn.Dense(self.num_classes)(features)

    def _activate(self, x: Array, train: bool) -> Array:
        return nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
