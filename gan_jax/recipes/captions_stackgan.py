"""The second stage."""

import dataclasses

from gan_jax.config import Network
from gan_jax.recipes import captions_stackgan1

_network = {"width": 32, "widest": 128}

config = dataclasses.replace(
    captions_stackgan1.config,
    size=None,
    fit=None,
    generator=Network("stackgan2", first="runs/captions_stackgan1", base=8, blocks=2, **_network),
    discriminator=Network("stackgan", norm="none", width=48, widest=192),
    steps=6_000,
)
