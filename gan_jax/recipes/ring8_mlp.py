"""A small unconditional MLP GAN on a ring of eight Gaussians, whose modes can be counted.

uv run train.py ring8_mlp

`--seeds 3` on one core of an AMD EPYC, under other load: 20,000 steps of all three in 1:35,
compilation included. `uv run eval.py runs/ring8_mlp`, 2,000 samples of each: 8 of 8 modes, 95.0%
high-quality samples (interval over seeds: 94.0% to 96.1%; real test points: 99.2%).
"""

from gan_jax.config import Config, Network, Optimizer, Penalty

config = Config(
    dataset="ring8",
    latents=16,
    generator=Network("mlp", width=64),
    discriminator=Network("mlp", width=64),
    penalties=(Penalty("r1", 0.1),),
    g_optimizer=Optimizer(lr=1e-3, b1=0.0, b2=0.99),
    d_optimizer=Optimizer(lr=1e-3, b1=0.0, b2=0.99),
    ema=100_000.0,
    batch_size=128,
    steps=20_000,
    log_every=500,
    sample_every=2_000,
    checkpoint_every=5_000,
)
time, score = "1:35 min, 1 CPU core", "8 modes, 95.0% high quality"
