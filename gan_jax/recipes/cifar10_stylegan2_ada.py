"""StyleGAN2 with adaptive augmentation on CIFAR-10, conditional: the configuration ``cifar`` of
Karras et al. 2020 ("Training GANs with limited data", appendix F).

    uv run train.py cifar10_stylegan2_ada

A recipe for an accelerator, not yet run: 20.2 M parameters in G, 23.1 M in D, 100 M images. The
paper reports FID 2.42 (mean of five runs; 2.92 without labels), for 50,000 samples and all training
images. Style mixing and path length regularization are off, and D joins nothing between
resolutions.
"""

from gan_jax.config import Augmentation, Config, Network, Optimizer, Penalty

BATCH = 64
_network = {"width": 512, "widest": 512}
_optimizer = Optimizer(lr=2.5e-3, b1=0.0, b2=0.99, eps=1e-8)

config = Config(
    dataset="cifar10",
    conditioning="projection",
    latents=512,
    fake_labels="dataset",
    generator=Network("stylegan2", style=512, layers=2, mixing=0.0, **_network),
    discriminator=Network("stylegan2", form="plain", minibatch_std=32, **_network),
    penalties=(Penalty("r1", 0.01, 16),),
    augmentations=(Augmentation("ada"),),
    batch_size=BATCH,
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    ema=500_000.0,
    steps=100_000_000 // BATCH,
)
time, score = "not measured (GPU)", "not measured"
