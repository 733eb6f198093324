"""R3GAN on CIFAR-10, conditional: networks, schedules, optimizers and augmentation of Huang et al.
2024.

    uv run train.py cifar10_r3gan

A recipe for an accelerator, not yet run: 20.8 M parameters in G, 21.3 M in D, batches of 512, the
transformations of ADA with a scheduled probability. The paper reports FID 1.96. Its authors stop by
eye, some time after the schedules have ended.
"""

from gan_jax.config import Augmentation, Config, Network, Optimizer, Penalty, Schedule

BATCH = 512
RAMP = 20_000_000 // BATCH
"""Steps within which all schedules reach their end: 20 M images."""


def ramp(start: float, end: float) -> Schedule:
    return Schedule(start, end, RAMP, "cosine")


_network = {"width": 768, "widest": 768, "blocks": 2, "group": 16}
_optimizer = Optimizer(lr=ramp(2e-4, 5e-5), b1=0.0, b2=ramp(0.9, 0.99), eps=1e-8)
_gamma = ramp(0.05, 0.005)

config = Config(
    dataset="cifar10",
    flip=True,
    conditioning="projection",
    latents=64,
    generator=Network("r3gan", embedding=64, **_network),
    discriminator=Network("r3gan", **_network),
    loss="relativistic",
    penalties=(Penalty("r1", _gamma), Penalty("r2", _gamma)),
    augmentations=(Augmentation("ada", ramp(0.0, 0.55), colour=0.5, cutout=1.0),),
    batch_size=BATCH,
    fresh_batch=True,
    precision="bf16",
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    ema=ramp(0.0, 5e6),
    ema_warm_up=None,
    steps=4 * RAMP,
)
time, score = "not measured (GPU)", "not measured"
