"""A conditional DCGAN on MNIST, padded to 32x32.

uv run train.py mnist_dcgan
"""

from gan_jax.config import Config, Network, Optimizer, Penalty

config = Config(
    dataset="mnist",
    size=32,
    conditioning="projection",
    latents=64,
    generator=Network("dcgan", width=32),
    discriminator=Network("dcgan", width=32, norm="none"),
    penalties=(Penalty("r1", 1.0, every=4),),
    g_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
    d_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
    steps=8_000,
)
