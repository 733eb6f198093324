"""Architectures by name: one file each, generator and discriminator together, named after the
paper.

A generator is a module ``(latents [b, n], y [b], *, train) -> x [b, *shape]`` with the fields
``shape``, ``num_classes`` and ``bounded``: whether its examples lie in [-1, 1]. A discriminator is
a module ``(x, y, *, train) -> Critique`` with the field ``head``. The field ``dtype`` is
that of convolutions and products; parameters, statistics, examples, features and all of the head
are float32. All other fields are the architecture's own; those made by `options.option` can be set
by a `gan_jax.config.Network`.
"""

from typing import NamedTuple

import flax.linen as nn

from gan_jax.modality import Images, Modality
from gan_jax.models import biggan, biggan_deep, dcgan, mlp, sagan, sngan


class Architecture(NamedTuple):
    """The two players of one family, and what kinds of examples they make and judge."""

    generator: type[nn.Module]
    discriminator: type[nn.Module]
    modalities: tuple[type[Modality], ...] = (Images,)


MODELS = {
    "mlp": Architecture(mlp.Generator, mlp.Discriminator, (Modality,)),
    "dcgan": Architecture(dcgan.Generator, dcgan.Discriminator),
    "sngan": Architecture(sngan.Generator, sngan.Discriminator),
    "sagan": Architecture(sagan.Generator, sagan.Discriminator),
    "biggan": Architecture(biggan.Generator, biggan.Discriminator),
    "biggan_deep": Architecture(biggan_deep.Generator, biggan_deep.Discriminator),
}
