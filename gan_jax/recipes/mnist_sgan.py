"""The lower level of a Stacked GAN on MNIST: the hidden layer of a recognizer to images."""

from gan_jax.config import Config, Network, Optimizer, Pairs, Penalty

_optimizer = Optimizer(lr=5e-4, b1=0.0, b2=0.99)

config = Config(
    dataset="mnist",
    size=32,
    pairs=Pairs("features", above="runs/mnist_sgan_top"),
    latents=50,
    prior="recovered",
    generator=Network("dcgan", width=32),
    discriminator=Network("dcgan", width=32, norm="none"),
    g_penalties=(Penalty("encoded", 1.0),),
    penalties=(Penalty("r1", 1.0, every=4),),
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    steps=3_000,
)
