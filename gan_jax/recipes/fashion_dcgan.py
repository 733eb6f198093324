"""A conditional DCGAN on Fashion-MNIST, padded to 32x32: the networks and hyperparameters of
mnist_dcgan.

uv run train.py fashion_dcgan

Two cores of an AMD EPYC: 8,000 steps in 4:30, compilation included. `uv run eval.py
runs/fashion_dcgan`, 2,000 samples: classification accuracy of conditional samples 89.4% (real
test images: 90.2%), FD 0.18 to the 10,000 test images (all training images: 0.02).
"""

import dataclasses

from gan_jax.recipes import mnist_dcgan

config = dataclasses.replace(mnist_dcgan.config, dataset="fashion_mnist")
time, score = "4:30 min, 2 CPU cores", "89.4% class accuracy, FD 0.18"
