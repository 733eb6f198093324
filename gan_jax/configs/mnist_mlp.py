"""The article's GAN on 28x28 digits: latents 100 -> 128 -> 128 -> 784 against 784 -> 128 -> 128 -> 1, unconditional.

uv run train.py mnist_mlp
"""

from gan_jax.config import Config, Network, Optimizer, Penalty

config = Config(
    dataset="mnist",
    generator=Network("mlp"),
    discriminator=Network("mlp"),
    penalties=(Penalty("r1", 1.0, every=4),),
    g_optimizer=Optimizer(lr=5e-4),
    d_optimizer=Optimizer(lr=5e-4),
    batch_size=128,
    steps=30_000,
    sample_every=5_000,
    checkpoint_every=5_000,
)
