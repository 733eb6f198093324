"""A small HiFi-GAN (Kong et al. 2020) on spoken digits: the first 4,096 samples at 8,000 Hz from
their log-mel spectrograms of 64 frames and 40 bands.

    uv run train.py spoken_digit_vocoder
    uv run gan-jax study vocoder runs/spoken_digit_vocoder

One core of an AMD EPYC, under other load: 3,500 steps in 11:15 min. The study, one seed: 98.4%
[96.0, 99.4] of 250 test clips recognized as their digit (real clips 98.8%), log-mel L1 0.315, where
Griffin-Lim of the same log-mel spectrograms has 0.073.
"""

from gan_jax.config import Config, Network, Optimizer, Pairs, Penalty, Schedule

_STEPS = 3_500
_optimizer = Optimizer(
    "adamw", lr=Schedule(1e-3, 1e-4, _STEPS, "cosine"), b1=0.8, b2=0.99, weight_decay=0.01
)

config = Config(
    dataset="spoken_digit",
    length=4_096,
    pairs=Pairs("mel"),
    prior="none",
    generator=Network(
        "vocoder",
        width=128,
        upsampling="4,4,4",
        kernels="3,5,7",
        dilations="1,2/2,6/3,12",
        double=False,
        normalized=False,
    ),
    discriminator=Network("vocoder", width=4, widest=64, scales=1, groups=4),
    loss="least_squares",
    g_loss_weight=6.0,
    g_penalties=(Penalty("layer_features", 2.0), Penalty("mel", 45.0)),
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    batch_size=4,
    ema=2_000.0,
    steps=_STEPS,
)
time, score = "11:15 min, 1 CPU core", "98.4% class accuracy"
