"""A small conditional R3GAN (Huang et al. 2024) on Fashion-MNIST, padded to 32x32.

    uv run train.py fashion_r3gan

One core of an AMD EPYC: 5,200 steps, 166,000 images, in 22 minutes of CPU time. `uv run eval.py
runs/fashion_r3gan`, 2,000 samples of one seed: classification accuracy of conditional samples 89.2%
(real test images: 90.3%), FD 3.1 [2.8, 3.3]; `--metrics pr10k`: precision 87%, recall 0.5%. After
so few images, samples of a class differ little; `fashion_dcgan` reaches FD 0.21 in less time.
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
time, score = "22 min, 1 CPU core", "89.2% class accuracy, FD 3.1"
