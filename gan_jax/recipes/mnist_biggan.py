"""A small conditional BigGAN (Brock et al. 2019) on MNIST, 28x28: self-attention, conditional batch
normalization with hierarchical latents, and spectral normalization in both players.

    uv run train.py mnist_biggan

One core of an AMD EPYC, under other load: 4,500 steps, 288,000 images, in 13:31 and 16:40 min, two
seeds. `uv run eval.py runs/mnist_biggan`, 2,000 samples of each: classification accuracy of
conditional samples 99.8% (real test images: 99.2%), FD 0.5219 and 1.23 to the test images (training
images: 0.06307). Two seeds say little about others; `mnist_dcgan` reaches FD 0.17.
"""

from gan_jax.config import Config, Network, Optimizer, Schedule

STEPS = 4_500
_optimizer = Optimizer(lr=Schedule(1e-3, 1e-4, STEPS, "cosine"), b1=0.0, b2=0.999, eps=1e-8)

config = Config(
    dataset="mnist",
    conditioning="projection",
    latents=48,
    fake_labels="uniform",
    generator=Network("biggan", width=8, base=7, shared=32, attention=2),
    discriminator=Network("biggan", width=8, base=7, attention=2),
    loss="hinge",
    batch_size=64,
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    ema=10_000.0,
    steps=STEPS,
)
time, score = "16:40 min, 1 CPU core", "99.8% class accuracy, FD 0.88"
