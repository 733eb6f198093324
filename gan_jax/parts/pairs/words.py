"""Pairs of a caption and the image that it describes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from gan_jax.data.captions import Language, language_of
from gan_jax.devices import batch_axis
from gan_jax.modality import Tokens
from gan_jax.parts.pairs.pairing import Pairing, Read
from gan_jax.types import Array, Batch


@dataclasses.dataclass(frozen=True)
class InWords:
    """The condition of an example is a caption of its label, in one of the phrasings at random:
    tokens ``[b, length]`` int32.
    """

    language: Language

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        table = jnp.asarray(self.language.table)
        phrasing = batch_axis.draw(jax.random.randint, key, batch.y.shape, 0, table.shape[1])
        return batch._replace(y=table[batch.y, phrasing])


def captions(read: Read) -> Pairing:
    """A caption -> the image that it describes, see `gan_jax.data.captions`."""
    language = language_of(read.description)
    words = len(language.words)
    kind = Tokens((language.length,), words)
    return Pairing(kind, prepare=InWords(language), fields=(("words", words),))
