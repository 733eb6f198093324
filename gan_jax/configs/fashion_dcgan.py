"""A conditional DCGAN on Fashion-MNIST, padded to 32x32: the networks and numbers of mnist_dcgan.

uv run train.py fashion_dcgan

Takes the time of mnist_dcgan; its scores were not measured.
"""

import dataclasses

from gan_jax.configs import mnist_dcgan

config = dataclasses.replace(mnist_dcgan.config, dataset="fashion_mnist")
