"""A small conditional StyleGAN2 with adaptive augmentation (Karras et al. 2020, "Training GANs with
limited data") on a few thousand pictures in classes, at 64x64.

    uv run train.py emoji64_stylegan2_ada

48,000 steps, 768,000 images, took 231:25 min of CPU time on two cores of an AMD EPYC, one seed.
`uv run eval.py runs/emoji64_stylegan2_ada`, 2,000 samples: classification accuracy of conditional
samples 52.6% (real held-out images: 86.2%), FD 16.2 to the training images. Smileys, signs, flags
and many people can be recognized, most other things are shapes without details.
docs/recognition.md tells where the pictures come from.
"""

from gan_jax.config import Augmentation, Config, Network, Optimizer, Penalty, Schedule

_network = {"width": 8, "widest": 64}
# Both learning rates are higher than those of the papers, since the training is short: all weights
# begin at N(0, 1), and those of the mapping at N(0, 1 / mapping_lr^2).
_lr = Schedule(1e-2, 1e-3, 14_000, begin=34_000)
_optimizer = Optimizer(lr=_lr, b1=0.0, b2=0.99, eps=1e-8)

config = Config(
    dataset="./emoji64",
    size=64,
    conditioning="projection",
    latents=64,
    fake_labels="dataset",
    generator=Network("stylegan2", style=64, layers=2, mapping_lr=0.1, mixing=0.0, **_network),
    discriminator=Network("stylegan2", minibatch_std=4, **_network),
    penalties=(Penalty("r1", 0.5, every=8),),
    augmentations=(Augmentation("ada"),),
    batch_size=16,
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    ema=10_000.0,
    steps=48_000,
)
time, score = "231:25 min CPU time", "52.6% class accuracy, FD 16.2"
