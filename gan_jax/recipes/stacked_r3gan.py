"""StackedMNIST, 1,000 modes: a small R3GAN (Huang et al. 2024), for as long as `stacked_dcgan`.

    uv run train.py stacked_r3gan
    uv run eval.py runs/stacked_r3gan --num-samples 25600

One core of an AMD EPYC, under other load: 3,700 steps in 12:11 min; three seeds. 25,600 samples of
each: 838, 968 and 886 modes, KL 1.03, 0.545 and 0.989 (real test images: 0.025).
`stacked_dcgan` covers all modes: its steps take less than a quarter of the time.
"""

from gan_jax.config import Config, Network, Optimizer, Penalty, Schedule

STEPS = 3_700

# G is wider than D, which won against a G of its own width.
_optimizer = Optimizer(lr=Schedule(5e-3, 5e-4, STEPS, "cosine"), b1=0.0, b2=0.99, eps=1e-8)
config = Config(
    dataset="stacked_mnist",
    latents=64,
    generator=Network("r3gan", width=16, widest=64, blocks=1, group=16),
    discriminator=Network("r3gan", width=8, widest=32, blocks=1, group=16),
    loss="relativistic",
    penalties=(Penalty("r1", 3.0), Penalty("r2", 3.0)),
    fresh_batch=True,
    g_optimizer=_optimizer,
    d_optimizer=_optimizer,
    ema=20_000.0,
    steps=STEPS,
)
time, score = "12:11 min, 1 CPU core", "897 modes, KL 0.854"
