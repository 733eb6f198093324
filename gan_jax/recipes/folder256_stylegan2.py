"""StyleGAN2 on a folder of images at 256x256, unconditional: the settings of Karras et al. 2020
("Training GANs with limited data") for that size, without their augmentation.

    uv run train.py folder256_stylegan2 --dataset PATH

A recipe for an accelerator, not yet run: 24.8 M parameters in G, 24.0 M in D, 25 M images. On the
70,000 faces of FFHQ, MMGeneration's training of these networks reached FID 3.99. The weight of R1
must be tuned for each data set: the authors try factors of 2 and 4 in both directions.
"""

from gan_jax.config import Config, Network, Optimizer, Penalty

BATCH = 64
_network = {"width": 64, "widest": 512}
_optimizer = Optimizer(lr=2.5e-3, b1=0.0, b2=0.99, eps=1e-8)

config = Config(
    dataset="./images256",
    flip=True,
    latents=512,
    generator=Network("stylegan2", style=512, layers=8, mixing=0.9, **_network),
    discriminator=Network("stylegan2", minibatch_std=8, **_network),
    penalties=(Penalty("r1", 1.0, 16),),
    g_penalties=(Penalty("path_length", 2.0, 4),),
    batch_size=BATCH,
    precision="bf16",
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    ema=20_000.0,
    ema_warm_up=None,
    steps=25_000_000 // BATCH,
)
time, score = "not measured (GPU)", "not measured"
