"""The benchmarked GANs: unconditional, one D step per G step, no EMA, and no regularizers except
those of `r3gan32`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import optax

from gan_jax.engine.gan import Gan, Player
from gan_jax.modality import Images, Modality, Sounds
from gan_jax.models import biggan, dcgan, mlp, r3gan, sngan, stylegan2, wavegan
from gan_jax.nn.heads import UnconditionalHead
from gan_jax.parts.losses import LOSSES
from gan_jax.parts.pairs.sounds import Spectrograms
from gan_jax.parts.priors import Normal
from gan_jax.parts.regularizers import r1, r2
from gan_jax.sound.spectra import QUIETEST
from gan_jax.types import Term

_SOUNDS = Sounds((4_096, 1), 8_000)


def dcgan32(dtype: Any) -> Gan:
    """DCGAN for 32x32x1: 128 -> 4x4x256 -> 128 -> 64 -> 1, and 1 -> 64 -> 128 -> 256 -> 1."""
    shape, head = (32, 32, 1), UnconditionalHead()
    networks = dcgan.Generator(shape, dtype=dtype), dcgan.Discriminator(head, dtype=dtype)
    return gan_of(shape, networks, "nonsaturating", optax.adam(2e-4, b1=0.5, b2=0.999), 128)


def sngan32(dtype: Any) -> Gan:
    """SNGAN for 32x32x3 (Miyato et al. 2018, table 4): three up blocks of 256 channels, four blocks
    of 128.
    """
    shape, head = (32, 32, 3), UnconditionalHead()
    networks = sngan.Generator(shape, dtype=dtype), sngan.Discriminator(head, dtype=dtype)
    return gan_of(shape, networks, "hinge", optax.adam(2e-4, b1=0.0, b2=0.9), 128)


def mlp28(dtype: Any) -> Gan:
    """Dense layers for 28x28x1: 100 -> 128 -> 128 -> 784, and 784 -> 128 -> 128 -> 1."""
    shape, head = (28, 28, 1), UnconditionalHead()
    networks = mlp.Generator(shape, dtype=dtype), mlp.Discriminator(head, dtype=dtype)
    return gan_of(shape, networks, "nonsaturating", optax.adam(2e-4, b1=0.5, b2=0.999), 100)


def r3gan32(dtype: Any) -> Gan:
    """R3GAN for 32x32x3: a block at each resolution, of 128, 128, 64 and 32 channels; R1 and R2 in
    each update of D.
    """
    shape, head = (32, 32, 3), r3gan.Head()
    networks = (
        r3gan.Generator(shape, blocks=1, dtype=dtype),
        r3gan.Discriminator(head, blocks=1, dtype=dtype),
    )
    terms = (Term("r1", r1(), 0.05), Term("r2", r2(), 0.05))
    return gan_of(shape, networks, "relativistic", optax.adam(2e-4, b1=0.0, b2=0.9), 64, terms)


def stylegan2_32(dtype: Any) -> Gan:
    """StyleGAN2 for 32x32x3: 64, 64, 64 and 32 channels, two layers in the mapping; one style for
    all layers.
    """
    shape, head = (32, 32, 3), stylegan2.Head()
    networks = (
        stylegan2.Generator(shape, mixing=0.0, dtype=dtype),
        stylegan2.Discriminator(head, dtype=dtype),
    )
    return gan_of(shape, networks, "nonsaturating", optax.adam(2.5e-3, b1=0.0, b2=0.99), 64)


def biggan32(dtype: Any) -> Gan:
    """BigGAN for 32x32x3: 64 channels everywhere, latents divided among the first layer and three
    blocks; without attention.
    """
    shape, head = (32, 32, 3), UnconditionalHead()
    networks = (
        biggan.Generator(shape, width=16, attention=0, dtype=dtype),
        biggan.Discriminator(head, width=16, attention=0, dtype=dtype),
    )
    return gan_of(shape, networks, "hinge", optax.adam(2e-4, b1=0.0, b2=0.999), 128)


def specgan64(dtype: Any) -> Gan:
    """DCGAN of spectrograms 64x64x1 of 4,096 samples, whose computation is a part of the step: 128
    -> 4x4x256 -> 128 -> 64 -> 32 -> 1, and 1 -> 32 -> 64 -> 128 -> 256 -> 1.
    """
    shape, head, bins = (64, 64, 1), UnconditionalHead(), 64
    kind = Spectrograms(shape, _SOUNDS, 128, 64, QUIETEST, (-5.0,) * bins, (5.0,) * bins)
    networks = (
        dcgan.Generator(shape, width=32, dtype=dtype),
        dcgan.Discriminator(head, width=32, dtype=dtype),
    )
    optimizer = optax.adam(2e-4, b1=0.5, b2=0.999)
    return gan_of(shape, networks, "nonsaturating", optimizer, 128, kind=kind)


def wavegan4k(dtype: Any) -> Gan:
    """WaveGAN of 4,096 samples: 100 -> 16x128 -> 64 -> 32 -> 16 -> 1, and back, with 25 taps and
    phase shuffle.
    """
    shape, head = _SOUNDS.shape, UnconditionalHead()
    networks = (
        wavegan.Generator(shape, width=16, dtype=dtype),
        wavegan.Discriminator(head, width=16, dtype=dtype),
    )
    optimizer = optax.adam(1e-4, b1=0.5, b2=0.9)
    return gan_of(shape, networks, "nonsaturating", optimizer, 100, kind=_SOUNDS)


def gan_of(
    shape: tuple[int, ...],
    networks: tuple[nn.Module, nn.Module],
    loss: str,
    optimizer: optax.GradientTransformation,
    latent_size: int,
    d_terms: tuple[Term, ...] = (),
    kind: Modality | None = None,
) -> Gan:
    """An unconditional GAN of a generator and a discriminator, both trained by ``optimizer``."""
    g, d = networks
    players = Player(g, optimizer), Player(d, optimizer, d_terms)
    return Gan(*players, LOSSES[loss], Normal(latent_size), kind or Images(shape))


NETS: dict[str, Callable[[Any], Gan]] = {
    "dcgan32": dcgan32,
    "sngan32": sngan32,
    "mlp28": mlp28,
    "r3gan32": r3gan32,
    "stylegan2_32": stylegan2_32,
    "biggan32": biggan32,
    "specgan64": specgan64,
    "wavegan4k": wavegan4k,
}
