"""A conditional SpecGAN (Donahue et al. 2019) on spoken digits: spectrograms of 64x64 of the first
4,096 samples at 8,000 Hz. Samples are sounds, by Griffin-Lim.

    uv run train.py spoken_digit_specgan

One core of an AMD EPYC, under other load: 12,000 steps in 20:05, 17:34 and 16:33 min, three seeds.
`uv run eval.py runs/spoken_digit_specgan`, 2,000 clips of each, means and intervals over the seeds:
98.7% [98.1, 99.3] recognized as their digit (250 real test clips: 98.8%), FD 1.62 [1.32, 1.92]
(real 0.79, of 250 clips). Of the five speakers, 4.64 [4.64, 4.65] are there effectively
(`--features spoken_digit/speaker --metrics classes2k`).
"""

from gan_jax.config import Augmentation, Config, Network, Optimizer, Pairs, Penalty

config = Config(
    dataset="spoken_digit",
    length=4_096,
    pairs=Pairs("spectrogram"),
    conditioning="projection",
    latents=64,
    prior="infogan:5",
    generator=Network("dcgan", width=16),
    discriminator=Network("dcgan", width=24, norm="none", minibatch_std=4),
    penalties=(Penalty("r1", 0.03, every=4),),
    # Delays alone: if spectrograms also moved along frequencies, D could not tell voices by pitch.
    augmentations=(Augmentation("translation", 0.125, horizontal=False),),
    batch_size=32,
    g_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
    d_optimizer=Optimizer(lr=1e-3, b1=0.0, b2=0.99),
    steps=12_000,
)
time, score = "20:05 min, 1 CPU core", "98.7% class accuracy, FD 1.62"
