"""The second stage of a StackGAN: images of captions_stackgan1, at 16x16, and captions to 32x32."""

import dataclasses

from gan_jax.config import Network
from gan_jax.recipes import captions_stackgan1

config = dataclasses.replace(
    captions_stackgan1.config,
    size=None,
    fit=None,
    generator=Network(
        "stackgan2", first="runs/captions_stackgan1", width=16, widest=64, base=8, blocks=1
    ),
    discriminator=Network("stackgan2", norm="none", width=24, widest=96),
    steps=3_000,
)
