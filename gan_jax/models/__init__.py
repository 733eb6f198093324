"""Architectures by name: one file each, generator and discriminator together, named after the
paper.

A generator is a module ``(latents [b, n], y [b], *, train) -> x [b, *shape]``, images in [-1, 1],
with the fields ``shape`` and ``num_classes``; a discriminator ``(x, y, *, train) -> Critique`` with
the field ``head``. A network that normalizes over the batch has a field ``axis_name``, which the
engine sets under ``pmap``. The field ``dtype`` is that of convolutions and products; parameters,
statistics, images, features and all of the head are float32. All other fields are the
architecture's own; `gan_jax.config.Network` can set those that it knows.
"""

from typing import NamedTuple

import flax.linen as nn

from gan_jax.models import dcgan, mlp, sngan


class Architecture(NamedTuple):
    """The two players of one family."""

    generator: type[nn.Module]
    discriminator: type[nn.Module]


MODELS = {
    "mlp": Architecture(mlp.Generator, mlp.Discriminator),
    "dcgan": Architecture(dcgan.Generator, dcgan.Discriminator),
    "sngan": Architecture(sngan.Generator, sngan.Discriminator),
}
