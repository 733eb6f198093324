"""CycleGAN between two hands of writing: scikit-learn's digits and MNIST, both at 32x32."""

from gan_jax.config import Config, Network, Optimizer, Penalty

_optimizer = Optimizer(lr=5e-4, b1=0.5)

config = Config(
    dataset="digits",
    unpaired="mnist",
    size=32,
    fit="stretch",
    pairs="domains",
    prior="none",
    generator=Network("cyclegan", width=16, blocks=2, same=True),
    discriminator=Network("cyclegan", width=16, layers=2),
    loss="least_squares",
    g_penalties=(Penalty("cycle", 10.0), Penalty("identity", 5.0)),
    pool=50,
    batch_size=8,
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    ema=500.0,
    steps=2_000,
)
