"""A semi-supervised GAN on Fashion-MNIST that learns to classify from 1,000 labels, like
`mnist_ssl100`, with mirrored images instead of rotated ones.

uv run train.py fashion_ssl1000
"""

import dataclasses

from gan_jax.config import Augmentation
from gan_jax.recipes import mnist_ssl100

config = dataclasses.replace(
    mnist_ssl100.config,
    dataset="fashion_mnist",
    labels=1_000,
    labelled_batch=50,
    flip=True,
    augmentations=(Augmentation("translation", 0.04),),
)
time, score = "not measured", "not measured"
