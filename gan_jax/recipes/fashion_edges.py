"""pix2pix on Fashion-MNIST, padded to 32x32: line drawings to clothes."""

from gan_jax.config import Config, Network, Optimizer, Pairs, Penalty

_optimizer = Optimizer(lr=5e-4, b1=0.5)

config = Config(
    dataset="fashion_mnist",
    size=32,
    pairs=Pairs("edges"),
    prior="none",
    generator=Network("pix2pix", width=16, widest=128, base=4, dropout=0.0),
    discriminator=Network("pix2pix", width=16, layers=2),
    g_penalties=(Penalty("l1", 10.0),),
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    batch_size=32,
    steps=6_000,
)
