"""BigGAN on CIFAR-10, conditional: the settings of the authors' PyTorch code for that data set.

    uv run train.py cifar10_biggan

A recipe for an accelerator, not yet run: 4.3 M parameters in G, 4.2 M in D, four updates of D per
update of G, 25 M images. Brock et al. 2019 report FID 14.73; StudioGAN reports 4.16 for its BigGAN.
"""

from gan_jax.config import Config, Network, Optimizer

BATCH, D_STEPS = 50, 4
_optimizer = Optimizer(lr=2e-4, b1=0.0, b2=0.999, eps=1e-8)

config = Config(
    dataset="cifar10",
    flip=True,
    conditioning="projection",
    latents=128,
    fake_labels="uniform",
    generator=Network("biggan", width=64, shared=0, hierarchical=False, attention=0),
    discriminator=Network("biggan", width=64, attention=0),
    loss="hinge",
    d_steps=D_STEPS,
    batch_size=BATCH,
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    ema=6931.0 * BATCH,
    steps=25_000_000 // (BATCH * D_STEPS),
)
time, score = "not measured (GPU)", "not measured"
