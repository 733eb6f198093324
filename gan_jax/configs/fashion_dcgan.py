"""A conditional DCGAN on Fashion-MNIST, padded to 32x32.

uv run train.py fashion_dcgan
"""

import dataclasses

from gan_jax.configs import mnist_dcgan

config = dataclasses.replace(mnist_dcgan.config, dataset="fashion_mnist")
