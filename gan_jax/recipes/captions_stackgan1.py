"""The first stage of a StackGAN: captions of coloured digits to images of 16x16."""

from gan_jax.config import Config, Network, Optimizer, Penalty

_network = {"width": 24, "widest": 96}

config = Config(
    dataset="coloured_mnist",
    size=16,
    fit="stretch",
    pairs="captions",
    latents=32,
    generator=Network("stackgan", **_network),
    discriminator=Network("stackgan", norm="none", width=48, widest=192),
    penalties=(Penalty("r1", 0.1, every=4), Penalty("matching", 1.0)),
    g_penalties=(Penalty("kl", 2.0),),
    g_optimizer=Optimizer(lr=5e-4, b1=0.5),
    d_optimizer=Optimizer(lr=1e-3, b1=0.5),
    steps=6_000,
)
