"""Both levels of a Stacked GAN (Huang et al. 2017) on MNIST in one game: from a label to the hidden
layer of a classifier, and from that to the image. `mnist_sgan_top` and `mnist_sgan` are the levels,
trained one after the other.

    uv run train.py mnist_sgan_joint

One core of an AMD EPYC, under other load: 3,000 steps in 4:31 min. `uv run eval.py
runs/mnist_sgan_joint`, 2,000 samples of each of three seeds: 99.0%, 99.8% and 91.4% recognized as
their label, but FD 4.07, 3.33 and 6.79: samples of a digit look nearly alike.
"""

import dataclasses

from gan_jax.config import Network, Optimizer, Pairs, Penalty
from gan_jax.recipes import mnist_sgan

_network = Network("stacked", units=256, width=32)
_optimizer = Optimizer(lr=5e-4, b1=0.0, b2=0.99)
config = dataclasses.replace(
    mnist_sgan.config,
    pairs=Pairs("levels"),
    conditioning="concat",
    latents=100,
    generator=_network,
    discriminator=_network,
    g_penalties=(Penalty("levels", 1.0),),
    penalties=(Penalty("r1", 0.5, every=4),),
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
)
time, score = "4:31 min, 1 CPU core", "96.7% class accuracy, FD 4.73"
