"""A conditional DCGAN on scikit-learn's 8x8 digits: the default recipe, without a download, about a
minute on two CPU cores.

uv run train.py digits_dcgan

`--seeds 3` on one core of an AMD EPYC, under other load: 5,000 steps of all three in 6:15,
compilation included. `uv run eval.py runs/digits_dcgan`, 2,000 samples of each: classification
accuracy of conditional samples 99.5% (interval over seeds: 99.0% to 100.0%; real test images:
98.6%), FD 0.2305 to the training images (0.1885 to 0.2725).
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
time, score = "6:15 min, 1 CPU core", "99.5% class accuracy, FD 0.23"
