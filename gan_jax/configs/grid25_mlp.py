"""An MLP GAN on five by five Gaussians, whose modes can be counted: unconditional.

uv run train.py grid25_mlp
"""

import dataclasses

from gan_jax.config import Network
from gan_jax.configs import ring8_mlp

config = dataclasses.replace(
    ring8_mlp.config,
    dataset="grid25",
    generator=Network("mlp", width=128, depth=3),
    discriminator=Network("mlp", width=128, depth=3),
    batch_size=256,
)
