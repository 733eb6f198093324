"""SNGAN on CIFAR-10 with classes: networks, loss, optimizers and their decay of Miyato et al. 2018,
and of Miyato & Koyama 2018 conditional batch normalization in G and projection in D.

    uv run train.py cifar10_sngan

This recipe needs a GPU: on a CPU a step takes seconds. Its time and scores have not been measured.
"""

from gan_jax.config import Config, Network, Optimizer, Schedule

DECAY = Schedule(2e-4, 2e-9, 100_000)
"""To next to nothing; a rate of 0 is refused."""

config = Config(
    dataset="cifar10",
    flip=True,
    conditioning="projection",
    latents=128,
    fake_labels="uniform",
    generator=Network("sngan", norm="conditional"),
    discriminator=Network("sngan"),
    loss="hinge",
    d_steps=5,
    g_optimizer=Optimizer(lr=DECAY, b1=0.0, b2=0.9),
    d_optimizer=Optimizer(lr=DECAY, b1=0.0, b2=0.9),
    steps=100_000,
)
time, score = "not measured (GPU)", "not measured"
