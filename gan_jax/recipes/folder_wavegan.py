"""WaveGAN (Donahue et al. 2019) of the published size on a folder of sounds: a second at 16,000 Hz,
unconditional, with the published settings.

    uv run train.py folder_wavegan --dataset PATH

A recipe for an accelerator, not yet run: 19.1 M parameters in G, 17.4 M in D, five updates of D per
update of G, 200,000 updates of G. On the spoken digits of Speech Commands, Donahue et al. report
inception scores of 4.67 with phase shuffle and 4.12 without; real clips reach 8.01 (test) and 9.18
(training).
"""

from gan_jax.config import Config, Network, Optimizer, Penalty

_optimizer = Optimizer(lr=1e-4, b1=0.5, b2=0.9)

config = Config(
    dataset="./sounds",
    length=16_384,
    rate=16_000,
    conditioning="none",
    prior="uniform",
    latents=100,
    generator=Network("wavegan", width=64),
    discriminator=Network("wavegan", width=64, shuffle=2),
    loss="wasserstein",
    penalties=(Penalty("gp", 10.0),),
    d_steps=5,
    batch_size=64,
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    ema=0.0,
    steps=200_000,
)
time, score = "not measured (GPU)", "not measured"
