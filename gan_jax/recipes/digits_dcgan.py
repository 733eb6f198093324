"""A conditional DCGAN on scikit-learn's 8x8 digits: the default recipe, without a download, about a
minute on two CPU cores.

uv run train.py digits_dcgan

Two cores of an AMD EPYC: 5,000 steps in 41 s, compilation included. `uv run eval.py
runs/digits_dcgan`, 2,000 samples: classification accuracy of conditional samples 99.6% (real
test images: 98.6%), FD 0.25 to the training images; at equal numbers, FD 0.76 for 355 samples and
0.51 for the 355 real test images.
"""

from gan_jax.config import Config, Network, Optimizer, Penalty

config = Config(
    dataset="digits",
    conditioning="projection",
    latents=32,
    generator=Network("dcgan", width=64, base=2),
    discriminator=Network("dcgan", width=64, base=2, norm="none"),
    penalties=(Penalty("r1", 1.0, every=4),),
    g_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
    d_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
    steps=5_000,
)
time, score = "41 s, 2 CPU cores", "99.6% class accuracy, FD 0.25"
