"""SNGAN on CIFAR-10, conditional by projection: networks, loss and optimizers of Miyato et al.
2018.

    uv run train.py cifar10_sngan

This recipe needs a GPU: on a CPU a step takes seconds. Its time and scores have not been measured.
"""

from gan_jax.config import Config, Network, Optimizer

config = Config(
    dataset="cifar10",
    flip=True,
    conditioning="projection",
    latents=128,
    generator=Network("sngan"),
    discriminator=Network("sngan"),
    loss="hinge",
    d_steps=5,
    g_optimizer=Optimizer(b1=0.0, b2=0.9),
    d_optimizer=Optimizer(b1=0.0, b2=0.9),
    steps=100_000,
)
time, score = "not measured, for a GPU", "not measured"
