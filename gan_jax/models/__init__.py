"""Architectures by name: one file each, generator and discriminator together, named after the
paper.

A generator is a module ``(latents [b, n], y [b], *, train) -> x [b, *shape]``, or a
`gan_jax.types.Fake` of ``x``, with the fields ``shape``, ``num_classes`` and ``bounded``: whether
the real examples lie in [-1, 1]. A discriminator is a module ``(x, y, *, train) -> Critique`` with
the field ``head``. The field ``dtype`` applies to convolutions and matmuls; parameters, statistics,
examples, features and the head are float32. All other fields are specific to the architecture;
those made by `options.option` can be set by a `gan_jax.config.Network`.
"""

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import flax.linen as nn

from gan_jax.errors import ConfigError, either
from gan_jax.modality import Domains, Images, Modality, Sounds, Text, Tokens, Vectors
from gan_jax.models import (
    biggan,
    biggan_deep,
    cyclegan,
    dcgan,
    iwgan,
    mlp,
    pix2pix,
    projected,
    r3gan,
    relgan,
    sagan,
    scratchgan,
    seqgan,
    sngan,
    stacked,
    stackgan,
    stylegan2,
    transformer,
    vocoder,
    wavegan,
)
from gan_jax.models.projected import FROZEN
from gan_jax.nn.heads import ConcatHead, ProjectionHead
from gan_jax.parts.pairs.levels import Levels
from gan_jax.parts.pairs.mels import LogMels


class Architecture(NamedTuple):
    """The two players of one family.

    ``modalities``: the kinds of examples that they support. ``conditions``: the kinds of conditions
    that they take; None stands for class labels. ``headless``: whether the discriminator scores
    without a head, so that labels cannot condition it. ``blind``: whether it does
    not look at conditions. ``heads``: the discriminator's own
    heads, as functions of the number of classes, by the names of the conditionings whose usual head
    they replace; ``usual_heads``: whether other conditionings have their usual head. ``copied``:
    collections of statistics that an EMA copies instead of averaging. ``loaded``:
    ``(options, trained) -> fields``: the fields of a network that hold trained networks, from the
    values of its options; ``trained`` is a `gan_jax.build.trained.Trained`. An option ``NAME``
    beside which there is ``NAME_digest`` names a run folder.
    """

    generator: type[nn.Module] | None
    discriminator: type[nn.Module]
    modalities: tuple[type[Modality], ...] = (Images,)
    conditions: tuple[type[Modality] | None, ...] = (None,)
    headless: bool = False
    blind: bool = False
    heads: Mapping[str, Callable[[int], nn.Module]] = MappingProxyType({})
    usual_heads: bool = True
    copied: tuple[str, ...] = ()
    loaded: Callable[[Mapping[str, Any], Any], dict[str, Any]] = lambda *_: {}

    @property
    def body_ignores_conditions(self) -> bool:
        """Whether at most the head of the discriminator looks at conditions."""
        return self.blind or (self.usual_heads and not self.headless)

    def head(self, conditioning: str, usual: Callable[[int], nn.Module]) -> Callable:
        """The discriminator's head of a conditioning, as a function of the number of classes.

        Raises:
          ConfigError: for a conditioning that needs a head which it cannot have.
        """
        if not self.usual_heads and conditioning not in self.heads:
            raise ConfigError(
                f"conditioning {conditioning!r} does not fit the discriminator; use "
                f"{either(self.heads)}."
            )
        return self.heads.get(conditioning, usual)


_STACKGAN = Architecture(
    stackgan.Generator,
    stackgan.Discriminator,
    conditions=(Tokens,),
    heads={"none": lambda _: stackgan.Head()},
    usual_heads=False,
)
MODELS = {
    "mlp": Architecture(mlp.Generator, mlp.Discriminator, (Modality,), (None, Vectors)),
    "dcgan": Architecture(dcgan.Generator, dcgan.Discriminator, conditions=(None, Vectors)),
    "sngan": Architecture(sngan.Generator, sngan.Discriminator),
    "sagan": Architecture(sagan.Generator, sagan.Discriminator),
    "biggan": Architecture(biggan.Generator, biggan.Discriminator),
    "biggan_deep": Architecture(biggan_deep.Generator, biggan_deep.Discriminator),
    "r3gan": Architecture(
        r3gan.Generator,
        r3gan.Discriminator,
        heads={"none": lambda _: r3gan.Head(), "projection": r3gan.Head},
    ),
    "stylegan2": Architecture(
        stylegan2.Generator,
        stylegan2.Discriminator,
        heads={"none": lambda _: stylegan2.Head(), "projection": stylegan2.Head},
        copied=(stylegan2.BUFFERS,),
    ),
    "wavegan": Architecture(
        wavegan.Generator, wavegan.Discriminator, (Sounds,), conditions=(None, Vectors)
    ),
    "vocoder": Architecture(
        vocoder.Generator,
        vocoder.Discriminator,
        (Sounds,),
        conditions=(LogMels,),
        headless=True,
        blind=True,
    ),
    "iwgan": Architecture(iwgan.Generator, iwgan.Discriminator, (Text,)),
    "scratchgan": Architecture(scratchgan.Generator, scratchgan.Discriminator, (Text,)),
    "seqgan": Architecture(seqgan.Generator, seqgan.Discriminator, (Text,)),
    "relgan": Architecture(relgan.Generator, relgan.Discriminator, (Text,)),
    "transformer": Architecture(transformer.Generator, transformer.Discriminator, (Text,)),
    "pix2pix": Architecture(
        pix2pix.Generator, pix2pix.Discriminator, conditions=(Images,), headless=True
    ),
    "cyclegan": Architecture(
        cyclegan.Generator,
        cyclegan.Discriminator,
        (Domains,),
        conditions=(Domains,),
        headless=True,
        blind=True,
    ),
    "stacked": Architecture(
        stacked.Generator,
        stacked.Discriminator,
        (Levels,),
        heads={
            name: functools.partial(stacked.with_upper, head)
            for name, head in {"concat": ConcatHead, "projection": ProjectionHead}.items()
        },
        usual_heads=False,
    ),
    "stackgan": _STACKGAN,
    "stackgan2": _STACKGAN._replace(
        generator=stackgan.Refiner, copied=(FROZEN,), loaded=stackgan.loaded
    ),
}

DISCRIMINATORS = MODELS | {
    "projected": Architecture(
        None,
        projected.Discriminator,
        heads={"none": lambda _: projected.Head(), "projection": projected.Head},
        usual_heads=False,
        copied=(FROZEN,),
        loaded=projected.loaded,
    ),
}
"""All discriminators, also those without a generator of their own."""
