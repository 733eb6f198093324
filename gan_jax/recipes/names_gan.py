"""The convolutional GAN for text of Gulrajani et al. 2017 on given names, conditional on sex: D
sees the probabilities of G's characters beside one-hot vectors.

    uv run train.py names_gan
"""

from gan_jax.config import Config, Network, Optimizer, Penalty

config = Config(
    dataset="names",
    conditioning="projection",
    latents=64,
    generator=Network("iwgan", width=64, blocks=3),
    discriminator=Network("iwgan", width=64, blocks=3),
    loss="relativistic",
    penalties=(Penalty("r1", 0.1), Penalty("r2", 0.1)),
    batch_size=64,
    g_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
    d_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
    steps=10_000,
)
time, score = "", ""
