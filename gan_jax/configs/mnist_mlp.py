"""The article's GAN on 28x28 digits: latents 100 -> 128 -> 128 -> 784 against 784 -> 128 -> 128 -> 1, unconditional.

uv run train.py mnist_mlp
"""

from gan_jax.config import Config, Network, Optimizer

config = Config(
    dataset="mnist",
    generator=Network("mlp"),
    discriminator=Network("mlp"),
    g_optimizer=Optimizer(lr=2e-4),
    d_optimizer=Optimizer(lr=2e-4),
    steps=30_000,
)
