"""One direction of a translation between two domains, as a GAN of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from gan_jax.config import Config, Pairs
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, one_of
from gan_jax.modality import DOMAINS, Domains, to_float
from gan_jax.sampling.conditions import held_out, of_classes
from gan_jax.types import Array, Batch


@dataclasses.dataclass(frozen=True)
class FromDomain:
    """The conditions of samples are held-out images of the dataset of a config."""

    config: Config

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        return Batch(batch.x, batch.x)

    def draw(self, labels: Array, key: Array) -> Array:
        """Images ``[n, h, w, c]`` of classes ``[n]``."""
        return to_float(of_classes(held_out(self.config)[0][0], np.asarray(labels)).x)


def one_way(gan: Gan, config: Config, to: str) -> tuple[Gan, Config]:
    """The GAN that translates images to the domain ``to``, which has the same state, and its
    config, whose dataset is that of this domain.

    Raises:
      ConfigError: for a GAN of another kind, or an unknown domain.
    """
    one_of("domain", to, DOMAINS)
    if not isinstance(gan.modality, Domains):
        raise ConfigError(f"translation needs a GAN of two domains, not of {gan.modality}.")
    kind = gan.modality.image
    datasets = config.dataset, config.unpaired
    target, source = datasets if to == DOMAINS[0] else datasets[::-1]
    own = dataclasses.replace(config, unpaired=None, pairs=Pairs("labels"))
    player = lambda player, **fields: dataclasses.replace(
        player, network=player.network.clone(**fields), terms=(), memory=None
    )
    one = dataclasses.replace(
        gan,
        generator=player(gan.generator, to=to),
        discriminator=player(gan.discriminator, only=to),
        modality=kind,
        read=None,
        condition=kind,
        prepare=FromDomain(dataclasses.replace(own, dataset=source)),
    )
    return one, dataclasses.replace(own, dataset=target)
