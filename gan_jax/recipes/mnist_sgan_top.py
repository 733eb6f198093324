"""The upper level of a Stacked GAN on MNIST: labels to the hidden layer of a recognizer."""

from gan_jax.config import Config, Network, Optimizer, Penalty

_optimizer = Optimizer(lr=5e-4, b1=0.5)

config = Config(
    dataset="mnist",
    size=32,
    pairs="hidden",
    conditioning="concat",
    latents=50,
    prior="recovered",
    generator=Network("mlp", width=256),
    discriminator=Network("mlp", width=256),
    g_penalties=(Penalty("classified", 1.0),),
    penalties=(Penalty("r1", 0.1, every=4),),
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    steps=6_000,
)
