"""A conditional DCGAN on MNIST, padded to 32x32.

uv run train.py mnist_dcgan

Two cores of an AMD EPYC: 8,000 steps in 4:53, compilation included. `uv run eval.py
runs/mnist_dcgan`, 2,000 samples: classification accuracy of conditional samples 99.3% (real
test images: 99.5%), FD 0.16 to the 10,000 test images (all training images: 0.04).
"""

from gan_jax.config import Config, Network, Optimizer, Penalty

config = Config(
    dataset="mnist",
    size=32,
    conditioning="projection",
    latents=64,
    generator=Network("dcgan", width=32),
    discriminator=Network("dcgan", width=32, norm="none"),
    penalties=(Penalty("r1", 1.0, every=4),),
    g_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
    d_optimizer=Optimizer(lr=5e-4, b1=0.0, b2=0.99),
    steps=8_000,
)
time, score = "4:53 min, 2 CPU cores", "99.3% class accuracy, FD 0.16"
