"""A small conditional StyleGAN2 (Karras et al. 2020) on Fashion-MNIST, padded to 32x32.

    uv run train.py fashion_stylegan2

DCGANLINE
"""

from gan_jax.config import Config, Network, Optimizer, Penalty

_network = {"width": 16, "widest": 64}
_optimizer = Optimizer(lr=2.5e-3, b1=0.0, b2=0.99, eps=1e-8)

config = Config(
    dataset="fashion_mnist",
    size=32,
    conditioning="projection",
    latents=64,
    generator=Network("stylegan2", style=64, layers=2, mixing=0.0, **_network),
    discriminator=Network("stylegan2", minibatch_std=4, **_network),
    penalties=(Penalty("r1", 0.02, 16),),
    batch_size=32,
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    ema=5_000.0,
    steps=4_800,
)
time, score = "not measured", "not measured"
