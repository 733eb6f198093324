"""A small conditional R3GAN (Huang et al. 2024) on Fashion-MNIST, padded to 32x32.

    uv run train.py fashion_r3gan

DCGANLINE
"""

from gan_jax.config import Config, Network, Optimizer, Penalty, Schedule

STEPS = 5_200
BATCH = 32
_network = {"width": 8, "widest": 64, "blocks": 1, "group": 16}
_optimizer = Optimizer(lr=Schedule(2e-3, 2e-4, STEPS, "cosine"), b1=0.0, b2=0.99, eps=1e-8)

config = Config(
    dataset="fashion_mnist",
    size=32,
    conditioning="projection",
    latents=64,
    generator=Network("r3gan", embedding=64, **_network),
    discriminator=Network("r3gan", **_network),
    loss="relativistic",
    penalties=(Penalty("r1", 0.1), Penalty("r2", 0.1)),
    batch_size=BATCH,
    fresh_batch=True,
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    ema=5_000.0,
    steps=STEPS,
)
time, score = "not measured", "not measured"
