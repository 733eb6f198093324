"""Architectures by name: one file each, generator and discriminator together, named after the
paper.

A generator is a module ``(latents [b, n], y [b], *, train) -> x [b, *shape]`` with the fields
``shape``, ``num_classes`` and ``bounded``: whether its examples lie in [-1, 1]. A discriminator is
a module ``(x, y, *, train) -> Critique`` with the field ``head``. The field ``dtype``
applies to convolutions and matmuls; parameters, statistics, examples, features and the head are
float32. All other fields are specific to the architecture; those made by `options.option` can be
set by a `gan_jax.config.Network`.
"""

from typing import NamedTuple

import flax.linen as nn

from gan_jax.modality import Images, Modality
from gan_jax.models import dcgan, mlp, sngan


class Architecture(NamedTuple):
    """The two networks of one family, and the modalities that they support."""

    generator: type[nn.Module]
    discriminator: type[nn.Module]
    modalities: tuple[type[Modality], ...] = (Images,)


MODELS = {
    "mlp": Architecture(mlp.Generator, mlp.Discriminator, (Modality,)),
    "dcgan": Architecture(dcgan.Generator, dcgan.Discriminator),
    "sngan": Architecture(sngan.Generator, sngan.Discriminator),
}
