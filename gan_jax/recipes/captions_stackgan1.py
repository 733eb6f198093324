"""The first stage of a StackGAN (Zhang et al. 2017): captions of coloured digits to images of
16x16. `captions_stackgan` is the second stage.

    uv run train.py captions_stackgan1

One core of an AMD EPYC: 28,000 steps in 12:55 min, while other work was running. `uv run gan-jax
study captions runs/captions_stackgan1`, two seeds: ground, place, size and colour as captioned in
at least 99.0% of 2,000 images, for combinations in the training split and for held-out ones; the
digit in 99.1% and 99.0%, of held-out combinations 97.9% and 97.8%. Of real images of 16x16, the
classifier recognizes 98.1%.
"""

from gan_jax.config import Config, Network, Optimizer, Penalty

_network = {"width": 24, "widest": 96}

config = Config(
    dataset="coloured_mnist",
    size=16,
    fit="stretch",
    pairs="captions",
    latents=32,
    generator=Network("stackgan", **_network),
    discriminator=Network("stackgan", norm="none", width=48, widest=192),
    penalties=(Penalty("r1", 0.02, every=4), Penalty("matching", 1.0, similar=0.75)),
    g_penalties=(Penalty("kl", 2.0),),
    g_optimizer=Optimizer(lr=5e-4, b1=0.5),
    d_optimizer=Optimizer(lr=1e-3, b1=0.5),
    batch_size=32,
    steps=28_000,
)
time, score = "12:55 min, 1 CPU core", "digit 99.0%, others 99.5%"
